"""Files that hold several volumes: ``eye.E2E#2`` is the third volume of ``eye.E2E``."""

from __future__ import annotations

import re
from pathlib import Path

_WITH_VOLUME = re.compile(r"(?P<name>.+)#(?P<volume>\d{1,4})")


def split_volume(path: Path) -> tuple[Path, int | None]:
    """Split a path into its file and the volume that it names.

    Returns
    -------
    tuple
        The file, and the volume's number from 0; None where the path names none. A ``#`` that is
        part of the name of an existing file is left alone.
    """
    found = _WITH_VOLUME.fullmatch(path.name)
    if found is None:
        return path, None
    try:
        if path.exists():
            return path, None
    except (OSError, ValueError):  # a NUL in the name
        return path, None
    return path.with_name(found["name"]), int(found["volume"])


def file_of(path: Path) -> Path:
    """The file that a path lies in, without the number of a volume."""
    return split_volume(path)[0]


def name_volume(path: Path, volume: int) -> Path:
    """The path of one volume of a file."""
    return path.with_name(f"{path.name}#{volume}")

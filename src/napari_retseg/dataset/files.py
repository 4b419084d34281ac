"""The files that a dataset names: there, regular, and within its folder."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Literal

from napari_retseg.containment import resolve_within
from napari_retseg.errors import InputError, NotThereError
from napari_retseg.plaintext import make_visible
from napari_retseg.volume_path import file_of

FileKind = Literal["file", "folder"]

#: So much of a text from a file is shown in a message.
_SHOWN = 200


def shorten(text: object) -> str:
    """Return a text from a file for a message, in quotes and not too long."""
    shown = repr(text)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."


def check_name(path: Path) -> Path:
    """Return a path whose name a description can hold.

    Raises
    ------
    InputError
        Where it is not UTF-8.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{make_visible(path)}: this name is not UTF-8 and cannot be stored in a "
            "dataset; rename the file"
        ) from error
    return path


def kind_of(path: Path) -> FileKind | None:
    """Whether a file or a folder lies somewhere, links followed; None: nothing.

    Of one of several volumes (``file#2``) its file counts.

    Raises
    ------
    InputError
        Where it is a device, pipe or socket, or the system does not tell.
    """
    try:
        mode = file_of(path).stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{_name(path)}: cannot be accessed ({reason})") from error
    if stat.S_ISDIR(mode):
        return "folder"
    if stat.S_ISREG(mode):
        return "file"
    raise InputError(f"{path}: not a regular file (a device, pipe or socket), so it is not read")


def find_inside(root: Path, given: str, path: Path) -> Path | None:
    """Return the absolute path of a file that a description names; None outside `root`.

    Links and ``..`` are followed to tell; the name that was given is kept.
    """
    raw = root / given
    try:
        target = raw.resolve()
        if not target.is_relative_to(root.resolve()):
            return None
        plain = Path(os.path.normpath(raw))
        return plain if plain.resolve() == target else target
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"{path}: {shorten(given)} is not a valid path ({error})") from error


def check_links(root: Path, folder: Path) -> None:
    """Make sure that no link in a folder, or in the folders in it, leads out of `root`.

    Raises
    ------
    InputError
        Naming the first that does, or what is no regular file.
    """
    for parent, folders, files in os.walk(folder, onerror=_refuse):
        for name in (*folders, *files):
            path = Path(parent) / name
            if path.is_symlink():
                resolve_within(root, path)
            if name in files and kind_of(path) is None:
                raise InputError(f"{path}: broken link; remove or repair it")


def check_there(path: Path, noun: str, lister: str) -> None:
    """Make sure that a file or folder is there.

    Raises
    ------
    NotThereError
        Where nothing is.
    InputError
        Where it is no file and no folder.
    """
    if kind_of(path) is None:
        raise NotThereError(f"{_name(path)}: {noun} not found, but {lister} lists it")


def _refuse(error: OSError) -> None:
    raise InputError(f"{error.filename}: cannot be listed ({error.strerror})") from error


def _name(path: Path) -> str:
    text = str(path)
    return text if len(text) <= 2 * _SHOWN else f"{text[: 2 * _SHOWN]}..."

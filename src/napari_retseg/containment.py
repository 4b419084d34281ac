"""Paths that stay within a folder, whatever links lie on the way."""

from __future__ import annotations

import shutil
from pathlib import Path

from napari_retseg.errors import InputError, explaining


def resolve_within(root: Path, path: Path) -> Path:
    """Follow all links of a path and make sure that it ends within a folder.

    Parameters
    ----------
    root
        The folder; links on the way to it are the user's own and count as part of it.
    path
        A path that need not exist; relative paths are taken from `root`.

    Returns
    -------
    Path
        The path with all links followed.

    Raises
    ------
    InputError
        Where it leads elsewhere, or its links form a circle.
    """
    try:
        inside = root.resolve()
        found = (root / path).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"{path}: cannot be followed ({error})") from error
    if not found.is_relative_to(inside):
        raise InputError(
            f"{path}: leads out of {root}, to {found}, so nothing was read or changed. Replace "
            "the link with a real file or folder"
        )
    return found


def remove_within(root: Path, path: Path) -> None:
    """Remove a file or a folder that lies within `root`; a link is removed, not what it names.

    Nothing happens where nothing is there.

    Raises
    ------
    InputError
        Where the folder that holds it lies elsewhere, or the system refuses.
    """
    resolve_within(root, path.parent)
    with explaining(path, "cannot be removed"):
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
        else:
            shutil.rmtree(path)

"""The folder that a batch writes to: others may, too, and ruins are cleared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_retseg.errors import InputError

#: Names of files that are not whole yet, see `napari_retseg.io.atomic` and `io.writer`.
_UNFINISHED = re.compile(r"\.retseg-[0-9a-f]{12}(\.\w+)+")


def make_folder(folder: Path) -> None:
    """Make a folder.

    Raises
    ------
    InputError
        Where the system refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot create this folder ({error.strerror}); choose another one"
        ) from error


@contextmanager
def shared(lock: Path, folders: Iterable[Path]) -> Iterator[None]:
    """Write to folders, beside other programs of this kind.

    Where no other one is there, files that a killed one left unfinished are removed first. On
    Windows, and on file systems without locks, they stay.

    Parameters
    ----------
    lock
        The file by which the programs know of each other.
    folders
        Where files are written.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    try:
        make_folder(lock.parent)
        stream = lock.open("ab")
    except (InputError, OSError):  # each scan says why nothing can be written
        yield
        return
    with stream:
        with suppress(OSError):
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for folder in folders:
                _clear(folder)
        with suppress(OSError):
            fcntl.flock(stream, fcntl.LOCK_SH)
        yield


def _clear(folder: Path) -> None:
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        if _UNFINISHED.fullmatch(entry.name) and entry.is_file():
            entry.unlink(missing_ok=True)

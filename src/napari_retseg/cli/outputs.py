"""The folder that a batch writes to: others may, too, and ruins are cleared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_retseg.errors import InputError, explaining
from napari_retseg.io.atomic import remove_leftovers


def make_folder(folder: Path) -> None:
    """Make a folder.

    Raises
    ------
    InputError
        Where the system refuses.
    """
    with explaining(folder, "cannot create this folder", advice="choose another one"):
        folder.mkdir(parents=True, exist_ok=True)


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
                remove_leftovers(folder.resolve(), below=False)  # it may be a link of the user's
        with suppress(OSError):
            fcntl.flock(stream, fcntl.LOCK_SH)
        yield

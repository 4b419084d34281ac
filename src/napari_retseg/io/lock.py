"""One program at a time works in a folder; the system ends a lock when its holder dies."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from napari_retseg.errors import InputError, RetsegError, explaining

LOCK = ".lock"


@contextmanager
def hold_folder(
    folder: Path, *, patience: float, busy: RetsegError, advice: str, name: str = LOCK
) -> Iterator[None]:
    """Hold a folder, which is made if missing.

    Parameters
    ----------
    patience
        Seconds to wait for another program.
    busy
        What is raised where another program holds it for longer.
    advice
        What to do where the folder cannot be written.
    name
        Of the lock's file.

    Raises
    ------
    RetsegError
        `busy`.
    InputError
        Where the folder cannot be written.
    """
    with explaining(folder, "cannot be written", advice=advice):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / name, timeout=patience)
        try:
            lock.acquire()
        except Timeout as error:
            raise busy from error
    try:
        yield
    finally:
        lock.release()


def check_lock(path: Path) -> None:
    """Refuse a lock that is not a plain, empty file of its own: to take it empties the file.

    Raises
    ------
    InputError
        Where something else lies there.
    """
    try:
        status = path.lstat()
    except OSError:  # nothing lies there yet, or the folder says why when the lock is taken
        return
    is_plain = stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_size == 0
    if not is_plain:
        raise InputError(f"{path}: not the empty lock file, so nothing was changed; move it away")

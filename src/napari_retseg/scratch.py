"""Temporary files of a process: in a folder of its user alone, and gone also after a kill."""

from __future__ import annotations

import atexit
import os
import shutil
import stat
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Self

_PREFIX = "napari-retseg-"
_LOCK = "in-use"


class Scratch:
    """A new folder with a name that nobody can guess, mode 0700; gone after :meth:`close`.

    It is known to be in use by a lock that the system takes back when the process dies. The next
    one that is made clears those of processes of the same user that died.

    Attributes
    ----------
    path
        The folder.
    """

    def __init__(self) -> None:
        clear_dead()
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
            self._lock = (self.path / _LOCK).open("xb")
            if _take(self._lock) and (self.path / _LOCK).exists():
                return
            self._lock.close()  # taken for a dead one in this moment: make another

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the folder with all that is in it."""
        self._lock.close()
        shutil.rmtree(self.path, ignore_errors=True)


_guard = threading.Lock()
_shared: dict[tuple[str, int], Scratch] = {}


def scratch_folder() -> Path:
    """Return the folder of this process; it is removed when the process ends.

    A forked process gets one of its own. One that somebody tidied away is made again.
    """
    key = tempfile.gettempdir(), os.getpid()
    with _guard:
        scratch = _shared.get(key)
        if scratch is None or not scratch.path.is_dir():
            scratch = _shared[key] = Scratch()
            atexit.register(_close_own, scratch, os.getpid())
        return scratch.path


def _close_own(scratch: Scratch, process: int) -> None:
    """Remove the folder at the end of the process that made it, not of its children."""
    if os.getpid() == process:
        scratch.close()


def clear_dead() -> None:
    """Remove the folders of this user's processes that died."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        if _is_own_folder(folder):
            _clear_if_dead(folder)


def _is_own_folder(folder: Path) -> bool:
    try:
        status = folder.lstat()
    except OSError:
        return False
    is_own = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    return stat.S_ISDIR(status.st_mode) and is_own


def _clear_if_dead(folder: Path) -> None:
    lock = folder / _LOCK
    if not lock.is_file():  # none of ours, or made in this moment
        return
    try:
        if sys.platform == "win32":
            lock.unlink()  # refused while somebody has it open
            shutil.rmtree(folder, ignore_errors=True)
            return
        with lock.open("rb") as stream:
            # held until all is gone: who has just made the folder cannot take it, and makes another
            if _take(stream):
                shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        return


def _take(stream: IO[bytes]) -> bool:
    """Lock a file for as long as it is open; False where another process has."""
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True

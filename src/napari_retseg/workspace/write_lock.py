"""One program at a time writes to a workspace; others look at it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from napari_retseg.dataset.description import DESCRIPTION
from napari_retseg.dataset.registry import WORKSPACE
from napari_retseg.errors import InputError
from napari_retseg.io.atomic import ANY_WRITE
from napari_retseg.io.lock import check_lock
from napari_retseg.workspace.layout import LABELS, LOCK


def take_lock(folder: Path) -> tuple[BaseFileLock | None, str]:
    """Take the right to write to a workspace.

    The system gives it back when the program dies.

    Returns
    -------
    lock
        None where the workspace can only be read.
    why
        One sentence, why it can only be read; empty otherwise.

    Raises
    ------
    InputError
        Where the lock's file is a link or something else that must not be emptied.
    """
    check_lock(folder / LOCK)
    for place in (folder, folder / DESCRIPTION, folder / LABELS):
        if place.exists() and not _may_write(place):
            return None, f"{place} is write-protected; make it writable to change the workspace"
    # any thread may close the workspace, not only the one that opened it
    lock = FileLock(folder / LOCK, timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        return None, (
            f"{folder} is open in another window or program; close it there and open it again to "
            "change it"
        )
    except OSError as error:
        why = error.strerror or "cannot lock it"
        return None, f"{folder} is not writable ({why}); make it writable to change it"
    return lock, ""


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold the right to write to a folder that may be a workspace; any other one is free.

    Raises
    ------
    InputError
        Where another program has the workspace open, or it is write-protected.
    """
    if not (folder / WORKSPACE).is_file():
        yield
        return
    lock, why = take_lock(folder)
    if lock is None:
        raise InputError(why)
    try:
        yield
    finally:
        lock.release()


def _may_write(path: Path) -> bool:
    """Whether a place is marked writable, even for somebody whom the system lets write anywhere."""
    return bool(path.stat().st_mode & ANY_WRITE) and os.access(path, os.W_OK)

"""Files appear whole or not at all: a temporary file in the same folder, fsync, replace."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from napari_retseg.anchor import find_anchors, make_parents
from napari_retseg.errors import InputError
from napari_retseg.io.file_errors import first_line
from napari_retseg.io.suffixes import suffix_of
from napari_retseg.plaintext import make_visible
from napari_retseg.regular import read_limited

_PREFIX = ".retseg-"
_TEMPORARY = re.compile(r"\.retseg-[0-9a-f]{12}(\.\w+)*")
#: No room on the disk, or none left of what the user may take of it.
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
ANY_WRITE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


@contextmanager
def replace_atomically(path: Path, *, size: int = 0) -> Iterator[Path]:
    """Give a temporary file beside `path` to write; at the end it takes the place of `path`.

    The folder is made where it is missing; one that is anchored (:mod:`napari_retseg.anchor`) is
    not, and what is written below it stays in it. After an error the temporary file is gone and
    `path` is as it was. The temporary name starts with a dot and keeps the suffix.

    Parameters
    ----------
    path
        The file.
    size
        How many bytes it is going to have, where that is known: said where the disk is full.

    Yields
    ------
    Path
        An empty file in the folder of `path`.

    Raises
    ------
    InputError
        Where the system refuses to write: no permission, no space, a folder in the way, or the file
        or its folder is marked read-only.
    """
    temporary = path.with_name(f"{_PREFIX}{secrets.token_hex(6)}{suffix_of(path)}")
    try:
        _respect_protection(path)
        make_parents(path)
        temporary.open("xb").close()
    except OSError as error:
        raise _refusal(path, error, size=size) from error
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise _refusal(path, error, size=size) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _respect_protection(path: Path) -> None:
    """Refuse a file, or a folder, that is marked read-only: root could replace it all the same."""
    for marked in (path, path.parent):
        if marked.exists() and not marked.stat().st_mode & ANY_WRITE:
            raise InputError(
                f"{path}: cannot be written ({marked} is write-protected); choose another folder "
                "or make it writable"
            )


def remove_leftovers(folder: Path, *, below: bool = True) -> None:
    """Remove temporary files that a killed program left in a folder that nobody else writes to.

    Links are neither followed nor removed, and what cannot be removed stays.

    Parameters
    ----------
    folder
        Need not exist.
    below
        Whether to look into the folders below it, too.
    """
    if folder.is_symlink():
        return
    for place, folders, files in os.walk(folder):
        for name in files:
            path = Path(place) / name
            if _TEMPORARY.fullmatch(name) and not path.is_symlink():
                with suppress(OSError):
                    path.unlink()
        if not below:
            folders.clear()


def write_bytes(path: Path, data: bytes | memoryview) -> Path:
    """Write a file atomically.

    Raises
    ------
    InputError
        Where the system refuses to write.
    """
    with replace_atomically(path, size=memoryview(data).nbytes) as temporary:
        temporary.write_bytes(data)
    return path


def link_file(path: Path, target: Path) -> Path:
    """Give a file that is never written in place a second name; a copy where links are unknown.

    Raises
    ------
    NotThereError
        Where nothing lies at `path`.
    InputError
        Where something lies at `target`, or the system refuses.
    """
    try:
        make_parents(target)
        if not path.is_symlink():  # a second name of a link would change with what it names
            target.hardlink_to(path)
            return target
    except FileExistsError as error:
        raise InputError(f"{target}: already exists; choose another place") from error
    except OSError:  # no links there, or no file: the copy says why
        pass
    return write_bytes(target, read_limited(path))


def write_text(path: Path, text: str) -> Path:
    """Write a text file (UTF-8, unix line ends) atomically.

    Raises
    ------
    InputError
        Where the system refuses to write, or the text holds a file name that is not UTF-8: nobody
        could read it again.
    """
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        start = max(error.start - 30, 0)
        near = make_visible(text[start : error.end + 20].splitlines()[0])
        raise InputError(
            f"{path}: cannot store a name that is not UTF-8 (near {near}); rename that file"
        ) from error
    return write_bytes(path, data)


def write_json(path: Path, obj: Any) -> Path:
    """Write plain values as JSON, atomically; NaN is refused, since JSON has none.

    Raises
    ------
    InputError
        Where the system refuses to write.
    """
    text = json.dumps(obj, indent=2, ensure_ascii=False, allow_nan=False)
    return write_text(path, text + "\n")


def _refusal(path: Path, error: OSError, *, size: int) -> InputError:
    """Say which file cannot be written, and why; of a full disk, how much room is left."""
    for anchor in find_anchors(path.absolute()):
        try:
            anchor.check()
        except InputError as moved:
            return moved
    if error.errno in _FULL:
        room = _describe_room(path.parent, size)
        return InputError(
            f"{path}: cannot be written ({error.strerror}{room}); free some disk space"
        )
    why = error.strerror or first_line(error)
    return InputError(
        f"{path}: cannot be written ({why}); choose another folder or free some disk space"
    )


def _describe_room(folder: Path, size: int) -> str:
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return ""
    needed = f", the file needs {size / 1e6:,.1f} MB" if size else ""
    return f"; {free / 1e6:,.1f} MB are free{needed}"


def _sync(path: Path) -> None:
    with path.open("r+b") as stream:
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    """Make the new name durable; Windows has no such call and needs none."""
    if os.name != "posix":
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)

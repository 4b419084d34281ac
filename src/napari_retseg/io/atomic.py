"""Files appear whole or not at all: a temporary file in the same folder, fsync, replace."""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from napari_retseg.errors import InputError
from napari_retseg.io.opening import first_line
from napari_retseg.io.suffixes import suffix_of
from napari_retseg.plaintext import make_visible

_PREFIX = ".retseg-"
_ANY_WRITE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


@contextmanager
def replace_atomically(path: Path) -> Iterator[Path]:
    """Give a temporary file beside `path` to write; at the end it takes the place of `path`.

    The folder is made where it is missing. After an error the temporary file is gone and
    `path` is as it was. The temporary name starts with a dot and keeps the suffix.

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
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.open("xb").close()
    except OSError as error:
        raise _refusal(path, error) from error
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise _refusal(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _respect_protection(path: Path) -> None:
    """Refuse a file, or a folder, that is marked read-only: root could replace it all the same."""
    for marked in (path, path.parent):
        if marked.exists() and not marked.stat().st_mode & _ANY_WRITE:
            raise InputError(
                f"{path}: cannot be written ({marked} is write-protected); choose another folder "
                "or make it writable"
            )


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files that a killed program left in a folder that nobody else writes to."""
    for leftover in folder.rglob(f"{_PREFIX}*"):
        leftover.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes | memoryview) -> Path:
    """Write a file atomically.

    Raises
    ------
    InputError
        Where the system refuses to write.
    """
    with replace_atomically(path) as temporary:
        temporary.write_bytes(data)
    return path


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
            f"{path}: cannot hold a name that is not UTF-8 (near {near}); rename that file"
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


def _refusal(path: Path, error: OSError) -> InputError:
    why = error.strerror or first_line(error)
    return InputError(f"{path}: cannot be written ({why}); choose another folder or make room")


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

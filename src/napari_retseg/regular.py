"""Only regular files are opened, and no more of them is read than a stated limit."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from napari_retseg.errors import InputError, NotThereError, explaining

#: A description (JSON, YAML, a card, a log) is smaller; a scan or weights file has its own limit.
LARGEST_TEXT = 64 * 1024**2

_BLOCK = 1 << 20
#: A pipe without a writer would be waited for without it; Windows has neither.
_NO_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


def open_regular(path: Path, *, limit: int | None = None) -> BinaryIO:
    """Open a file for reading, and refuse devices, pipes, sockets and folders.

    Parameters
    ----------
    path
        The file; a link to a regular file is followed.
    limit
        Largest size in bytes; None: any.

    Raises
    ------
    NotThereError
        Where nothing lies at `path`.
    InputError
        Where it is not a regular file, is larger than `limit`, or may not be read.
    """
    try:
        number = os.open(path, os.O_RDONLY | _NO_WAIT)
    except FileNotFoundError as error:
        raise NotThereError(f"{path}: file or folder not found; check the path") from error
    except PermissionError as error:
        raise InputError(f"{path}: permission denied; change its permissions") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: cannot be opened ({reason})") from error
    try:
        _check_kind(path, os.fstat(number), limit)
    except InputError:
        os.close(number)
        raise
    return os.fdopen(number, "rb")


def read_limited(path: Path, limit: int = LARGEST_TEXT) -> bytes:
    """Read a whole regular file of at most `limit` bytes.

    Raises
    ------
    NotThereError
        Where nothing lies at `path`.
    InputError
        Where it is not a regular file, is larger than `limit`, or cannot be read.
    """
    blocks, size = [], 0
    with open_regular(path, limit=limit) as stream, explaining(path, "cannot be read"):
        while block := stream.read(_BLOCK):
            size += len(block)
            if size > limit:  # it has grown, or the system does not know its size
                raise _too_large(path, limit)
            blocks.append(block)
    return b"".join(blocks)


def _check_kind(path: Path, status: os.stat_result, limit: int | None) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{path}: this is a folder, but a file is needed")
    if not stat.S_ISREG(status.st_mode):
        raise InputError(
            f"{path}: not a regular file (a device, pipe or socket), so it is not read"
        )
    if limit is not None and status.st_size > limit:
        raise _too_large(path, limit)


def _too_large(path: Path, limit: int) -> InputError:
    return InputError(f"{path}: too large (limit {limit:,} bytes)")

"""Zip files of strangers: how many entries, and how large each is, before anything is unpacked."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from napari_retseg.errors import InputError
from napari_retseg.regular import open_regular

#: The end of a zip file: 22 bytes, and a comment of at most 64 KB.
_END = b"PK\x05\x06"
_END_SIZE = 22
_END_SEARCH = _END_SIZE + (1 << 16)
_LOCATOR = b"PK\x06\x07"
#: An entry of the list at the end is no shorter; Python needs ten times as much for it.
_ENTRY_BYTES = 46


@contextmanager
def open_zip(path: Path, *, limit: int, entries: int) -> Iterator[zipfile.ZipFile]:
    """Open a zip file whose list of entries is of a size that was thought of.

    Parameters
    ----------
    limit
        Bytes of the file.
    entries
        Their largest number.

    Raises
    ------
    NotThereError
        Where nothing lies at `path`.
    InputError
        Where it is not a regular file, is beyond the limits, or is no zip file; also for what
        :mod:`zipfile` raises while it is open.
    """
    with open_regular(path, limit=limit) as stream:
        try:
            _check_end(path, stream, entries)
            with zipfile.ZipFile(stream) as archive:
                yield archive
        except (
            OSError,
            EOFError,
            ValueError,
            KeyError,
            RuntimeError,  # an entry with a password
            NotImplementedError,
            zlib.error,
            zipfile.BadZipFile,
        ) as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise InputError(f"{path}: cannot be read as a zip file ({reason})") from error


def read_member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """Read one entry of at most `limit` bytes; what it claims and what it holds are both checked.

    Raises
    ------
    ValueError, KeyError
        Where there is none, or it is larger, or compressed otherwise than by deflation.
    """
    info = archive.getinfo(name)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is compressed in a way that is not read")
    if info.file_size > limit:
        raise ValueError(f"{name} is too large (limit {limit:,} bytes)")
    with archive.open(info) as stream:
        content = stream.read(limit + 1)
    if len(content) != info.file_size:
        raise ValueError(f"{name} holds another number of bytes than is said")
    return content


def _check_end(path: Path, stream: BinaryIO, entries: int) -> None:
    size = stream.seek(0, 2)
    stream.seek(max(0, size - _END_SEARCH))
    tail = stream.read()
    place = tail.rfind(_END)
    if place < 0 or len(tail) - place < _END_SIZE:
        raise InputError(f"{path}: is no zip file")
    (listed,) = struct.unpack_from("<L", tail, place + 12)
    if _LOCATOR in tail[max(0, place - 20) : place] or listed > entries * 8 * _ENTRY_BYTES:
        raise InputError(f"{path}: has more entries than such a file can have (limit {entries:,})")
    stream.seek(0)

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
#: Before it, where sizes need 64 bits, a locator of 20 bytes, and a record of 56 or more.
_LOCATOR = b"PK\x06\x07"
_LOCATOR_SIZE = 20
_RECORD = b"PK\x06\x06"
_RECORD_SIZE = 56
_END_SEARCH = _RECORD_SIZE + _LOCATOR_SIZE + _END_SIZE + (1 << 16)
#: An entry in the list of entries takes at least so many bytes; Python needs ten times as much.
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
            check_list(stream, entries * 8 * _ENTRY_BYTES)
            _refuse_long_records(stream)
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
        raise ValueError(f"{name} uses an unsupported compression")
    if info.file_size > limit:
        raise ValueError(f"{name} is too large (limit {limit:,} bytes)")
    with archive.open(info) as stream:
        content = stream.read(limit + 1)
    if len(content) != info.file_size:
        raise ValueError(f"{name} has another size than its header says")
    return content


def check_list(stream: BinaryIO, longest: int) -> None:
    """Make sure that a zip file's list of entries is no longer than `longest` bytes.

    Python reads the list as a whole when it opens the file. Where the file has several records of
    its length, the largest counts. The stream is at its start again.

    Raises
    ------
    zipfile.BadZipFile
        Where it is longer, or the file is no zip file.
    """
    tail = _read_tail(stream)
    place = tail.rfind(_END)
    if place < 0 or len(tail) - place < _END_SIZE:
        raise zipfile.BadZipFile("not a zip file")
    (listed,) = struct.unpack_from("<L", tail, place + 12)
    if max(listed, *_list_long_records(stream, tail[:place]), 0) > longest:
        raise zipfile.BadZipFile(f"more entries than {longest:,} bytes can list")
    stream.seek(0)


def _read_tail(stream: BinaryIO) -> bytes:
    size = stream.seek(0, 2)
    stream.seek(max(0, size - _END_SEARCH))
    return stream.read()


def _list_long_records(stream: BinaryIO, before: bytes) -> Iterator[int]:
    """Bytes of the list by the records of 64 bits: that which is named, and that which lies there.

    Which of the two Python believes depends on its version.
    """
    locator = before[-_LOCATOR_SIZE:]
    if not locator.startswith(_LOCATOR):
        return
    (offset,) = struct.unpack_from("<Q", locator, 8)
    records = [before[-_LOCATOR_SIZE - _RECORD_SIZE : -_LOCATOR_SIZE]]
    if offset < 1 << 63:
        stream.seek(offset)
        records.append(stream.read(_RECORD_SIZE))
    for record in records:
        if record.startswith(_RECORD) and len(record) == _RECORD_SIZE:
            yield struct.unpack_from("<Q", record, 40)[0]


def _refuse_long_records(stream: BinaryIO) -> None:
    """Refuse the records of 64 bits, which a file of up to 4 GB with few entries does without."""
    tail = _read_tail(stream)
    if _LOCATOR in tail[: tail.rfind(_END)][-_LOCATOR_SIZE:]:
        raise zipfile.BadZipFile("too many entries")
    stream.seek(0)

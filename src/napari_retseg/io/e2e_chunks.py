"""The chunks of a Heidelberg ``.E2E`` file: where each piece of data lies, and what it belongs to.

A file begins with a header and a directory; data lie in chunks that have a header of their own.
The chunks are walked one after the other instead of through the directories, so that a file whose
directories are damaged or were taken out is read as far as it goes. Only headers are read. The
structure is that of the descriptions of uocte, LibE2E and eyepy.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from napari_retseg.errors import InputError

#: What a chunk holds.
PATIENT, LATERALITY, DEVICE, SCAN_PATTERN = 9, 11, 13, 9006
EXAM_TIME, PREAMBLE, BSCAN, CONTOUR = 10005, 3, 10004, 10019
IMAGE = 0x40000000

#: Kinds of images.
OCT_IMAGE, SLO_IMAGE = 35652097, 33620481

#: Bytes of the header of an image.
IMAGE_HEADER = struct.Struct("<5I")

MOST_CHUNKS = 250_000

_MULTIPLE = b"E2EMultipleVolumeFile"
_MULTIPLE_BYTES = 64
_MAGIC = b"CMDb"
_FIRST = 36
_DIRECTORY, _DATA = (b"MDbDir\0", b"MDbMDir\0"), b"MDbData\0"
_DIRECTORY_HEADER = struct.Struct("<36xI12x")
_ENTRY_BYTES = 44
_DATA_HEADER = struct.Struct("<24xI4x3iiHHI4x")
_BEGINNING = re.compile(rb"MDb(?:Data|Dir|MDir)\0")
_SHORTEST_BLOCK, _LONGEST_BLOCK = 1 << 12, 1 << 20


@dataclass(frozen=True, slots=True)
class Chunk:
    """One piece of data.

    Parameters
    ----------
    at
        Its first byte in the file, behind the header of the chunk.
    held
        Bytes that are there: less than declared where the file was cut.
    series
        Numbers of patient, study and series; -1 where it belongs to all of them.
    slice_id
        Twice the number of the B-scan; -1 where it belongs to all of them.
    kind
        What it holds.
    """

    at: int
    held: int
    series: tuple[int, int, int]
    slice_id: int
    kind: int

    def read(self, stream: BinaryIO, most: int) -> bytes:
        """Read its first `most` bytes, or as many as there are."""
        stream.seek(self.at)
        return stream.read(min(most, self.held))


def walk_chunks(path: Path, stream: BinaryIO, size: int) -> Iterator[Chunk]:
    """Walk through the data of a file, in the order in which they lie there.

    Raises
    ------
    InputError
        Where it is no E2E file, or has too many chunks.
    """
    at = _find_start(path, stream)
    for _ in range(MOST_CHUNKS):
        stream.seek(at)
        head = stream.read(_DATA_HEADER.size)
        if head.startswith(_DIRECTORY) and len(head) >= _DIRECTORY_HEADER.size:
            (entries,) = _DIRECTORY_HEADER.unpack_from(head)
            end = at + _DIRECTORY_HEADER.size + entries * _ENTRY_BYTES
            at = _find_next(stream, end, at + _DIRECTORY_HEADER.size, size)
        elif head.startswith(_DATA) and len(head) == _DATA_HEADER.size:
            declared, *series, slice_id, _, _, kind = _DATA_HEADER.unpack(head)
            begin = at + _DATA_HEADER.size
            at = _find_next(stream, begin + declared, begin, size)
            numbers = (series[0], series[1], series[2])
            yield Chunk(begin, min(declared, at - begin), numbers, slice_id, kind)
        elif len(head) < _DATA_HEADER.size:
            return
        else:
            at = _search(stream, at + 1, size)
    raise InputError(f"{path}: contains more than {MOST_CHUNKS:,} pieces of data")


def _find_start(path: Path, stream: BinaryIO) -> int:
    """The place of the first directory."""
    head = stream.read(_MULTIPLE_BYTES + len(_MAGIC))
    start = _MULTIPLE_BYTES if head.startswith(_MULTIPLE) else 0
    if not head.startswith(_MAGIC, start):
        raise InputError(f"{path}: not a Heidelberg .E2E file; export it from HEYEX again")
    return start + _FIRST


def _find_next(stream: BinaryIO, expected: int, after: int, size: int) -> int:
    """The next chunk: where it should be, else the first one that is found behind `after`."""
    if expected <= size:
        stream.seek(expected)
        if expected == size or _BEGINNING.match(stream.read(len(_DATA))):
            return expected
    return _search(stream, after, size)


def _search(stream: BinaryIO, at: int, size: int) -> int:
    """The place of the next chunk; the end of the file where there is none."""
    # what is near costs little: a damaged file may have a wrong length in each chunk
    length = _SHORTEST_BLOCK
    while at < size:
        stream.seek(at)
        found = _BEGINNING.search(stream.read(length + len(_DATA)))
        if found is not None:
            return at + found.start()
        at += length
        length = min(2 * length, _LONGEST_BLOCK)
    return size

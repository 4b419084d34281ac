"""The named chunks that a Topcon file is made of.

A header of 15 bytes ("FOCT", three letters for the kind, two numbers) is followed by chunks: the
length of the name (one byte), the name, the size of the content (32 bits, little endian) and the
content. A length of 0 ends the file. (Facts: the wiki of uocte, "Topcon File Format".)
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from napari_retseg.errors import InputError
from napari_retseg.io.file_errors import check_file, reading

_KIND = "a Topcon file"
_MAGIC = b"FOCT"
_HEADER_BYTES = 15
_NAME = re.compile(rb"@[A-Z0-9_]{1,60}")
_MOST_CHUNKS = 10_000


@dataclass(frozen=True)
class Chunk:
    """A chunk's name, and where its content lies."""

    name: str
    at: int
    size: int


@dataclass(frozen=True)
class TopconFile:
    """An open file and its chunks.

    Attributes
    ----------
    has_end
        Whether the mark of the end was found behind the last chunk.
    """

    path: Path
    stream: BinaryIO
    chunks: tuple[Chunk, ...]
    has_end: bool

    def find(self, *names: str) -> Chunk | None:
        """Return the first chunk with the first of these names that is there."""
        return next((c for name in names for c in self.chunks if c.name == name), None)

    def find_all(self, name: str) -> list[Chunk]:
        """Return the chunks with a name, in the order of the file."""
        return [chunk for chunk in self.chunks if chunk.name == name]

    def read(self, chunk: Chunk, offset: int, length: int) -> bytes:
        """Read bytes of a chunk.

        Raises
        ------
        InputError
            Where the chunk is shorter.
        """
        if offset + length > chunk.size:
            raise InputError(
                f"{self.path}: the block {chunk.name} has {chunk.size} bytes and needs "
                f"{offset + length}; copy or export the file again"
            )
        self.stream.seek(chunk.at + offset)
        return self.stream.read(length)

    def unpack(self, chunk: Chunk, form: str, offset: int = 0) -> tuple[Any, ...]:
        """Read numbers of a chunk; `form` is that of :mod:`struct`."""
        return struct.unpack(form, self.read(chunk, offset, struct.calcsize(form)))


@contextmanager
def open_topcon(path: Path) -> Iterator[TopconFile]:
    """Open a file and walk through its chunks.

    Raises
    ------
    InputError
        Where it is missing, empty, cut off or something else.
    """
    size = check_file(path)
    with reading(path, _KIND), path.open("rb") as stream:
        if not stream.read(_HEADER_BYTES).startswith(_MAGIC):
            raise InputError(f"{path}: not a Topcon file; export it from the device again")
        chunks, has_end = _walk(path, stream, size)
        yield TopconFile(path, stream, tuple(chunks), has_end)


def _walk(path: Path, stream: BinaryIO, size: int) -> tuple[list[Chunk], bool]:
    chunks: list[Chunk] = []
    while length := stream.read(1):
        if length == b"\0":
            return chunks, True
        name = stream.read(length[0])
        number = stream.read(4)
        if len(number) < 4:
            raise _cut_off(path, chunks)
        if not _NAME.fullmatch(name) or len(chunks) == _MOST_CHUNKS:
            raise InputError(
                f"{path}: damaged behind {_place(chunks)}; copy or export the file again"
            )
        chunk = Chunk(name.decode("ascii"), stream.tell(), *struct.unpack("<I", number))
        if chunk.at + chunk.size > size:
            raise _cut_off(path, [*chunks, chunk])
        chunks.append(chunk)
        stream.seek(chunk.at + chunk.size)
    return chunks, False


def _place(chunks: list[Chunk]) -> str:
    return f"the block {chunks[-1].name}" if chunks else "its header"


def _cut_off(path: Path, chunks: list[Chunk]) -> InputError:
    return InputError(f"{path}: truncated near {_place(chunks)}; copy or export the file again")

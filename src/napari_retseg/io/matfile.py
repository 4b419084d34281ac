"""Numeric arrays of MATLAB files of version 5 to 7, with what they claim checked before it is read.

"MAT-File Format", MathWorks: a header of 128 bytes, then elements of type, size and data; an
element of type 15 is another one, compressed by zlib. Cells, structures, objects and text are
passed over. (`scipy.io.loadmat` allocates what a file claims, and unfolds what is in it.)
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_retseg.errors import InputError
from napari_retseg.io.file_errors import check_file, reading
from napari_retseg.io.limits import check_shape

_KIND = "a MATLAB file"
_HEADER_BYTES = 128
_MATRIX, _COMPRESSED = 14, 15
#: Types of stored values, and of the arrays that they make, by their numbers.
_STORED = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
_CLASSES = {
    6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8",
}  # fmt: skip
_OTHERS = {1: "cell", 2: "structure", 3: "object", 4: "text", 5: "sparse matrix"}
_COMPLEX = 0x0800
_MOST_AXES = 8
_MOST_VARIABLES = 10_000
_LONGEST_NAME = 256
_BLOCK = 2**20


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class _Array:
    """What an array says before its values."""

    name: str
    shape: tuple[int, ...]
    number: int
    is_complex: bool

    @property
    def kind(self) -> str:
        """Its type, for a message."""
        if self.is_complex:
            return "complex"
        return _CLASSES.get(self.number) or _OTHERS.get(self.number, f"number {self.number}")


class _Inflated:
    """Decompresses no more than is asked for."""

    def __init__(self, stream: IO[bytes], n_bytes: int) -> None:
        self._stream = stream
        self._left = n_bytes
        self._inflate = zlib.decompressobj()

    def read(self, size: int, /) -> bytes:
        """Read up to `size` bytes."""
        found = bytearray()
        while len(found) < size and not self._inflate.eof:
            data = self._inflate.unconsumed_tail
            if not data:
                data = self._stream.read(min(_BLOCK, self._left))
                self._left -= len(data)
                if not data:
                    break
            found += self._inflate.decompress(data, size - len(found))
        return bytes(found)


def load_mat(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Load numeric variables of a MATLAB file (version 5 to 7).

    Parameters
    ----------
    path
        The file.
    names
        The variables; each must be there.

    Returns
    -------
    dict of str to ndarray
        In the order of `names`, with at least two axes each.

    Raises
    ------
    InputError
        Where the file is missing, empty, cut off, of MATLAB 4 or 7.3, or lacks a variable; where
        a variable holds something else than real numbers.
    """
    size = check_file(path)
    found: dict[str, NDArray[Any]] = {}
    with reading(path, _KIND), path.open("rb") as stream:
        order = _read_order(path, stream.read(_HEADER_BYTES))
        for _ in range(_MOST_VARIABLES):
            tag = stream.read(8)
            if not tag or len(found) == len(names):
                break
            number, n_bytes = _unpack(order + "II", tag)
            end = stream.tell() + n_bytes
            if end > size:
                raise InputError(f"{path}: truncated or damaged; copy or save it again")
            source: _Readable = _Inflated(stream, n_bytes) if number == _COMPRESSED else stream
            if number == _COMPRESSED:
                number, _ = _unpack(order + "II", source.read(8))
            if number == _MATRIX:
                array = _read_about(source, order)
                if array is not None and array.name in names:
                    found[array.name] = _read_values(path, source, array, (order, n_bytes))
            stream.seek(end)
    missing = [name for name in names if name not in found]
    if missing:
        raise InputError(
            f"{path}: has no variable {missing[0]!r}; only files of the Chiu 2015 dataset "
            "can be read"
        )
    return {name: found[name] for name in names}


def _read_order(path: Path, header: bytes) -> str:
    """The byte order of a file of version 5 to 7."""
    if len(header) < _HEADER_BYTES:
        raise InputError(f"{path}: truncated or not a MATLAB file; copy or save it again")
    order = {b"IM": "<", b"MI": ">"}.get(header[126:128])
    if order is None or 0 in header[:4]:
        raise InputError(
            f"{path}: cannot be read as {_KIND} of version 5 to 7; save it again in MATLAB with "
            "save(..., '-v7')"
        )
    (version,) = struct.unpack(order + "H", header[124:126])
    if version >> 8 != 1:
        raise InputError(
            f"{path}: is a MATLAB 7.3 file; save it again in MATLAB with save(..., '-v7')"
        )
    return order


def _unpack(form: str, data: bytes) -> tuple[int, ...]:
    return struct.unpack(form, data)


def _read_tag(source: _Readable, order: str) -> tuple[int, int, bytes | None]:
    """Type and size of an element, and its data where they lie within the tag."""
    tag = source.read(8)
    number, n_bytes = _unpack(order + "II", tag)
    if number >> 16:
        small = number >> 16
        if small > 4:
            raise ValueError("an element of more than 4 bytes in a short tag")
        return number & 0xFFFF, small, tag[4 : 4 + small]
    return number, n_bytes, None


def _read_small(source: _Readable, order: str, limit: int) -> tuple[int, bytes]:
    """Type and data of an element that cannot be large."""
    number, n_bytes, data = _read_tag(source, order)
    if data is not None:
        return number, data
    if n_bytes > limit:
        raise ValueError(f"an element of {n_bytes} bytes where {limit} are the most")
    padded = source.read(-(-n_bytes // 8) * 8)
    if len(padded) < n_bytes:
        raise EOFError("ends within an element")
    return number, padded[:n_bytes]


def _read_about(source: _Readable, order: str) -> _Array | None:
    """What an array says before its values; None where it says it in another way."""
    _, flags = _read_small(source, order, 8)
    bits, _ = _unpack(order + "II", flags)
    number = bits & 0xFF
    if number not in _CLASSES and number not in _OTHERS:
        return None
    _, sizes = _read_small(source, order, 4 * _MOST_AXES)
    _, name = _read_small(source, order, _LONGEST_NAME)
    shape = _unpack(f"{order}{len(sizes) // 4}i", sizes)
    return _Array(name.decode("latin-1"), shape, number, bool(bits & _COMPLEX))


def _read_values(
    path: Path, source: _Readable, array: _Array, about: tuple[str, int]
) -> NDArray[Any]:
    order, held = about
    if array.number not in _CLASSES or array.is_complex:
        raise InputError(f"{path}: contains values of type {array.kind}; numbers are needed")
    number, n_bytes, data = _read_tag(source, order)
    if number not in _STORED:
        raise ValueError(f"values of the unknown type {number}")
    stored = np.dtype(order + _STORED[number])
    wanted = np.dtype(_CLASSES[array.number])
    # MATLAB's first axis varies fastest, so that the first two make a plane
    check_shape(path, array.shape[::-1], max(stored.itemsize, wanted.itemsize), held=held)
    if n_bytes != math.prod(array.shape) * stored.itemsize:
        raise ValueError(f"{n_bytes} bytes for an array of shape {array.shape}")
    if data is None:
        data = source.read(n_bytes)
    if len(data) < n_bytes:
        raise EOFError(f"ends after {len(data)} of {n_bytes} bytes")
    values = np.frombuffer(data, stored).astype(wanted, copy=False)
    source.read(8)  # what fills up the element, and the checksum behind it
    return values.reshape(array.shape, order="F")

"""``model.safetensors`` without torch: its header is checked before anything in it is believed.

A safetensors file begins with the length of its header (8 bytes, little-endian) and the header, a
JSON object: dtype, shape and place of each tensor by name, and free text under ``__metadata__``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, TypeGuard

import numpy as np
from numpy.typing import NDArray

from napari_retseg.errors import InputError, ModelError
from napari_retseg.records import parse_json
from napari_retseg.regular import open_regular

#: Bytes of a weights file and of its header; ours are far smaller.
LARGEST_WEIGHTS = 16 * 1024**3
_LONGEST_HEADER = 32 * 1024**2
_METADATA = "__metadata__"
#: Bytes of a value.
_SIZES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1,
    "BOOL": 1,
}  # fmt: skip
_FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_MOST_AXES = 8
_LONGEST_AXIS = 2**31
_BLOCK = 1 << 24


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """What a header says of a tensor; `begin` and `end` count from the end of the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def n_values(self) -> int:
        """Number of values."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class WeightsHeader:
    """What a weights file holds: tensors in the order of their places, and free text.

    Attributes
    ----------
    start
        Where the first tensor begins in the file.
    """

    tensors: dict[str, StoredTensor]
    metadata: dict[str, str]
    start: int


def read_header(weights: Path) -> WeightsHeader:
    """Read the header of a weights file, and compare it with what the file holds.

    Raises
    ------
    ModelError
        Where it is no regular file or no safetensors, or claims what is not there.
    """
    try:
        with open_regular(weights, limit=LARGEST_WEIGHTS) as stream:
            size = stream.seek(0, 2)
            stream.seek(0)
            return _read_header(stream, weights, size)
    except InputError as error:
        raise ModelError(str(error)) from error
    except OSError as error:
        raise _unreadable(weights, str(error.strerror or error)) from error


def find_not_finite(weights: Path) -> str:
    """Name the first tensor that holds NaN or infinity; empty where there is none.

    Raises
    ------
    ModelError
        As :func:`read_header`.
    """
    header = read_header(weights)
    with weights.open("rb") as stream:
        for name, tensor in header.tensors.items():
            if tensor.dtype in _FLOATS and not _is_finite(stream, header.start, tensor):
                return name
    return ""


def copy_weights(source: Path, target: IO[bytes], metadata: Mapping[str, str]) -> None:
    """Write a weights file with the same tensors and other free text.

    Raises
    ------
    ModelError
        As :func:`read_header`.
    """
    header = read_header(source)
    content: dict[str, Any] = {_METADATA: dict(metadata)}
    for name, one in header.tensors.items():
        place = [one.begin, one.end]
        content[name] = {"dtype": one.dtype, "shape": list(one.shape), "data_offsets": place}
    text = json.dumps(content, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    target.write(len(text).to_bytes(8, "little"))
    target.write(text)
    with source.open("rb") as stream:
        stream.seek(header.start)
        while block := stream.read(_BLOCK):
            target.write(block)


def _read_header(stream: BinaryIO, weights: Path, size: int) -> WeightsHeader:
    length = int.from_bytes(stream.read(8), "little")
    if length > min(size - 8, _LONGEST_HEADER):
        raise _unreadable(weights, "its header is too long")
    try:
        content = parse_json(stream.read(length), weights)
    except InputError as error:
        raise _unreadable(weights, "its header is not JSON") from error
    if not isinstance(content, dict):
        raise _unreadable(weights, "its header is not a JSON object")
    metadata = content.pop(_METADATA, None) or {}
    if not isinstance(metadata, dict) or not all(isinstance(t, str) for t in metadata.values()):
        raise _unreadable(weights, "its metadata is not text")
    tensors = {name: _read_tensor(weights, name, entry) for name, entry in content.items()}
    tensors = dict(sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)))
    place = 0
    for name, tensor in tensors.items():
        if tensor.begin != place:
            raise _unreadable(
                weights, f"{name[:100]!r} does not begin where the previous tensor ends"
            )
        place = tensor.end
    if 8 + length + place != size:
        raise _unreadable(weights, "it is longer or shorter than its header says")
    return WeightsHeader(tensors, metadata, 8 + length)


def _read_tensor(weights: Path, name: str, entry: Any) -> StoredTensor:
    given = entry if isinstance(entry, dict) else {}
    dtype, shape, place = given.get("dtype"), given.get("shape"), given.get("data_offsets")
    if (
        not isinstance(dtype, str)
        or not _is_list_of_sizes(shape, most=_MOST_AXES, largest=_LONGEST_AXIS)
        or not _is_list_of_sizes(place, most=2, largest=LARGEST_WEIGHTS)
        or len(place) != 2
    ):
        raise _unreadable(weights, f"its header does not describe {name[:100]!r}")
    if dtype not in _SIZES:
        raise _unreadable(weights, f"{name[:100]!r} has values of type {dtype[:20]!r}")
    tensor = StoredTensor(dtype, tuple(shape), *place)
    if tensor.end - tensor.begin != tensor.n_values * _SIZES[dtype]:
        raise _unreadable(weights, f"{name[:100]!r} has a size that does not match its shape")
    return tensor


def _is_list_of_sizes(value: Any, *, most: int, largest: int) -> TypeGuard[list[int]]:
    return (
        isinstance(value, list)
        and len(value) <= most
        and all(type(n) is int and 0 <= n <= largest for n in value)
    )


def _is_finite(stream: BinaryIO, start: int, tensor: StoredTensor) -> bool:
    stream.seek(start + tensor.begin)
    left = tensor.end - tensor.begin
    while left:
        block = stream.read(min(left, _BLOCK))
        if not block:
            return True  # cut meanwhile; loading says so
        left -= len(block)
        values: NDArray[Any] = np.frombuffer(block, _FLOATS[tensor.dtype])
        if tensor.dtype == "BF16":  # all bits of the exponent
            if ((values & 0x7F80) == 0x7F80).any():
                return False
        elif not np.isfinite(values).all():
            return False
    return True


def _unreadable(weights: Path, reason: str) -> ModelError:
    return ModelError(
        f"{weights}: not readable as safetensors ({reason}); export or copy the model again"
    )

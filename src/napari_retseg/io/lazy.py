"""Pixels that stay in their file: one B-scan is read at a time, when it is asked for.

Nothing stays open or mapped between two reads, so that the memory of a process does not grow
with the volume, files can be replaced on every system, and a scan travels to another process
as a path instead of its pixels.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import EllipsisType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_retseg.errors import InputError
from napari_retseg.io.file_errors import reading
from napari_retseg.io.limits import check_shape, held_bytes

_Item = int | slice | NDArray[Any]


class PagedPixels(ABC):
    """Array-like over planes of shape ``shape[-2:]``, read on demand.

    Indexing takes integers, slices, an ellipsis and one-dimensional index arrays; several index
    arrays pick their outer product. The result is always an array in memory.

    Parameters
    ----------
    source
        The file, or folder, that errors name.
    shape
        Shape; the last two axes are those of a plane.
    dtype
        Type of the values that are given out, in the machine's byte order.
    """

    def __init__(self, source: Path, shape: Sequence[int], dtype: DTypeLike) -> None:
        self.source = source
        self.shape = tuple(int(n) for n in shape)
        self.dtype = np.dtype(dtype)
        if min(self.shape) < 1:
            raise InputError(f"{source}: has no pixels (shape {self.shape})")

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes that all values take in memory."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    @abstractmethod
    def _read(self, leading: tuple[int, ...], /) -> NDArray[Any]:
        """Read one plane, given its place on the axes before the last two."""

    def _read_checked(self, leading: tuple[int, ...]) -> NDArray[Any]:
        plane = self._read(leading)
        if plane.shape != self.shape[-2:]:
            raise InputError(
                f"{self.source}: a plane has shape {plane.shape} instead of {self.shape[-2:]}; "
                "was the file changed after it was opened?"
            )
        return plane.astype(self.dtype, copy=False)

    def __getitem__(self, index: Any) -> Any:
        items = _expand(index, self.ndim)
        numbers = [_pick(n, item) for n, item in zip(self.shape, items, strict=True)]
        leading, inner = numbers[:-2], items[-2:]
        rows = tuple(np.ndim(n) for n in leading)
        blocks = [
            self._read_checked(tuple(int(n) for n in place))[inner[0]][..., inner[1]]
            for place in itertools.product(*(np.atleast_1d(n) for n in leading))
        ]
        lengths = [len(n) for n, has_axis in zip(leading, rows, strict=True) if has_axis]
        if not blocks:
            inner_shape = [len(n) for n in numbers[-2:] if np.ndim(n)]
            return np.empty((*lengths, *inner_shape), self.dtype)
        if not lengths:
            return blocks[0]
        return np.stack(blocks).reshape((*lengths, *np.shape(blocks[0])))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("pixels in a file cannot become an array without a copy")
        array: NDArray[Any] = self[...]
        return array if dtype is None else array.astype(dtype, copy=False)


def _expand(index: Any, ndim: int) -> list[_Item]:
    """One item for each axis."""
    items = list(index) if isinstance(index, tuple) else [index]
    gaps = [k for k, item in enumerate(items) if isinstance(item, EllipsisType)]
    if len(gaps) > 1 or len(items) - len(gaps) > ndim:
        raise IndexError(f"too many indices for {ndim} axes")
    gap = gaps[0] if gaps else len(items)
    fill = [slice(None)] * (ndim - len(items) + len(gaps))
    return [_checked(item) for item in [*items[:gap], *fill, *items[gap + len(gaps) :]]]


def _checked(item: Any) -> _Item:
    if isinstance(item, slice):
        return item
    if item is None or np.ndim(item) > 1:
        raise IndexError("only integers, slices, an ellipsis and 1-D index arrays are supported")
    return int(item) if np.ndim(item) == 0 else np.asarray(item)


def _pick(length: int, item: _Item) -> Any:
    """The places on an axis that an item names: a number, a range or an array."""
    if isinstance(item, slice | int):
        return range(length)[item]
    return np.arange(length)[item]


class RawPixels(PagedPixels):
    """Uncompressed values at an offset of a file, mapped for the time of one read.

    Parameters
    ----------
    source, shape
        See `PagedPixels`.
    stored
        Type of the values in the file, with its byte order.
    offset
        Bytes before the first value.
    order
        ``"C"``: the last axis varies fastest; ``"F"``: the first.
    scale
        Slope and intercept that stored values are taken through, or None.
    file
        Where the values lie, if not in `source`.
    """

    def __init__(
        self,
        source: Path,
        shape: Sequence[int],
        *,
        stored: DTypeLike,
        offset: int = 0,
        order: str = "C",
        scale: tuple[float, float] | None = None,
        file: Path | None = None,
    ) -> None:
        self._file = file or source
        self._stored = np.dtype(stored)
        self._offset = offset
        self._order = order
        self._scale = scale
        shown = scaled_dtype(self._stored) if scale else self._stored.newbyteorder("=")
        super().__init__(source, shape, np.uint8 if shown.kind == "b" else shown)
        end = offset + self.size * self._stored.itemsize
        found = self._file.stat().st_size
        if offset < 0 or found < end:
            raise InputError(
                f"{source}: truncated ({found} of {end} bytes); copy or export it again"
            )
        held = held_bytes(self._file) if file is None else found
        check_shape(source, self.shape[-2:], self.dtype.itemsize, held=held, expected=shape[-2:])
        check_shape(source, self.shape, self._stored.itemsize, held=held)

    def _read(self, leading: tuple[int, ...]) -> NDArray[Any]:
        with reading(self.source, "raw pixels"):
            pixels: NDArray[Any] = np.memmap(
                self._file,
                self._stored,
                mode="r",
                offset=self._offset,
                shape=self.shape,
                order="F" if self._order == "F" else "C",
            )
            return apply_scale(np.array(pixels[leading]), self._scale)


class Rearranged(PagedPixels):
    """The same planes in another order of the axes before the last two."""

    def __init__(self, pixels: PagedPixels, order: Sequence[int]) -> None:
        self._pixels = pixels
        self._order = tuple(order)
        shape = (*(pixels.shape[k] for k in order), *pixels.shape[-2:])
        super().__init__(pixels.source, shape, pixels.dtype)

    def _read(self, leading: tuple[int, ...]) -> NDArray[Any]:
        place = [0] * len(leading)
        for axis, number in zip(self._order, leading, strict=True):
            place[axis] = number
        plane: NDArray[Any] = self._pixels[tuple(place)]
        return plane


def scaled_dtype(stored: np.dtype[Any]) -> np.dtype[Any]:
    """The float type that holds scaled values: 32 bits for stored values of up to 16 bits."""
    return np.result_type(stored.newbyteorder("="), np.float32)


def apply_scale(values: NDArray[Any], scale: tuple[float, float] | None) -> NDArray[Any]:
    """Take stored values through slope and intercept."""
    if scale is None:
        return values
    slope, intercept = scale
    scaled = np.multiply(values, slope, dtype=scaled_dtype(values.dtype))
    scaled += intercept
    return np.asarray(scaled)

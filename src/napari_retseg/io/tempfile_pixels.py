"""Compressed values without random access: small ones to memory, large ones to a temporary file."""

from __future__ import annotations

import gzip
import math
import os
import tempfile
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_retseg.io.lazy import RawPixels, apply_scale
from napari_retseg.io.limits import check_room
from napari_retseg.scratch import scratch_folder

#: Volumes up to this many bytes are kept in memory.
MEMORY_LIMIT = 64 * 2**20

_BLOCK = 2**20


class SpooledPixels(RawPixels):
    """Values in a temporary file that goes away with this object.

    Pickled, it becomes a call that decompresses the source again: the temporary file belongs
    to one process.

    Parameters
    ----------
    source, shape, stored, order, scale
        See `RawPixels`.
    file
        The temporary file; removed with the object.
    again
        Opens `source` and gives its pixels.
    """

    def __init__(
        self,
        source: Path,
        shape: Sequence[int],
        *,
        stored: DTypeLike,
        order: str,
        scale: tuple[float, float] | None,
        file: Path,
        again: Callable[[Path], Any],
    ) -> None:
        weakref.finalize(self, file.unlink, missing_ok=True)
        self._again = again
        super().__init__(source, shape, stored=stored, order=order, scale=scale, file=file)

    def __reduce__(self) -> tuple[Callable[[Path], Any], tuple[Path]]:
        return self._again, (self.source,)


def load_stream(
    stream: IO[bytes] | gzip.GzipFile,
    source: Path,
    shape: Sequence[int],
    *,
    stored: DTypeLike,
    again: Callable[[Path], Any],
    order: str = "C",
    scale: tuple[float, float] | None = None,
) -> NDArray[Any] | SpooledPixels:
    """Read values from a decompressing stream to its end.

    The caller has compared `shape` with what the file holds.

    Parameters
    ----------
    stream
        Stands at the first value.
    source, shape, stored, order, scale
        See `RawPixels`.
    again
        A module-level function that gives the pixels of `source`, for other processes.

    Raises
    ------
    EOFError
        Where the stream ends early.
    InputError
        Where there is no room for the temporary file.
    """
    dtype = np.dtype(stored)
    n_bytes = math.prod(shape) * dtype.itemsize
    if n_bytes <= MEMORY_LIMIT:
        data = stream.read(n_bytes)
        _check_end(stream, len(data), n_bytes)
        array = np.frombuffer(data, dtype).reshape(shape, order="F" if order == "F" else "C")
        shown = np.uint8 if dtype.kind == "b" else dtype.newbyteorder("=")
        return apply_scale(array.astype(shown), scale)
    check_room(source, n_bytes)
    number, name = tempfile.mkstemp(dir=scratch_folder(), suffix=".raw")
    try:
        with os.fdopen(number, "wb") as file:
            written = 0
            while block := stream.read(min(_BLOCK, n_bytes - written)):
                written += file.write(block)
        _check_end(stream, written, n_bytes)
    except BaseException:
        Path(name).unlink()
        raise
    return SpooledPixels(
        source, shape, stored=dtype, order=order, scale=scale, file=Path(name), again=again
    )


def _check_end(stream: IO[bytes] | gzip.GzipFile, found: int, wanted: int) -> None:
    if found < wanted:
        raise EOFError(f"ends after {found} of {wanted} bytes")
    # the checksum lies behind the last value
    stream.read(1)

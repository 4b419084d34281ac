"""Labels of a volume larger than memory: the B-scans in use in memory, the others in files.

They lie in a sparse temporary file that the system maps page by page. A B-scan of it that nobody
has asked for takes no room, neither in memory nor on the disk. One that is asked for is read from
its own file first; what is written in it then stays, as in any array.
"""

from __future__ import annotations

import logging
import math
import mmap
import os
import tempfile
import threading
import weakref
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.dataset.planes import find_planes, plane_path, read_plane, read_planes
from napari_retseg.errors import InputError
from napari_retseg.scratch import scratch_folder

logger = logging.getLogger(__name__)

#: Labels of up to this many bytes are an array in memory.
LARGEST_ARRAY = 512 * 2**20
#: Bytes of the B-scans that were asked for last, which stay mapped.
_MAPPED = 64 * 2**20

Plane = NDArray[np.uint8]


class PagedLabels:
    """Like an array of 8 bits, ``(bscan, depth, width)``; several threads may use it.

    Indexed by numbers and slices it gives views, as an array does.

    Parameters
    ----------
    shape
        ``(bscan, depth, width)``.
    read
        Reads a B-scan, ``(depth, width)``; called on any thread. None: none lies in a file.
    stored
        The B-scans that it can read; all others are 0.

    Raises
    ------
    InputError
        Where there can be no temporary file, and in use where the disk is full.
    """

    ndim = 3
    dtype = np.dtype(np.uint8)

    def __init__(
        self,
        shape: tuple[int, ...],
        read: Callable[[int], Plane] | None = None,
        stored: Collection[int] = (),
    ) -> None:
        self.shape = shape
        self._read = read
        self._stored = set(stored)
        self._there: set[int] = set()
        self._mapped: dict[int, None] = {}
        self._lock = threading.RLock()
        self._n_bytes = math.prod(shape[1:])
        number, name = tempfile.mkstemp(dir=scratch_folder(), suffix=".labels")
        self._file = os.fdopen(number, "r+b", buffering=0)
        weakref.finalize(self, _remove, self._file, Path(name))
        try:
            self._file.truncate(self.size)
            self._map = mmap.mmap(number, self.size)
        except OSError as error:
            raise InputError(_explain(self.size, error)) from error
        self._array = np.frombuffer(self._map, np.uint8).reshape(shape)

    @property
    def size(self) -> int:
        """Number of pixels."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes that all pixels would take in memory."""
        return self.size

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Any:
        with self._lock:
            for bscan in self._find_bscans(index):
                self._fetch(bscan)
            return self._array[index]

    def __setitem__(self, index: Any, values: Any) -> None:
        with self._lock:
            is_whole = isinstance(index, int | np.integer)
            for bscan in self._find_bscans(index):
                self._fetch(bscan, is_read=not is_whole)
            self._array[index] = values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        array: NDArray[np.uint8] = self[...]
        return np.array(array, dtype=dtype, copy=copy)

    def peek(self, bscan: int) -> Plane:
        """Return a copy of a B-scan that takes no room afterwards."""
        with self._lock:
            if bscan in self._there:
                return np.array(self._array[bscan])
            if self._read is None or bscan not in self._stored:
                return np.zeros(self.shape[1:], np.uint8)
        return self._read(bscan)

    def release(self, bscan: int) -> None:
        """Read a B-scan from its file when it is asked for next; nobody may hold a view of it.

        Where the system cannot punch holes into files, it stays.
        """
        page = mmap.PAGESIZE
        # only whole pages: the others may hold the end of a neighbour
        first = -(-bscan * self._n_bytes // page) * page
        end = (bscan + 1) * self._n_bytes // page * page
        with self._lock:
            if self._read is None or bscan not in self._there or first >= end:
                return
            try:
                self._map.madvise(mmap.MADV_REMOVE, first, end - first)
            except (AttributeError, OSError):  # another system, a file system without holes
                return
            self._there.discard(bscan)
            self._mapped.pop(bscan, None)
            self._stored.add(bscan)

    def _find_bscans(self, index: Any) -> list[int]:
        """Return the B-scans that an index names."""
        first = index[0] if isinstance(index, tuple) and index else index
        if isinstance(first, int | np.integer):
            return [range(len(self))[int(first)]]
        if isinstance(first, slice):
            return list(range(len(self))[first])
        if isinstance(first, np.ndarray | list) and np.ndim(first) > 0:
            array = np.asarray(first)
            if array.dtype != bool:
                return [range(len(self))[int(k)] for k in np.unique(array)]
        return list(range(len(self)))

    def _fetch(self, bscan: int, *, is_read: bool = True) -> None:
        """Have a B-scan in the temporary file, and let go of those used longest ago."""
        if bscan not in self._there:
            self._reserve(bscan)
            if is_read and self._read is not None and bscan in self._stored:
                self._array[bscan] = self._read(bscan)
            self._there.add(bscan)
        self._mapped.pop(bscan, None)
        self._mapped[bscan] = None
        while len(self._mapped) > max(_MAPPED // self._n_bytes, 4):
            oldest = next(iter(self._mapped))
            del self._mapped[oldest]
            self._unmap(oldest)

    def _reserve(self, bscan: int) -> None:
        """Take room on the disk: a mapped page that finds none there would end the process."""
        if hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(self._file.fileno(), bscan * self._n_bytes, self._n_bytes)
            except OSError as error:
                raise InputError(_explain(self._n_bytes, error)) from error

    def _unmap(self, bscan: int) -> None:
        """Let the system have the memory of a B-scan; its pixels stay in the file."""
        if hasattr(mmap, "MADV_DONTNEED"):
            first = bscan * self._n_bytes // mmap.PAGESIZE * mmap.PAGESIZE
            length = (bscan + 1) * self._n_bytes - first
            self._map.madvise(mmap.MADV_DONTNEED, first, length)


#: Labels by B-scan, in memory or not.
LabelVolume = NDArray[np.uint8] | PagedLabels


def _remove(file: Any, path: Path) -> None:
    file.close()
    try:
        path.unlink(missing_ok=True)
    except OSError:  # still mapped, on Windows: it goes with the folder
        return


def _explain(n_bytes: int, error: OSError) -> str:
    return (
        f"{tempfile.gettempdir()}: no room for labels of {n_bytes / 2**20:.0f} MB "
        f"({error.strerror}); free some disk space or set TMPDIR to another folder"
    )


def peek(labels: LabelVolume, bscan: int) -> Plane:
    """Return a copy of one B-scan of a volume, or of the B-scan itself; on any thread."""
    if isinstance(labels, PagedLabels):
        return labels.peek(bscan)
    return np.array(labels[bscan] if labels.ndim == 3 else labels)


def make_labels(shape: tuple[int, ...]) -> LabelVolume:
    """Make labels that are 0 everywhere."""
    if _is_large(shape):
        return PagedLabels(shape)
    return np.zeros(shape, np.uint8)


def open_planes(
    folder: Path,
    shape: tuple[int, ...],
    *,
    only: set[int] | None = None,
    instead: int | None = None,
) -> LabelVolume:
    """Read a sparse label folder: as an array, or as paged labels where that would be too large.

    B-scans without a file are 0.

    Parameters
    ----------
    folder
        Need not exist.
    shape
        Of the scan without its channels; a B-scan alone has number 0.
    only
        Leave out all other B-scans; None: read those that there are.
    instead
        Of paged labels: the value of a B-scan whose file cannot be read when it is asked for.
        None: all files are read now, so that what is damaged is found before anything is shown.

    Raises
    ------
    InputError
        Where a file cannot be read, does not fit, or has a number beyond the scan's last.
    """
    if not _is_large(shape):
        return read_planes(folder, shape, missing=0, only=only)
    stored = find_planes(folder, shape[0], only=only)

    def read(bscan: int) -> Plane:
        try:
            return read_plane(plane_path(folder, bscan), (shape[-2], shape[-1]))
        except InputError as error:
            if instead is None:
                raise
            logger.warning("%s", error)
            return np.full(shape[-2:], instead, np.uint8)

    if instead is None:
        for bscan in stored:
            read(bscan)
    return PagedLabels(shape, read, stored)


def _is_large(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and math.prod(shape) > LARGEST_ARRAY

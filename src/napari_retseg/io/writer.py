"""Labels written B-scan by B-scan, in any order, without holding the volume."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Self, cast

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import IGNORE
from napari_retseg.errors import explaining
from napari_retseg.io.file_layout import layout_of_labels
from napari_retseg.io.marks import make_mark
from napari_retseg.io.save import check_target, save_planes
from napari_retseg.scan import OctScan

_ADVICE = "choose another folder or free some disk space"


class LabelWriter:
    """Context manager that takes B-scans in any order and writes the file at its end.

    The B-scans wait in a temporary file beside the target. Where the block ends with an
    exception, nothing is left and an earlier file stays as it was. B-scans that were not
    written hold 255, "not annotated".

    Parameters
    ----------
    path
        The file, as for `write_labels`.
    scan
        The scan that the labels belong to.

    Raises
    ------
    InputError
        Where the format cannot hold the labels.

    Examples
    --------
    >>> with LabelWriter(path, scan=scan) as writer:  # doctest: +SKIP
    ...     writer.write(3, labels)
    """

    def __init__(self, path: Path, *, scan: OctScan) -> None:
        self.path = Path(path)
        self._layout = layout_of_labels(scan.spatial_shape, scan, mark=str(make_mark(scan)))
        self._n_bscans = scan.n_bscans
        self._plane = scan.spatial_shape[-2:]
        self._written: set[int] = set()
        self._stream: IO[bytes] | None = None
        check_target(self.path, self._layout)

    def __enter__(self) -> Self:
        with explaining(self.path, "cannot be written", advice=_ADVICE):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # without a name: nothing is left of it when the program is killed, and nobody else
            # can open it; unbuffered: what a full disk refuses is known at once
            self._stream = cast(
                "IO[bytes]", tempfile.TemporaryFile(dir=self.path.parent, buffering=0)
            )
        return self

    def write(self, index: int, labels: NDArray[np.uint8]) -> None:
        """Take the labels of one B-scan.

        Parameters
        ----------
        index
            Number of the B-scan; one that was written before is replaced.
        labels
            Class values, shape (depth, width).

        Raises
        ------
        InputError
            Where the system refuses to write.
        ValueError
            Where index, shape or type do not fit.
        """
        if self._stream is None:
            raise ValueError("the writer is not open")
        if not 0 <= index < self._n_bscans:
            raise ValueError(f"B-scan {index} of {self._n_bscans}")
        if labels.shape != self._plane or labels.dtype != np.uint8:
            raise ValueError(f"labels {labels.dtype} {labels.shape}, needed uint8 {self._plane}")
        data = memoryview(np.ascontiguousarray(labels).tobytes())
        with explaining(self.path, "cannot be written", advice=_ADVICE):
            self._stream.seek(index * math.prod(self._plane))
            while data:
                data = data[self._stream.write(data) :]
        self._written.add(index)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                save_planes(self.path, self._planes(), self._layout)
        finally:
            if self._stream is not None:
                self._stream.close()
                self._stream = None

    def _planes(self) -> Iterator[NDArray[np.uint8]]:
        assert self._stream is not None
        size = math.prod(self._plane)
        for index in range(self._n_bscans):
            if index not in self._written:
                yield np.full(self._plane, IGNORE, np.uint8)
                continue
            self._stream.seek(index * size)
            data = bytearray()
            while len(data) < size:
                data += self._stream.read(size - len(data))
            yield np.frombuffer(data, np.uint8).reshape(self._plane)

"""From a scan to its labels by a network, with torch or without it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from napari_retseg.config import PredictConfig
from napari_retseg.errors import ModelError
from napari_retseg.events import Cancel
from napari_retseg.infer.decision import BscanResult, Decision
from napari_retseg.infer.sliding import slide_planes
from napari_retseg.models import ModelInfo
from napari_retseg.nets.arrays import Array, ops_of
from napari_retseg.nets.grid import Grid, pad_to_stride, plan_grid
from napari_retseg.nets.scaninput import ScanInput, find_slicing_axis
from napari_retseg.nets.sizes import plan_least
from napari_retseg.nets.stride import stride_of
from napari_retseg.plural import count_noun
from napari_retseg.scan import OctScan


@dataclass
class Opened:
    """The scan that was asked for last, what is known of its input, and its results if kept."""

    scan: OctScan
    source: ScanInput
    grid: Grid
    results: list[BscanResult] | None = None


class ScanPredictor(ABC, Generic[Array]):
    """Labels scans with one model; what computes the network is left to its subclasses.

    A 2D network takes B-scans (2.5D: with their neighbours) batch by batch, so memory does not
    grow with the volume. A 3D network, and a 2D one that slices a volume along another axis
    than the first, predict the volume as a whole. What they say of it is kept until another
    scan comes or :meth:`forget` is called, so that asking for its B-scans one after the other
    costs nothing; its pixels must not change meanwhile.

    Parameters
    ----------
    info
        The model's description: classes, preprocessing and operating point.
    batch_size
        B-scans at once.
    """

    def __init__(self, info: ModelInfo, config: PredictConfig, *, batch_size: int) -> None:
        self.info = info
        self.config = config
        self.batch_size = batch_size
        axis = info.preprocess.axis if config.axis is None else config.axis
        self._preprocess = info.preprocess.model_copy(update={"axis": axis})
        self._decision = Decision(info.classes, info.thresholds, config)
        self._stride = stride_of(info.network)
        self._dims = info.network.dims
        self._opened: Opened | None = None

    @property
    @abstractmethod
    def device(self) -> str:
        """What computes, in words."""

    @abstractmethod
    def _stack(self, slices: Sequence[NDArray[np.float32]]) -> Array:
        """Put slices ``(channel, depth, width)`` where the network computes."""

    @abstractmethod
    def _compute(self, images: Array) -> Array:
        """Logits of images of a size that the network takes."""

    @abstractmethod
    def _predict_volume(self, scan: OctScan, cancel: Cancel | None) -> Array | None:
        """Logits of a whole volume, ``(class, z, y, x)`` on the CPU; None where cancelled."""

    @property
    def _precision(self) -> str:
        return "fp32"

    def forget(self) -> None:
        """Let go of the last scan and of what was predicted for it."""
        self._opened = None

    def check_channels(self, n_channels: int, source: object) -> None:
        """Raise a ModelError where a scan's channels do not fit the model."""
        expected = self.info.network.in_channels // self._preprocess.neighbours
        if n_channels != expected:
            raise ModelError(
                f"{source}: the image has {count_noun(n_channels, 'channel')}, but model "
                f"{self.info.name} needs {expected}; choose another model"
            )

    def label_scan(
        self, scan: OctScan, bscans: Sequence[int], *, cancel: Cancel | None = None
    ) -> Iterator[tuple[int, BscanResult]]:
        """Label B-scans of a scan.

        Parameters
        ----------
        bscans
            Their indices along the scan's first axis.
        cancel
            Asked between batches and windows; the iteration then ends early.

        Yields
        ------
        int, BscanResult
            In the order of `bscans`.

        Raises
        ------
        ModelError
            Where the network gives values that are not finite.
        """
        if self._streams(scan):
            for indices, logits, grid in self.predict_inputs(scan, bscans, cancel=cancel):
                yield from zip(indices, self._decision.decide(logits, grid), strict=True)
            return
        opened = self._open(scan)
        if opened.results is None:
            results: list[BscanResult] = []
            for _, logits in self.predict_logits(scan, range(scan.n_bscans), cancel=cancel):
                results += self._decision.decide(logits)
            if len(results) < scan.n_bscans:
                return
            opened.results = results
        for index in bscans:
            yield index, opened.results[index]

    def predict_inputs(
        self, scan: OctScan, bscans: Sequence[int], *, cancel: Cancel | None = None
    ) -> Iterator[tuple[Sequence[int], Array, Grid | None]]:
        """Predict B-scans of a scan on the network's own grid.

        Yields
        ------
        sequence of int, Array, Grid or None
            Some of the indices, in order; their logits ``(n, class, rows, columns)``; how these
            lie on the scan. None where the network does not see the B-scans as they are (3D, or
            sliced along another axis): the logits are on the scan's own grid then.
        """
        if not self._streams(scan):
            for indices, logits in self.predict_logits(scan, bscans, cancel=cancel):
                yield indices, logits, None
            return
        for batch in self._split(bscans, cancel):
            opened = self._open(scan)
            depth, width = opened.grid.input_shape
            yield batch, self._predict_inputs(opened, batch)[..., :depth, :width], opened.grid

    def predict_logits(
        self, scan: OctScan, bscans: Sequence[int], *, cancel: Cancel | None = None
    ) -> Iterator[tuple[Sequence[int], Array]]:
        """Predict B-scans of a scan, before any decision.

        Yields
        ------
        sequence of int, Array
            Some of the indices, in order, and their logits ``(n, class, depth, width)`` on the
            scan's own grid, in the precision of the network or better.
        """
        volume = None
        if not self._streams(scan):
            volume = self._predict_volume(scan, cancel)
            if volume is None:
                return
        for batch in self._split(bscans, cancel):
            if volume is None:
                yield batch, self._predict_slices(self._open(scan), batch)
            else:
                yield batch, volume[:, list(batch)].swapaxes(0, 1)

    def _split(self, bscans: Sequence[int], cancel: Cancel | None) -> Iterator[Sequence[int]]:
        """Batches of B-scans, until the work is cancelled."""
        for start in range(0, len(bscans), self.batch_size):
            if cancel is not None and cancel.is_cancelled():
                return
            yield bscans[start : start + self.batch_size]

    def _streams(self, scan: OctScan) -> bool:
        """Whether the network's slices are the scan's B-scans."""
        return self._dims == 2 and find_slicing_axis(scan, self._preprocess) == 0

    def _open(self, scan: OctScan) -> Opened:
        if self._opened is not None and self._opened.scan is scan:
            return self._opened
        source = ScanInput(scan, self._preprocess)
        shape: tuple[int, ...] = source.slice_shape
        spacing: tuple[float | None, ...] = source.slice_spacing_um
        if self._dims == 3:
            shape = (scan.n_bscans, *scan.spatial_shape[-2:])
            spacing = scan.spacing_um if scan.is_volume else (None, *scan.spacing_um)
        grid = plan_grid(shape, self._preprocess, spacing_um=spacing, source=scan.source)
        self._opened = Opened(scan, source, self._widen(grid))
        return self._opened

    def _widen(self, grid: Grid) -> Grid:
        """Pad the input to the size of the training's samples where that is known."""
        trained = self._preprocess.trained_size
        return grid if trained is None else grid.widen(trained, stride=self._stride)

    def _predict_slices(self, opened: Opened, indices: Sequence[int]) -> Array:
        """Logits of some slices on the scan's own grid, ``(n, class, depth, width)``."""
        return opened.grid.restore(self._predict_inputs(opened, indices))

    def _predict_inputs(self, opened: Opened, indices: Sequence[int]) -> Array:
        """Logits of some slices on the network's grid, ``(n, class, ...)``."""
        images = opened.grid.to_input(self._stack([opened.source.read_slice(i) for i in indices]))
        logits = self._run_slices(images)
        if not self.config.tta:
            return logits
        return join_mirrored(images, logits, self._run_slices(ops_of(images).mirror(images)))

    def _fill_volume(
        self, scan: OctScan, volume: NDArray[np.float32], cancel: Cancel | None
    ) -> bool:
        """Logits of all slices into a volume ``(class, z, y, x)``; whether it was not cancelled."""
        opened = self._open(scan)
        slices = np.moveaxis(volume, 1 + opened.source.axis, 0)
        for start in range(0, len(slices), self.batch_size):
            if cancel is not None and cancel.is_cancelled():
                return False
            indices = range(start, min(start + self.batch_size, len(slices)))
            logits = self._predict_slices(opened, indices)
            ops = ops_of(logits)
            slices[start : indices.stop] = ops.to_numpy(ops.to_float(logits))
        return True

    def _run_slices(self, images: Array) -> Array:
        """The 2D network, in windows where the model was trained to be used so."""
        window, stride = self._preprocess.window, self._preprocess.window_stride
        if window is None:
            return self._run(images)
        return slide_planes(images, self._run, window=window, stride=stride)

    def _run(self, images: Array) -> Array:
        """The network on images of any size; the logits keep the padding."""
        least = None
        if self._preprocess.trained_size is None:
            least = plan_least(self.info.network, tuple(images.shape[2:]))
        logits = self._compute(pad_to_stride(images, self._stride, least=least))
        self._check_finite(logits)
        return logits

    def _check_finite(self, logits: Array) -> None:
        """Refuse logits that are NaN or infinite: as labels they would read as background."""
        if ops_of(logits).is_finite(logits):
            return
        source = self._opened.scan.source if self._opened is not None else None
        name, what_now = self.info.name, "its weights are damaged: choose another model"
        if self._precision != "fp32":
            what_now = f"try --precision fp32; if that also fails, {what_now}"
        raise ModelError(
            f"{source or 'the scan'}: model {name} gives values that are not finite, in "
            f"{self._precision}; {what_now}"
        )


def join_mirrored(images: Array, logits: Array, mirrored: Array) -> Array:
    """Log of the mean probability of images and of the mirrored images."""
    ops = ops_of(images)
    inside = (slice(None), slice(None), *(slice(n) for n in images.shape[2:]))
    pair = [logits[inside], ops.mirror(mirrored[inside])]
    one, other = (ops.log_softmax(ops.to_float(part)) for part in pair)
    return ops.join(one, other)

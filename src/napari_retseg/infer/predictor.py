"""A network made ready for prediction: a scan in, labels of its B-scans out."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from napari_retseg.config import PredictConfig
from napari_retseg.errors import ModelError
from napari_retseg.events import Cancel
from napari_retseg.infer.decision import BscanResult, Decision
from napari_retseg.infer.fuse import fuse_batchnorm
from napari_retseg.infer.windows import plan_window, slide_planes, slide_windows
from napari_retseg.models import ModelInfo
from napari_retseg.nets.build import stride_of
from napari_retseg.nets.device import Compute, choose_compute
from napari_retseg.nets.grid import Grid, pad_to_stride, plan_grid
from napari_retseg.nets.scaninput import ScanInput, find_slicing_axis
from napari_retseg.nets.sizes import plan_least
from napari_retseg.plural import count_noun
from napari_retseg.scan import OctScan

__all__ = ["BscanResult", "Predictor"]

_GPU_BATCH = 8


@dataclass
class _Opened:
    """The scan that was asked for last, what is known of its input, and its results if kept."""

    scan: OctScan
    source: ScanInput
    grid: Grid
    results: list[BscanResult] | None = None


class Predictor:
    """Labels scans with one model on one device.

    BatchNorm is folded into the convolutions, the layout is the fastest (channels_last in 2D), and
    where the precision is bf16 or fp16 the weights are kept in it. The model itself stays as it
    is.

    A 2D network takes B-scans (2.5D: with their neighbours) batch by batch, so memory does not
    grow with the volume. A 3D network, and a 2D one that slices a volume along another axis
    than the first, predict the volume as a whole. What they say of it is kept until another
    scan comes or :meth:`forget` is called, so that asking for its B-scans one after the other
    costs nothing; its pixels must not change meanwhile.

    Parameters
    ----------
    network
        In fp32; copied.
    info
        Its description: classes, preprocessing and operating point.
    """

    def __init__(
        self, network: torch.nn.Module, info: ModelInfo, config: PredictConfig | None = None
    ) -> None:
        config = config or PredictConfig()
        self.info = info
        self.config = config
        self.compute: Compute = choose_compute(config.device, config.precision)
        self.batch_size = config.batch_size or (
            1 if self.compute.device.type == "cpu" else _GPU_BATCH
        )
        axis = info.preprocess.axis if config.axis is None else config.axis
        self._preprocess = info.preprocess.model_copy(update={"axis": axis})
        self._decision = Decision(info.classes, info.thresholds, config)
        self._stride = stride_of(info.network)
        self._dims = info.network.dims
        ready = copy.deepcopy(network).float().eval().requires_grad_(requires_grad=False)
        ready = fuse_batchnorm(ready.cpu(), in_channels=info.network.in_channels)
        self._network = self.compute.place(ready).to(self.compute.dtype)
        self._opened: _Opened | None = None

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
    ) -> Iterator[tuple[Sequence[int], torch.Tensor, Grid | None]]:
        """Predict B-scans of a scan on the network's own grid.

        Yields
        ------
        sequence of int, Tensor, Grid or None
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
    ) -> Iterator[tuple[Sequence[int], torch.Tensor]]:
        """Predict B-scans of a scan, before any decision.

        Yields
        ------
        sequence of int, Tensor
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
                yield batch, volume[:, list(batch)].transpose(0, 1)

    def _split(self, bscans: Sequence[int], cancel: Cancel | None) -> Iterator[Sequence[int]]:
        """Batches of B-scans, until the work is cancelled."""
        for start in range(0, len(bscans), self.batch_size):
            if cancel is not None and cancel.is_cancelled():
                return
            yield bscans[start : start + self.batch_size]

    def _streams(self, scan: OctScan) -> bool:
        """Whether the network's slices are the scan's B-scans."""
        return self._dims == 2 and find_slicing_axis(scan, self._preprocess) == 0

    def _open(self, scan: OctScan) -> _Opened:
        if self._opened is not None and self._opened.scan is scan:
            return self._opened
        source = ScanInput(scan, self._preprocess)
        shape: tuple[int, ...] = source.slice_shape
        spacing: tuple[float | None, ...] = source.slice_spacing_um
        if self._dims == 3:
            shape = (scan.n_bscans, *scan.spatial_shape[-2:])
            spacing = scan.spacing_um if scan.is_volume else (None, *scan.spacing_um)
        grid = plan_grid(shape, self._preprocess, spacing_um=spacing, source=scan.source)
        self._opened = _Opened(scan, source, self._widen(grid))
        return self._opened

    def _widen(self, grid: Grid) -> Grid:
        """Pad the input to the size of the training's samples where that is known."""
        trained = self._preprocess.trained_size
        return grid if trained is None else grid.widen(trained, stride=self._stride)

    @torch.inference_mode()
    def _predict_slices(self, opened: _Opened, indices: Sequence[int]) -> torch.Tensor:
        """Logits of some slices on the scan's own grid, ``(n, class, depth, width)``."""
        return opened.grid.restore(self._predict_inputs(opened, indices))

    @torch.inference_mode()
    def _predict_inputs(self, opened: _Opened, indices: Sequence[int]) -> torch.Tensor:
        """Logits of some slices on the network's grid, ``(n, class, ...)``."""
        slices = [torch.from_numpy(opened.source.read_slice(i)) for i in indices]
        images = torch.stack(slices).to(self.compute.device)
        logits = self._average(opened.grid.to_input(images), self._run_slices)
        assert logits is not None
        return logits

    def _predict_volume(self, scan: OctScan, cancel: Cancel | None) -> torch.Tensor | None:
        """Logits of a whole volume, ``(class, z, y, x)`` on the CPU; None where cancelled."""
        opened = self._open(scan)
        if self._dims == 3:
            return self._slide(opened, cancel)
        volume = torch.empty(self.info.network.n_classes, *scan.spatial_shape)
        slices = volume.movedim(1 + opened.source.axis, 0)
        for start in range(0, len(slices), self.batch_size):
            if cancel is not None and cancel.is_cancelled():
                return None
            indices = range(start, min(start + self.batch_size, len(slices)))
            slices[start : indices.stop] = self._predict_slices(opened, indices).float().cpu()
        return volume

    @torch.inference_mode()
    def _slide(self, opened: _Opened, cancel: Cancel | None) -> torch.Tensor | None:
        volume = torch.from_numpy(opened.source.read_volume())[None]
        window = plan_window(
            opened.grid.input_shape,
            self.info.network,
            trained=self._preprocess.trained_size,
        )

        def run(images: torch.Tensor) -> torch.Tensor | None:
            logits = slide_windows(
                images[0],
                lambda windows: self._run(windows.to(self.compute.device)),
                window=window,
                overlap=self.config.overlap,
                batch_size=self.batch_size,
                cancel=cancel,
            )
            return None if logits is None else logits[None]

        found = self._average(opened.grid.to_input(volume), run)
        return None if found is None else opened.grid.restore(found)[0]

    def _average(
        self, images: torch.Tensor, run: Callable[[torch.Tensor], torch.Tensor | None]
    ) -> torch.Tensor | None:
        """Logits of `images`, or with `tta` the log of the mean probability with the mirror's."""
        logits = run(images)
        if not self.config.tta or logits is None:
            return logits
        mirrored = run(images.flip(-1))
        if mirrored is None:
            return None
        inside = (slice(None), slice(None), *(slice(n) for n in images.shape[2:]))
        pair = [logits[inside], mirrored[inside].flip(-1)]
        both = torch.stack([one.float().log_softmax(dim=1) for one in pair])
        return both.logsumexp(dim=0) - math.log(2)

    def _run_slices(self, images: torch.Tensor) -> torch.Tensor:
        """The 2D network, in windows where the model was trained to be used so."""
        window, stride = self._preprocess.window, self._preprocess.window_stride
        if window is None:
            return self._run(images)
        return slide_planes(images, self._run, window=window, stride=stride)

    def _run(self, images: torch.Tensor) -> torch.Tensor:
        """The network on images of any size; the logits keep the padding."""
        least = None
        if self._preprocess.trained_size is None:
            least = plan_least(self.info.network, tuple(images.shape[2:]))
        images = pad_to_stride(images, self._stride, least=least).to(self.compute.dtype)
        if self._dims == 2:
            images = images.contiguous(memory_format=torch.channels_last)
        logits: torch.Tensor = self._network(images)
        self._check_finite(logits)
        return logits

    def _check_finite(self, logits: torch.Tensor) -> None:
        """Refuse logits that are NaN or infinite: as labels they would read as background."""
        if bool(torch.isfinite(logits).all()):
            return
        source = self._opened.scan.source if self._opened is not None else None
        name, what_now = self.info.name, "its weights are damaged: choose another model"
        if self.compute.dtype != torch.float32:
            what_now = f"try --precision fp32; if that also fails, {what_now}"
        raise ModelError(
            f"{source or 'the scan'}: model {name} gives values that are not finite, in "
            f"{self.compute.precision}; {what_now}"
        )

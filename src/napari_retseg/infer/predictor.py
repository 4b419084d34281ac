"""A network made ready for prediction by torch: a scan in, labels of its B-scans out."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from napari_retseg.config import PredictConfig
from napari_retseg.events import Cancel
from napari_retseg.infer.decision import BscanResult
from napari_retseg.infer.fuse import fuse_batchnorm
from napari_retseg.infer.scanpredictor import Opened, ScanPredictor, join_mirrored
from napari_retseg.infer.windows import plan_window, slide_windows
from napari_retseg.models import ModelInfo
from napari_retseg.nets.device import Compute, choose_compute
from napari_retseg.scan import OctScan

__all__ = ["BscanResult", "Predictor"]

_GPU_BATCH = 8


class Predictor(ScanPredictor[torch.Tensor]):
    """Labels scans with one model on one device.

    BatchNorm is folded into the convolutions, the layout is the fastest (channels_last in 2D), and
    where the precision is bf16 or fp16 the weights are kept in it. The model itself stays as it
    is.

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
        self.compute: Compute = choose_compute(config.device, config.precision)
        on_cpu = self.compute.device.type == "cpu"
        batch_size = config.batch_size or (1 if on_cpu else _GPU_BATCH)
        super().__init__(info, config, batch_size=batch_size)
        ready = copy.deepcopy(network).float().eval().requires_grad_(requires_grad=False)
        ready = fuse_batchnorm(ready.cpu(), in_channels=info.network.in_channels)
        self._network = self.compute.place(ready).to(self.compute.dtype)

    @property
    def device(self) -> str:
        """What computes, in words."""
        return self.compute.name

    @property
    def _precision(self) -> str:
        return self.compute.precision

    def _stack(self, slices: Sequence[NDArray[np.float32]]) -> torch.Tensor:
        stacked = torch.stack([torch.from_numpy(one) for one in slices])
        return stacked.to(self.compute.device)

    @torch.inference_mode()
    def _predict_slices(self, opened: Opened, indices: Sequence[int]) -> torch.Tensor:
        return super()._predict_slices(opened, indices)

    @torch.inference_mode()
    def _predict_inputs(self, opened: Opened, indices: Sequence[int]) -> torch.Tensor:
        return super()._predict_inputs(opened, indices)

    def _compute(self, images: torch.Tensor) -> torch.Tensor:
        images = images.to(self.compute.dtype)
        if self._dims == 2:
            images = images.contiguous(memory_format=torch.channels_last)
        logits: torch.Tensor = self._network(images)
        return logits

    def _predict_volume(self, scan: OctScan, cancel: Cancel | None) -> torch.Tensor | None:
        if self._dims == 3:
            return self._slide(self._open(scan), cancel)
        volume = torch.empty(self.info.network.n_classes, *scan.spatial_shape)
        return volume if self._fill_volume(scan, volume.numpy(), cancel) else None

    @torch.inference_mode()
    def _slide(self, opened: Opened, cancel: Cancel | None) -> torch.Tensor | None:
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

        images = opened.grid.to_input(volume)
        found = run(images)
        if found is not None and self.config.tta:
            mirrored = run(images.flip(-1))
            found = None if mirrored is None else join_mirrored(images, found, mirrored)
        return None if found is None else opened.grid.restore(found)[0]

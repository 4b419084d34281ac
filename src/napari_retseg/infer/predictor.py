"""A network made ready for prediction: B-scans in, label indices out."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_retseg.config import PredictConfig
from napari_retseg.errors import ModelError
from napari_retseg.infer.fuse import fuse_batchnorm
from napari_retseg.models import ModelInfo
from napari_retseg.nets.device import Compute, choose_compute
from napari_retseg.nets.preprocess import (
    input_size,
    normalise,
    pad_images,
    resize_images,
    restore_logits,
)

_GPU_BATCH = 8


class Predictor:
    """Labels B-scans with one model on one device.

    BatchNorm is folded into the convolutions, the layout is channels_last, and where the
    precision is bf16 or fp16 the weights are kept in it. The model itself stays as it is.

    Parameters
    ----------
    network
        In fp32; copied.
    info
        Its description: classes and preprocessing.
    """

    def __init__(
        self, network: torch.nn.Module, info: ModelInfo, config: PredictConfig | None = None
    ) -> None:
        config = config or PredictConfig()
        self.info = info
        self.compute: Compute = choose_compute(config.device, config.precision)
        self.batch_size = config.batch_size or (
            1 if self.compute.device.type == "cpu" else _GPU_BATCH
        )
        ready = copy.deepcopy(network).float().eval().requires_grad_(requires_grad=False)
        ready = fuse_batchnorm(ready.cpu(), in_channels=info.network.in_channels)
        self._network = self.compute.place(ready).to(self.compute.dtype)

    def check_channels(self, n_channels: int, source: object) -> None:
        """Raise a ModelError where a scan's channels do not fit the model."""
        expected = self.info.network.in_channels
        if n_channels != expected:
            raise ModelError(
                f"{source}: the image has {n_channels} channel(s), but model "
                f"{self.info.name} takes {expected}; choose a model for such images"
            )

    def label(self, bscans: Sequence[NDArray[Any]]) -> list[NDArray[np.uint8]]:
        """Label a batch of B-scans of one shape.

        Parameters
        ----------
        bscans
            Grey values, each ``(channel, depth, width)``.

        Returns
        -------
        list of ndarray
            Class *indices*, each ``(depth, width)``, uint8.
        """
        shape = (bscans[0].shape[-2], bscans[0].shape[-1])
        size = input_size(shape, self.info.preprocess)
        kind = self.info.preprocess.normalise
        stacked = np.stack([normalise(bscan, kind) for bscan in bscans])
        with torch.inference_mode():
            images = torch.from_numpy(stacked).to(self.compute.device)
            images = pad_images(resize_images(images, size))
            images = images.to(self.compute.dtype).contiguous(memory_format=torch.channels_last)
            logits = self._network(images)
            logits = restore_logits(logits, size=size, shape=shape)
            indices = logits.argmax(dim=1).to(torch.uint8).cpu().numpy()
        return list(indices)

"""Random changes of training samples: drawn first, applied later, on the device.

A draw is a plain value: applying it twice gives the same samples, and one of its samples alone
changes as it does in its batch.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
import torch

from napari_retseg.config import AugmentConfig
from napari_retseg.learn.geometry import GeometryDraw, draw_geometry, move
from napari_retseg.learn.intensity import GreyDraw, change_grey, draw_grey


@dataclass(frozen=True, slots=True, eq=False)
class AugmentDraw:
    """What changes in each of `n` samples of `dims` dimensions: numpy arrays, nothing else."""

    n: int
    dims: int
    geometry: GeometryDraw
    grey: GreyDraw

    def take(self, index: int) -> AugmentDraw:
        """Take the draw of one sample: it changes that sample as in the batch.

        Raises
        ------
        IndexError
            Where there is no such sample.
        """
        if not 0 <= index < self.n:
            raise IndexError(f"sample {index} of a draw for {self.n}")
        geometry, grey = _take(self.geometry, index), _take(self.grey, index)
        return AugmentDraw(n=1, dims=self.dims, geometry=geometry, grey=grey)


def _take(part: Any, index: int) -> Any:
    """Take one sample of every array in a dataclass, or of an array."""
    if is_dataclass(part) and not isinstance(part, type):
        return type(part)(**{f.name: _take(getattr(part, f.name), index) for f in fields(part)})
    return None if part is None else part[index : index + 1]


def draw_augment(
    config: AugmentConfig, n: int, rng: np.random.Generator, *, dims: int = 2
) -> AugmentDraw:
    """Draw changes for `n` samples of 2 or 3 dimensions from the ranges of `config`."""
    geometry = draw_geometry(config, n, rng, dims=dims)
    return AugmentDraw(n=n, dims=dims, geometry=geometry, grey=draw_grey(config, n, rng))


def apply_augment(
    images: torch.Tensor, labels: torch.Tensor, draw: AugmentDraw
) -> tuple[torch.Tensor, torch.Tensor]:
    """Change a batch as drawn, on its device.

    Parameters
    ----------
    images
        ``(n, channel, depth, width)`` or ``(n, channel, z, depth, width)``, float32, any range
        of grey values.
    labels
        Class indices ``(n, depth, width)`` or ``(n, z, depth, width)``, int64; 255 where not
        annotated.

    Returns
    -------
    images, labels
        Tensors of the same shapes; those given where nothing changes, which are never changed
        themselves. Pixels that come from outside the sample repeat its edge in the image and are
        255 in the labels.

    Raises
    ------
    ValueError
        If the draw is for other samples.
    """
    if (len(images), images.ndim - 2) != (draw.n, draw.dims):
        raise ValueError(
            f"{len(images)} samples of {images.ndim - 2} dimensions, and a draw for {draw.n} of "
            f"{draw.dims}"
        )
    images, labels = move(images, labels, draw.geometry)
    return change_grey(images, draw.grey), labels

"""Random changes of training samples: drawn first, applied later, on the device.

A draw is a plain value: applying it twice gives the same samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from napari_retseg.classes import IGNORE
from napari_retseg.config import AugmentConfig


@dataclass(frozen=True, slots=True)
class AugmentDraw:
    """Parameters for a batch of n samples; each field has shape ``(n,)``.

    Geometry: mirror along the width, shift and tilt of the depth (in parts of the depth;
    a tilt of 0.1 lowers the right edge and lifts the left one by a tenth), relative size
    along depth and width. Grey values: exponent of gamma, factor of contrast, offset of
    brightness, standard deviation of speckle, in units of each sample's own range.
    """

    flip: NDArray[np.bool_]
    shift: NDArray[np.float32]
    tilt: NDArray[np.float32]
    scale_depth: NDArray[np.float32]
    scale_width: NDArray[np.float32]
    gamma: NDArray[np.float32]
    contrast: NDArray[np.float32]
    brightness: NDArray[np.float32]
    noise: NDArray[np.float32]
    noise_seed: int

    @property
    def moves(self) -> bool:
        """Whether any sample's geometry changes."""
        moved = (self.flip.any(), self.shift.any(), self.tilt.any())
        scaled = ((self.scale_depth != 1).any(), (self.scale_width != 1).any())
        return any(moved) or any(scaled)


def draw_augment(config: AugmentConfig, n: int, rng: np.random.Generator) -> AugmentDraw:
    """Draw parameters for `n` samples from the ranges of `config`."""

    def around(center: float, half_range: float) -> NDArray[np.float32]:
        return (center + rng.uniform(-half_range, half_range, n)).astype(np.float32)

    return AugmentDraw(
        flip=rng.random(n) < config.flip,
        shift=around(0, config.shift),
        tilt=around(0, config.tilt),
        scale_depth=around(1, config.scale),
        scale_width=around(1, config.scale),
        gamma=np.exp(around(0, config.gamma)),
        contrast=around(1, config.contrast),
        brightness=around(0, config.brightness),
        noise=rng.uniform(0, config.noise, n).astype(np.float32),
        noise_seed=int(rng.integers(2**31)),
    )


def apply_augment(
    images: torch.Tensor, labels: torch.Tensor, draw: AugmentDraw
) -> tuple[torch.Tensor, torch.Tensor]:
    """Change a batch as drawn.

    Parameters
    ----------
    images
        ``(n, channel, depth, width)``, floating point.
    labels
        Class indices ``(n, depth, width)``, int64.

    Returns
    -------
    images, labels
        New tensors of the same shapes. Pixels that come from outside the sample repeat
        its edge in the image and are 255 (not annotated) in the labels.
    """
    if draw.moves:
        images, labels = _move(images, labels, draw)
    return _change_grey(images, draw), labels


def _move(
    images: torch.Tensor, labels: torch.Tensor, draw: AugmentDraw
) -> tuple[torch.Tensor, torch.Tensor]:
    grid = F.affine_grid(
        _affine(draw).to(images.device), [len(images), 1, *images.shape[-2:]], align_corners=False
    )
    moved = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    raised = (labels[:, None] + 1).to(images.dtype)  # so that 0 means "from outside"
    sampled = F.grid_sample(raised, grid, mode="nearest", padding_mode="zeros", align_corners=False)
    indices = sampled[:, 0].round().long() - 1
    return moved, torch.where(indices < 0, IGNORE, indices)


def _affine(draw: AugmentDraw) -> torch.Tensor:
    """Matrices ``(n, 2, 3)`` from output to input, in the -1 to 1 coordinates of torch."""
    theta = np.zeros((len(draw.flip), 2, 3), dtype=np.float32)
    theta[:, 0, 0] = np.where(draw.flip, -1, 1) / draw.scale_width
    theta[:, 1, 0] = -2 * draw.tilt / draw.scale_depth
    theta[:, 1, 1] = 1 / draw.scale_depth
    theta[:, 1, 2] = -2 * draw.shift / draw.scale_depth
    return torch.from_numpy(theta)


def _change_grey(images: torch.Tensor, draw: AugmentDraw) -> torch.Tensor:
    def column(values: NDArray[np.float32]) -> torch.Tensor:
        return torch.from_numpy(values).to(images.device, images.dtype)[:, None, None, None]

    low = images.amin(dim=(-2, -1), keepdim=True)
    span = (images.amax(dim=(-2, -1), keepdim=True) - low).clamp_min(1e-6)
    grey = ((images - low) / span).clamp(0, 1)
    if (draw.gamma != 1).any():
        grey = grey ** column(draw.gamma)
    if (draw.contrast != 1).any() or draw.brightness.any():
        mean = grey.mean(dim=(-2, -1), keepdim=True)
        grey = (grey - mean) * column(draw.contrast) + mean + column(draw.brightness)
    if draw.noise.any():
        generator = torch.Generator(device=images.device).manual_seed(draw.noise_seed)
        speckle = torch.randn(
            grey.shape, generator=generator, device=images.device, dtype=images.dtype
        )
        grey = grey + speckle * column(draw.noise) * (0.3 + grey.clamp(0, 1))
    return grey * span + low

"""From grey values to the network's input, and from logits back to the scan's own grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from napari_retseg.config import Normalisation, PreprocessConfig, parse_size
from napari_retseg.nets.build import STRIDE

#: Share of the darkest and of the brightest pixels that percentile normalisation clips, in %.
CLIPPED_PERCENT = 0.5
#: Widest input for which ``resize="auto"`` keeps the scan's width.
AUTO_WIDTH = 512


def normalise(pixels: NDArray[Any], kind: Normalisation) -> NDArray[np.float32]:
    """Normalise one B-scan, each channel for itself.

    Parameters
    ----------
    pixels
        Grey values, shape ``(channel, depth, width)``, any number type. Values that are
        not finite count as the darkest.
    kind
        ``none`` keeps the values; ``min-max`` maps them to 0-1; ``percentile`` maps the
        0.5th and 99.5th percentiles to 0 and 1 and clips; ``z-score`` gives mean 0 and
        standard deviation 1.
    """
    planes = [_normalise_plane(plane, kind) for plane in pixels]
    return np.stack(planes)


def _normalise_plane(plane: NDArray[Any], kind: Normalisation) -> NDArray[np.float32]:
    values = plane.astype(np.float32)
    if not np.issubdtype(plane.dtype, np.integer):
        finite = np.isfinite(values)
        if not finite.all():
            values = np.where(finite, values, values[finite].min(initial=0.0))
    if kind == "none":
        return values
    if kind == "z-score":
        return _rescale(values, float(values.mean()), float(values.std()))
    if kind == "min-max":
        low, high = float(values.min()), float(values.max())
        return _rescale(values, low, high - low)
    low, high = _percentiles(plane if plane.dtype == np.uint8 else values)
    return np.clip(_rescale(values, low, high - low), 0.0, 1.0)


def _rescale(values: NDArray[np.float32], offset: float, span: float) -> NDArray[np.float32]:
    """Subtract and divide; a plane without contrast becomes zero."""
    if span <= 0:
        return np.zeros_like(values)
    scaled: NDArray[np.float32] = (values - np.float32(offset)) / np.float32(span)
    return scaled


def _percentiles(values: NDArray[Any]) -> tuple[float, float]:
    """Clip limits; from the histogram where there are but 256 values (ten times faster)."""
    shares = (CLIPPED_PERCENT / 100, 1 - CLIPPED_PERCENT / 100)
    if values.dtype == np.uint8:
        cumulated = np.cumsum(np.bincount(values.ravel(), minlength=256))
        low, high = np.searchsorted(cumulated, [share * cumulated[-1] for share in shares])
    else:
        low, high = np.quantile(values, shares)
    return float(low), float(high)


def plan_input(resize: str, *, normalise: Normalisation, widest: int) -> PreprocessConfig:
    """Settle the input size of a training from its option and its widest B-scan.

    ``auto`` halves the width until it is at most 512: layers run along the width, so a
    coarser one loses little and shows the network more of the eye at once.
    """
    if resize == "none":
        return PreprocessConfig(normalise=normalise)
    size = parse_size(resize)
    if size is not None:
        return PreprocessConfig(normalise=normalise, size=size)
    factor = 1.0
    while widest * factor > AUTO_WIDTH:
        factor /= 2
    return PreprocessConfig(normalise=normalise, scale=(1.0, factor))


def input_size(shape: tuple[int, int], config: PreprocessConfig) -> tuple[int, int]:
    """Depth and width of the network's input (before padding) for a B-scan of `shape`."""
    if config.size is not None:
        return config.size
    depth, width = (
        max(1, round(n * factor)) for n, factor in zip(shape, config.scale, strict=True)
    )
    return depth, width


def resize_images(images: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Resample ``(n, channel, depth, width)`` to `size`; area-averaging when it shrinks."""
    if images.shape[-2:] == size:
        return images
    return F.interpolate(images, size=size, mode="bilinear", antialias=True)


def resize_labels(labels: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Resample label indices ``(n, depth, width)`` to `size` by nearest neighbour."""
    if labels.shape[-2:] == size:
        return labels
    return F.interpolate(labels[:, None], size=size, mode="nearest-exact")[:, 0]


def pad_amount(size: tuple[int, int], stride: int = STRIDE) -> tuple[int, int]:
    """Rows and columns to add so that both are multiples of `stride`."""
    depth, width = (-n % stride for n in size)
    return depth, width


def pad_images(images: torch.Tensor, stride: int = STRIDE) -> torch.Tensor:
    """Pad at the bottom and the right, repeating the edge."""
    depth, width = pad_amount((images.shape[-2], images.shape[-1]), stride)
    return F.pad(images, (0, width, 0, depth), mode="replicate") if depth or width else images


def restore_logits(
    logits: torch.Tensor, *, size: tuple[int, int], shape: tuple[int, int]
) -> torch.Tensor:
    """Crop the padding and bring logits from the input's `size` to the B-scan's `shape`."""
    cropped = logits[..., : size[0], : size[1]]
    if size == shape:
        return cropped
    return F.interpolate(cropped.float(), size=shape, mode="bilinear", align_corners=False)

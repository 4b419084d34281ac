"""Operations of :mod:`napari_retseg.nets.arrays` on torch's tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F


def no_gradients() -> AbstractContextManager[object]:
    """Context in which nothing is kept for a backward pass."""
    return torch.inference_mode()


def to_float(array: torch.Tensor) -> torch.Tensor:
    """In float32; no copy where it is so already."""
    return array.float()


def to_numpy(array: torch.Tensor) -> NDArray[Any]:
    """As numpy's array."""
    return np.asarray(array.cpu().numpy())


def like(values: NDArray[Any], array: torch.Tensor) -> torch.Tensor:
    """Numpy's `values` as a tensor, on the device of `array`."""
    return torch.from_numpy(values).to(array.device)


def zeros(shape: Sequence[int], array: torch.Tensor) -> torch.Tensor:
    """Zeros in float32, on the device of `array`."""
    return torch.zeros(*shape, device=array.device)


def is_finite(array: torch.Tensor) -> bool:
    """Whether no value is NaN or infinite."""
    return bool(torch.isfinite(array).all())


def contiguous(array: torch.Tensor) -> torch.Tensor:
    """Without gaps in memory."""
    return array.contiguous()


def concatenate(arrays: Sequence[torch.Tensor]) -> torch.Tensor:
    """Joined along the channels."""
    return torch.cat(list(arrays), dim=1)


def pad(images: torch.Tensor, amounts: Sequence[tuple[int, int]]) -> torch.Tensor:
    """Repeat the edge, before and after each spatial axis."""
    if not any(map(any, amounts)):
        return images
    flat = [number for pair in reversed(amounts) for number in pair]
    return F.pad(images, flat, mode="replicate")


def resize(images: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    """Interpolate linearly; where an axis shrinks, each pixel is a mean over its share."""
    if len(size) == 2:
        return F.interpolate(images, size=size, mode="bilinear", antialias=True)
    # torch averages in 2D only, but one axis after the other: first in the planes, then across
    planes = images.flatten(1, 2)
    if tuple(planes.shape[-2:]) != size[1:]:
        planes = F.interpolate(planes, size=size[1:], mode="bilinear", antialias=True)
    volumes = planes.reshape(*images.shape[:3], *size[1:])
    if volumes.shape[2] == size[0]:
        return volumes
    columns = volumes.flatten(3)
    across = (size[0], columns.shape[3])
    columns = F.interpolate(columns, size=across, mode="bilinear", antialias=True)
    return columns.reshape(*columns.shape[:3], *size[1:])


def interpolate(images: torch.Tensor, size: Sequence[int], *, corners: bool) -> torch.Tensor:
    """Interpolate linearly, without averaging."""
    mode = "bilinear" if len(size) == 2 else "trilinear"
    return F.interpolate(images, size=list(size), mode=mode, align_corners=corners)


def mirror(images: torch.Tensor) -> torch.Tensor:
    """Turn round along the width."""
    return images.flip(-1)


def exp(array: torch.Tensor) -> torch.Tensor:
    """Exponential."""
    return array.exp()


def softmax(logits: torch.Tensor) -> torch.Tensor:
    """Probabilities of the classes."""
    return logits.softmax(dim=1)


def log_softmax(logits: torch.Tensor) -> torch.Tensor:
    """Logarithms of the probabilities."""
    return logits.log_softmax(dim=1)


def join(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Logarithm of the mean of two probabilities that are given by their logarithms."""
    return torch.stack([one, other]).logsumexp(dim=0) - math.log(2)


def largest(planes: torch.Tensor) -> torch.Tensor:
    """Largest of the channels, which stay as one channel."""
    return planes.amax(dim=1, keepdim=True)


def win(planes: torch.Tensor) -> torch.Tensor:
    """Index of the largest of the planes ``(n, plane, depth, width)``; the first of equals.

    Plane by plane, as ``argmax`` across planes takes eight times as long on a CPU.
    """
    highest = planes[:, 0].clone()
    winner = torch.zeros(highest.shape, dtype=torch.uint8, device=planes.device)
    for k in range(1, planes.shape[1]):
        winner.masked_fill_(planes[:, k] > highest, k)
        torch.maximum(highest, planes[:, k], out=highest)
    return winner

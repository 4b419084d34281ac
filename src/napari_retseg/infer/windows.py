"""Windows that slide over a volume, blended with Gaussian weights."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import torch
from torch.nn import functional as F

from napari_retseg.config import NetworkConfig
from napari_retseg.events import Cancel
from napari_retseg.nets.sizes import limit_window, plan_least, round_up
from napari_retseg.nets.stride import stride_of

#: Weights are at least this, so that the quotient stays exact in float32 (as in MONAI).
_LEAST_WEIGHT = 1e-3

Network = Callable[[torch.Tensor], torch.Tensor]


def plan_window(
    shape: tuple[int, ...], network: NetworkConfig, *, trained: tuple[int, ...] | None = None
) -> tuple[int, ...]:
    """Choose the window for a volume.

    Parameters
    ----------
    shape
        Of the network's input, before padding.
    trained
        Size of the samples in training, which is the window then. Where it is not known, the
        window is all of a small volume, else 96 voxels along each axis.

    Returns
    -------
    tuple of int
        Multiples of the network's stride; an axis that is shorter than the window is padded.
    """
    stride = stride_of(network)
    if trained is not None:
        return round_up(trained, stride)
    return limit_window(round_up(plan_least(network, shape), stride), stride)


def plan_starts(length: int, window: int, overlap: float) -> list[int]:
    """Where windows begin along one axis: evenly spread, first and last at the edges.

    Parameters
    ----------
    length
        Of the axis, in voxels.
    overlap
        Least share of a window (to a voxel) that it has in common with the next.
    """
    if window >= length:
        return [0]
    step = max(1.0, window * (1 - overlap))
    count = math.ceil((length - window) / step) + 1
    return [round(k * (length - window) / (count - 1)) for k in range(count)]


def gaussian_weights(window: tuple[int, ...]) -> torch.Tensor:
    """Weights that fall off from 1 at the middle of a window, with sigma = size / 8.

    As in nnU-Net (Isensee et al., Nature Methods 18:203, 2021): the further from its edge,
    the more a window's answer counts.

    Returns
    -------
    Tensor
        Of the window's shape, float32, above 0.
    """
    weights = torch.ones(())
    for size in window:
        places = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
        axis = torch.exp(-0.5 * (places / (size / 8)) ** 2)
        weights = weights[..., None] * axis
    return weights.clamp(min=_LEAST_WEIGHT)


def slide_windows(
    volume: torch.Tensor,
    network: Network,
    *,
    window: tuple[int, ...],
    overlap: float,
    batch_size: int = 1,
    cancel: Cancel | None = None,
) -> torch.Tensor | None:
    """Predict a volume window by window and blend the logits.

    Parameters
    ----------
    volume
        ``(channel, z, y, x)``; an axis shorter than the window is padded, its edge repeated.
    network
        From ``(n, channel, *window)`` to logits ``(n, class, *window)``, on any device.
    overlap
        Share of a window that it has in common with the next, 0 to below 1.
    batch_size
        Windows at once.

    Returns
    -------
    Tensor or None
        Logits ``(class, z, y, x)``, float32, on the volume's device; None where it was
        cancelled.
    """
    shape = tuple(volume.shape[1:])
    padding = [max(0, w - n) for n, w in zip(shape, window, strict=True)]
    if any(padding):
        volume = _pad(volume, padding)
    places = list(_place(tuple(volume.shape[1:]), window, overlap))
    if len(places) == 1:
        logits = network(volume[None])[0].float().to(volume.device)
    else:
        blended = _blend(volume, network, places, batch_size=batch_size, cancel=cancel)
        if blended is None:
            return None
        logits = blended
    return logits[(slice(None), *(slice(n) for n in shape))]


def _blend(
    volume: torch.Tensor,
    network: Network,
    places: list[tuple[slice, ...]],
    *,
    batch_size: int,
    cancel: Cancel | None,
) -> torch.Tensor | None:
    weights = gaussian_weights(tuple(axis.stop - axis.start for axis in places[0]))
    weights = weights.to(volume.device)
    total = torch.zeros(volume.shape[1:], device=volume.device)
    summed = torch.zeros(0, device=volume.device)
    for start in range(0, len(places), batch_size):
        if cancel is not None and cancel.is_cancelled():
            return None
        some = places[start : start + batch_size]
        found = network(torch.stack([volume[(slice(None), *place)] for place in some]))
        if not summed.numel():
            summed = torch.zeros((found.shape[1], *volume.shape[1:]), device=volume.device)
        for place, logits in zip(some, found, strict=True):
            summed[(slice(None), *place)] += logits.float().to(volume.device) * weights
            total[place] += weights
    return summed.div_(total)


def _place(
    shape: tuple[int, ...], window: tuple[int, ...], overlap: float
) -> Iterator[tuple[slice, ...]]:
    axes = [
        [slice(start, start + size) for start in plan_starts(length, size, overlap)]
        for length, size in zip(shape, window, strict=True)
    ]
    yield from itertools.product(*axes)


def _pad(volume: torch.Tensor, padding: list[int]) -> torch.Tensor:
    """Add voxels at the end of each axis."""
    pairs = [n for amount in reversed(padding) for n in (0, amount)]
    return F.pad(volume[None], pairs, mode="replicate")[0]

"""Windows that slide over pictures, all of the same weight."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

from napari_retseg.nets.arrays import Array, ops_of


def slide_planes(
    images: Array,
    network: Callable[[Array], Array],
    *,
    window: tuple[int, int],
    stride: int,
) -> Array:
    """Predict pictures window by window; where windows overlap, logits are averaged.

    As published 2D protocols do it (MMSegmentation's ``slide`` mode): all windows count the
    same, each begins `stride` after the one before, and the last one ends at the edge.

    Parameters
    ----------
    images
        ``(n, channel, depth, width)``; a side that is shorter than the window is one window.
    network
        From a window to its logits, which may be padded at the end.

    Returns
    -------
    Tensor or ndarray
        Logits ``(n, class, depth, width)``, float32.
    """
    ops = ops_of(images)
    summed: Array | None = None
    count = ops.zeros(images.shape[-2:], images)
    axes = [
        _step_through(n, size, stride) for n, size in zip(images.shape[-2:], window, strict=True)
    ]
    for rows, columns in itertools.product(*axes):
        logits = ops.to_float(network(images[..., rows, columns]))
        logits = logits[..., : rows.stop - rows.start, : columns.stop - columns.start]
        if summed is None:
            summed = ops.zeros((len(images), logits.shape[1], *images.shape[-2:]), images)
        summed[..., rows, columns] += logits
        count[rows, columns] += 1
    assert summed is not None
    summed /= count
    return summed


def _step_through(length: int, window: int, stride: int) -> list[slice]:
    """Windows along one axis, `stride` apart; the last one ends at the edge."""
    steps = max(0, math.ceil((length - window) / stride)) + 1
    ends = [min(k * stride + window, length) for k in range(steps)]
    return [slice(max(0, end - window), end) for end in ends]

"""Boundaries of A-scans whose layers are out of order: those that change the fewest pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: A pixel that says nothing about the layers: fluid, or not annotated.
NEUTRAL = np.uint8(255)


def fit_ordered(places: NDArray[np.uint8], n_layers: int) -> NDArray[np.float32]:
    """Find the ordered layers that agree with as many pixels as possible.

    From top to bottom an A-scan is background, layers that never go back (any may be absent),
    and background. The best boundaries are found exactly, all A-scans at once, by dynamic
    programming over the boundaries (Bellman, 1957). Of several that are equally good the lowest
    are taken, but for the last boundary the highest: what is neutral between two layers counts to
    the upper one.

    Parameters
    ----------
    places
        ``(depth, n)``: 0 background, 1 to `n_layers` the layers from above, or :data:`NEUTRAL`.

    Returns
    -------
    ndarray of float32
        Rows of the boundaries, ``(n_layers + 1, n)``.
    """
    depth, n = places.shape
    # agreement[s][row]: pixels above `row` that are of state s
    agreement = np.zeros((n_layers + 1, depth + 1, n), np.int32)
    for state in range(n_layers + 1):
        np.cumsum(places == state, axis=0, out=agreement[state, 1:])
    best = agreement[0]
    choices = []
    for state in range(1, n_layers + 1):
        gain = best - agreement[state]
        reached = np.maximum.accumulate(gain, axis=0)
        choices.append(_last_best(gain == reached))
        best = reached + agreement[state]
    ends = (best - agreement[0]).argmax(axis=0)
    begins = [ends]
    for choice in reversed(choices):
        ends = np.take_along_axis(choice, ends[np.newaxis], axis=0)[0]
        begins.append(ends)
    return np.array(begins[::-1], np.float32) - 1


def _last_best(is_best: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Row at which the running maximum was reached last, for each row."""
    rows = np.arange(len(is_best), dtype=np.int32)[:, np.newaxis]
    return np.maximum.accumulate(np.where(is_best, rows, 0), axis=0)

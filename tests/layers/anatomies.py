"""Label maps of random retinas whose layers are in order."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import IGNORE

#: Values of layers from above; not in the order of the values.
LAYERS = (4, 2, 7, 1)
FLUID, DRUSEN = 9, 3


def draw_anatomies(
    rng: np.random.Generator, n: int, *, depth: int = 24, width: int = 12
) -> NDArray[np.uint8]:
    """Draw `n` B-scans: absent layers, fluid everywhere, gaps, and what is not annotated.

    Fluid splits layers, touches the first and the last one, and lies outside, too. Layers
    reach to the first and the last row.
    """
    rows = np.sort(rng.integers(-1, depth, (n, len(LAYERS) + 1, width)), axis=1)
    absent = rng.random((n, len(LAYERS), width)) < 0.2
    for k in range(len(LAYERS)):
        rows[:, k + 1] = np.where(absent[:, k], rows[:, k], rows[:, k + 1])
    grid = np.arange(depth)[:, np.newaxis]
    labels = np.zeros((n, depth, width), np.uint8)
    for value, (above, below) in zip(LAYERS, pairwise(np.moveaxis(rows, 1, 0)), strict=True):
        labels[(grid > above[:, np.newaxis]) & (grid <= below[:, np.newaxis])] = value
    for value in (FLUID, DRUSEN, 0, IGNORE):
        _draw_pockets(rng, labels, value)
    labels.swapaxes(1, 2)[rng.random((n, width)) < 0.1] = IGNORE
    return labels


def _draw_pockets(rng: np.random.Generator, labels: NDArray[np.uint8], value: int) -> None:
    """Draw a rectangle over a third of the B-scans."""
    n, depth, width = labels.shape
    for number in np.flatnonzero(rng.random(n) < 0.3):
        top, bottom = np.sort(rng.integers(0, depth + 1, 2))
        left, right = np.sort(rng.integers(0, width + 1, 2))
        labels[number, top : min(bottom, top + 6), left:right] = value

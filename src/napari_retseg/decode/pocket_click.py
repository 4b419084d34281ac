"""A pocket of fluid from one click: regions around a place, each within the next.

A small network tells for each pixel whether it belongs to the pocket that was clicked, from its
grey, the paths that lead to it, the edges around it, where it lies in the retina, and the
probability of a model where there is one.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_retseg.decode.pocket_features import Surroundings, describe, reach
from napari_retseg.decode.pocket_regions import (
    PocketProposal,
    count_pixels,
    cut_into_regions,
    find_retina,
    measure_contrast,
    sum_steps,
)

#: Pixels around a click in which its region is looked for: rows and columns to each side.
REACH = (112, 192)
#: Made by ``python -m benchmarks.pocket_fit``.
_WEIGHTS = "pocket_weights.npz"
#: Features are kept within so many standard deviations of their mean, and log-odds within so many.
_FARTHEST, _SUREST = 4.0, 8.0
#: Gaussian in pixels that rounds the regions.
_ROUND_SIGMA = 1.0
#: How much more the worst pixel of a path counts than its length.
_SHARPNESS = 3.0
#: Log-odds from which a pixel belongs to the pocket.
_LIKELY = -0.6
#: Pixels of the smallest region.
_SMALLEST = 12
#: Gaussian in pixels for the edge of a region, and how much more a step of the probability counts
#: there than one of the grey.
_EDGE_SIGMA, _PROBABILITY_WEIGHT = 2.0, 1.1
#: How much it speaks against a region that it is larger or smaller than what is likely.
_SIZE_COST = 0.02


def propose_pocket(
    bscan: NDArray[Any],
    place: tuple[int, int],
    *,
    labels: NDArray[np.uint8],
    layers: list[int],
    probability: NDArray[np.float32] | None = None,
) -> PocketProposal | None:
    """Find the regions around a click into a dark pocket.

    Parameters
    ----------
    bscan
        Grey values, ``(depth, width)``.
    place
        Row and column of the click.
    labels
        Class values of the same B-scan; no region leaves the layers among them.
    layers
        Values of the layers, from the vitreous to the sclera.
    probability
        Of the class, ``(depth, width)``, where a model has said it.

    Returns
    -------
    PocketProposal or None
        None where the click lies outside the layers.
    """
    rows, columns = (
        slice(max(0, k - far), min(n, k + far + 1))
        for k, far, n in zip(place, REACH, bscan.shape, strict=True)
    )
    retina = find_retina(labels[:, columns], layers)[rows]
    click = (place[0] - rows.start, place[1] - columns.start)
    if not retina[click]:
        return None
    grey = np.nan_to_num(bscan[rows, columns].astype(np.float32))
    said = None if probability is None else probability[rows, columns]
    around = Surroundings(click, grey, retina, labels[rows, columns], said)
    odds = _find_odds(around)
    cost = reach(np.exp(-_SHARPNESS * odds), around)
    first, n_regions = cut_into_regions(cost, _SMALLEST)
    best = _choose(first, n_regions, around, odds)
    return PocketProposal(rows.start, columns.start, first, n_regions, best)


def _find_odds(around: Surroundings) -> NDArray[np.float64]:
    """Log-odds that each pixel belongs to the pocket."""
    features, pixels = describe(around)
    odds = np.full(around.grey.shape, -_SUREST)
    odds.flat[pixels] = np.clip(tell(features), -_SUREST, _SUREST)
    rounded: NDArray[np.float64] = ndimage.gaussian_filter(odds, _ROUND_SIGMA)
    return rounded


def _choose(
    first: NDArray[np.uint8], n_regions: int, around: Surroundings, odds: NDArray[np.float64]
) -> int:
    """Choose the region at whose edge the grey rises most, and which is as large as is likely."""
    values = around.grey / measure_contrast(around.grey[around.retina])
    if around.probability is not None:
        values -= np.float32(_PROBABILITY_WEIGHT) * around.probability
    rise, length = sum_steps(first, n_regions, ndimage.gaussian_filter(values, _EDGE_SIGMA))
    parts, _ = ndimage.label(odds > _LIKELY)
    likely = (parts == parts[around.click]).sum() if parts[around.click] else 0
    unlike = np.log(count_pixels(first, n_regions) / max(int(likely), _SMALLEST)) ** 2
    score = rise / np.maximum(length, 1) - _SIZE_COST * unlike
    return int(np.where(length > 0, score, -np.inf).argmax())


def tell(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log-odds that pixels belong to the pocket, from their features ``(pixel, feature)``."""
    weights = _read_weights()
    scaled = (features - weights["mean"]) / weights["deviation"]
    values: NDArray[np.float32] = np.clip(scaled, -_FARTHEST, _FARTHEST)
    for layer in ("first", "second"):
        values = np.maximum(values @ weights[layer] + weights[f"{layer}_bias"], 0)
    told: NDArray[np.float32] = values @ weights["last"] + weights["last_bias"]
    return told


@cache
def _read_weights() -> dict[str, NDArray[np.float32]]:
    place = resources.files("napari_retseg.decode").joinpath(_WEIGHTS)
    with place.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)

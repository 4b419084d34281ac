"""A pocket of fluid from one click: regions around a place, each within the next.

A path from the click costs more, the brighter than the click it runs, and a little for its length
(geodesic distance). What can be reached at a cost is one region; the more it may cost, the larger
the region.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.graph import MCP_Geometric

from napari_retseg.decode.pocket_regions import (
    PocketProposal,
    count_pixels,
    cut_into_regions,
    find_retina,
    measure_contrast,
    sum_steps,
)

# Of all values below: chosen on simulated B-scans and on S01 and S02 of Chiu et al. 2015.

#: Pixels around a click in which its region is looked for: rows and columns to each side.
_REACH = (112, 192)
#: Half the side of the square whose median is the grey of the pocket.
_CLICK_RADIUS = 2
#: Gaussian in pixels that takes the speckle away: for the paths, and for the edge of a region.
_PATH_SIGMA, _EDGE_SIGMA = 1.5, 2.0
#: What a path costs a pixel at the grey of the click; what is brighter costs the square of the
#: contrast more, so that speckle is cheap and a wall is not.
_LENGTH_COST = 0.02
#: What it costs, too, where the model says that there is less of the class than at the click.
_DOUBT_COST = 0.5
#: A pixel is too bright for the pocket when it is so much brighter than the click.
_TOO_BRIGHT = 0.25
#: What speaks against a region whose pixels are all too bright, in steps of contrast at its edge;
#: so many of them for each pixel of the edge say nothing, since the edge is blurred.
_BRIGHT_COST, _BRIGHT_AT_EDGE = 0.4, 0.3
#: How much more a step of the probability at the edge of a region counts than one of the grey.
_PROBABILITY_WEIGHT = 1.1
#: Pixels of the smallest region.
_SMALLEST = 12
_NEVER = 1e9


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
        slice(max(0, k - reach), min(n, k + reach + 1))
        for k, reach, n in zip(place, _REACH, bscan.shape, strict=True)
    )
    retina = find_retina(labels[:, columns], layers)[rows]
    click = (place[0] - rows.start, place[1] - columns.start)
    if not retina[click]:
        return None
    grey = np.nan_to_num(bscan[rows, columns].astype(np.float32))
    doubt = np.zeros_like(grey) if probability is None else 1 - probability[rows, columns]
    unit = measure_contrast(grey[retina])
    smooth = ndimage.gaussian_filter(grey, _PATH_SIGMA) / unit
    cost = _reach_from(click, smooth, doubt, retina)
    first, n_regions = cut_into_regions(cost, _SMALLEST)
    edges = ndimage.gaussian_filter(grey, _EDGE_SIGMA) / unit
    best = _choose(first, n_regions, edges, doubt, _look_around(smooth, click))
    return PocketProposal(rows.start, columns.start, first, n_regions, best)


def _look_around(smooth: NDArray[np.float32], click: tuple[int, int]) -> float:
    """The grey of the pocket at the click."""
    near = tuple(slice(max(0, k - _CLICK_RADIUS), k + _CLICK_RADIUS + 1) for k in click)
    return float(np.median(smooth[near]))


def _reach_from(
    click: tuple[int, int],
    smooth: NDArray[np.float32],
    doubt: NDArray[np.float32],
    retina: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Cost of the cheapest path from the click to each pixel; inf where none leads."""
    weight = _LENGTH_COST + np.maximum(smooth - _look_around(smooth, click), 0) ** 2
    weight += _DOUBT_COST * np.maximum(doubt - doubt[click], 0)
    found, _ = MCP_Geometric(np.where(retina, weight, -1)).find_costs([click])
    cost: NDArray[np.float64] = np.where(retina & (found < _NEVER), found, np.inf)
    return cost


def _choose(
    first: NDArray[np.uint8],
    n_regions: int,
    edges: NDArray[np.float32],
    doubt: NDArray[np.float32],
    grey: float,
) -> int:
    """Choose the region at whose edge the grey rises most, and which holds little that is bright.

    The probability of the class counts like the grey.
    """
    rise, length = sum_steps(first, n_regions, edges + _PROBABILITY_WEIGHT * doubt)
    areas = count_pixels(first, n_regions)
    is_bright = (edges > grey + _TOO_BRIGHT).ravel()
    bright = np.cumsum(np.bincount(first.ravel(), is_bright, n_regions + 1))[:n_regions]
    excess = np.maximum(bright - _BRIGHT_AT_EDGE * length, 0) / areas
    score = rise / np.maximum(length, 1) - _BRIGHT_COST * excess
    return int(np.where(length > 0, score, -np.inf).argmax())

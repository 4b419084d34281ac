"""A pocket of fluid from one click: regions around a place, each within the next.

A path from the click costs more, the brighter than the click it runs, and a little for its length
(geodesic distance). What can be reached at a cost is one region; the more it may cost, the larger
the region.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.graph import MCP_Geometric

from napari_retseg.layers import boundaries_of_labels

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
#: Number of regions, and the smallest one's pixels.
_N_REGIONS, _SMALLEST = 48, 12
_NEVER = 1e9


@dataclass(frozen=True)
class PocketProposal:
    """Regions around a click.

    Attributes
    ----------
    top, left
        Row and column of the B-scan at which `first` begins.
    first
        The first region that a pixel belongs to, uint8; `n_regions` where none does.
    n_regions
        How many there are; each holds the ones before it.
    best
        The region that is most likely the pocket.
    """

    top: int
    left: int
    first: NDArray[np.uint8]
    n_regions: int
    best: int

    def region(self, number: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return a region on a B-scan of this shape ``(depth, width)``, without holes."""
        found = np.zeros(shape, np.bool_)
        rows, columns = self.first.shape
        part = ndimage.binary_fill_holes(self.first <= number)
        found[self.top : self.top + rows, self.left : self.left + columns] = part
        return found


def find_retina(labels: NDArray[np.uint8], layers: list[int]) -> NDArray[np.bool_]:
    """Find the pixels between the inner and the outer boundary.

    Parameters
    ----------
    labels
        Class values of a B-scan or of some of its A-scans, ``(depth, width)``.
    layers
        Values of the layers, from the vitreous to the sclera.

    Returns
    -------
    ndarray of bool
        True everywhere where no layer is labelled, since then nothing is known.
    """
    if not layers or not np.isin(labels, layers).any():
        return np.ones(labels.shape, np.bool_)
    rows = boundaries_of_labels(labels, layers).rows
    at = np.arange(len(labels))[:, np.newaxis]
    with np.errstate(invalid="ignore"):
        retina: NDArray[np.bool_] = (at > rows[0]) & (at <= rows[-1])
    return retina


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
    unit = _measure_contrast(grey[retina])
    smooth = ndimage.gaussian_filter(grey, _PATH_SIGMA) / unit
    cost = _reach_from(click, smooth, doubt, retina)
    first, n_regions = _cut_into_regions(cost)
    edges = ndimage.gaussian_filter(grey, _EDGE_SIGMA) / unit
    best = _choose(first, n_regions, edges, doubt, _look_around(smooth, click))
    return PocketProposal(rows.start, columns.start, first, n_regions, best)


def _measure_contrast(grey: NDArray[np.float32]) -> float:
    """The unit of contrast: between dark and bright tissue."""
    dark, bright = np.percentile(grey, [10, 75])
    return max(float(bright - dark), 1e-6 * max(abs(float(bright)), 1.0))


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


def _cut_into_regions(cost: NDArray[np.float64]) -> tuple[NDArray[np.uint8], int]:
    """Number the pixels by the first region that they belong to; the areas grow geometrically."""
    ordered = np.sort(cost[np.isfinite(cost)])
    areas = np.geomspace(min(_SMALLEST, len(ordered)), len(ordered), _N_REGIONS).astype(np.intp)
    ends = np.unique(ordered[areas - 1])
    return np.searchsorted(ends, cost).astype(np.uint8), len(ends)


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
    rise, length = _sum_steps(first, n_regions, edges + _PROBABILITY_WEIGHT * doubt)
    areas = np.cumsum(np.bincount(first.ravel(), minlength=n_regions + 1))[:n_regions]
    is_bright = (edges > grey + _TOO_BRIGHT).ravel()
    bright = np.cumsum(np.bincount(first.ravel(), is_bright, n_regions + 1))[:n_regions]
    excess = np.maximum(bright - _BRIGHT_AT_EDGE * length, 0) / areas
    score = rise / np.maximum(length, 1) - _BRIGHT_COST * excess
    return int(np.where(length > 0, score, -np.inf).argmax())


def _sum_steps(
    first: NDArray[np.uint8], n_regions: int, values: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sum of the outward steps of some values over the edge of each region, and its length.

    A pair of neighbours lies on the edges of all regions from the one that takes in the first of
    them to the one before that which takes in the second: all regions are summed at once.
    """
    total, count = np.zeros(n_regions + 1), np.zeros(n_regions + 1, np.int64)
    for near, far in (
        ((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
    ):
        is_edge = first[near] != first[far]
        one, other = first[near][is_edge], first[far][is_edge]
        step = np.where(one < other, 1, -1) * (values[far] - values[near])[is_edge]
        begin, end = np.minimum(one, other), np.maximum(one, other)
        size = n_regions + 1
        total += np.bincount(begin, step, size) - np.bincount(end, step, size)
        count += np.bincount(begin, minlength=size) - np.bincount(end, minlength=size)
    return np.cumsum(total)[:n_regions], np.cumsum(count)[:n_regions]

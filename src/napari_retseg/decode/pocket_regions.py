"""Regions of which each lies within the next, one of them proposed as a pocket of fluid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_retseg.layers import boundaries_of_labels

#: Number of regions.
_N_REGIONS = 48


@dataclass(frozen=True)
class PocketProposal:
    """Regions around a place.

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


def measure_contrast(grey: NDArray[np.float32]) -> float:
    """The unit of contrast: between dark and bright tissue."""
    dark, bright = np.percentile(grey, [10, 75])
    return max(float(bright - dark), 1e-6 * max(abs(float(bright)), 1.0))


def cut_into_regions(cost: NDArray[Any], smallest: int) -> tuple[NDArray[np.uint8], int]:
    """Number the pixels by the first region that they belong to; the areas grow geometrically.

    Parameters
    ----------
    cost
        Pixels of a low cost come first; those of infinite cost belong to no region.
    smallest
        Pixels of the first region.
    """
    ordered = np.sort(cost[np.isfinite(cost)])
    areas = np.geomspace(min(smallest, len(ordered)), len(ordered), _N_REGIONS).astype(np.intp)
    ends = np.unique(ordered[areas - 1])
    return np.searchsorted(ends, cost).astype(np.uint8), len(ends)


def count_pixels(first: NDArray[np.uint8], n_regions: int) -> NDArray[np.intp]:
    """Pixels of each region."""
    return np.cumsum(np.bincount(first.ravel(), minlength=n_regions + 1))[:n_regions]


def sum_steps(
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

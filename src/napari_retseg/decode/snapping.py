"""A boundary solved again near a curve that a hand has drawn: fast, since only nearby rows count.

Rows are counted from the curve, so a path that stays on it costs nothing, whatever its slope.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_retseg.decode.edges import PROFILE, match_profile
from napari_retseg.decode.paths import find_paths

#: What each further row costs by which a path leaves the curve from one A-scan to the next, in
#: units of log-odds.
_STEP_COSTS = (3.0, 4.0)
#: Rows per A-scan by which a path may leave a place that it has to pass.
_SLOPE = 0.5
#: A-scans over which the sub-pixel part is smoothed.
_SIGMA = 2.0
#: How far a model's log-odds count, as its pixels are not independent, and how much it can say
#: against a place: where it is wrong, it is sure, and a drag would be drawn back to where the
#: boundary was. Chosen on S01 and S02 of Chiu et al. 2015.
_BELIEF, _OBJECTION = 0.05, 1.0


@dataclass(frozen=True, slots=True)
class Clues:
    """What speaks for a boundary at each cut row: at cut r it lies at row r - 0.5.

    Attributes
    ----------
    gain
        Log-odds of this boundary from a model's probabilities, ``(depth + 1, width)``; None
        without a model.
    edges
        Of :func:`napari_retseg.decode.edges.find_edges`; None: only the model counts.
    """

    gain: NDArray[np.float32] | None = None
    edges: NDArray[np.float32] | None = None

    def measure(
        self, curve: NDArray[np.float32], span: slice, reach: int, weights: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Add up what speaks for each row near a curve in a span of A-scans.

        Returns
        -------
        ndarray of float32
            Shape (2 * reach + 1, n).
        """
        total = np.zeros((2 * reach + 1, len(curve)), np.float32)
        if self.gain is not None:
            gain = self.gain[:, span]
            against = gain.max(axis=0) - _sample(gain, curve + _count_rows(reach))
            total -= np.minimum(np.float32(_BELIEF) * against, np.float32(_OBJECTION))
        if self.edges is not None:
            band = _sample(self.edges[:, span], curve + _count_rows(reach + PROFILE))
            total += match_profile(band, weights)
        return total


def snap_curve(
    curve: NDArray[np.float32],
    clues: NDArray[np.float32],
    *,
    fixed: NDArray[np.bool_],
    above: NDArray[np.float32],
    below: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Find the best path near a curve.

    Parameters
    ----------
    curve
        Rows, ``(n,)``.
    clues
        What speaks for each row near the curve, ``(2 * reach + 1, n)``.
    fixed
        A-scans in which the path has to be where the curve is, ``(n,)``. It leaves them gently.
    above, below
        Rows that it must not cross, ``(n,)``.

    Returns
    -------
    ndarray of float32
        Rows, ``(n,)``, sub-pixel; exactly those of the curve where it is fixed.
    """
    reach = len(clues) // 2
    offsets, distance = _count_rows(reach), _measure_distance(fixed)
    rows = curve + offsets
    allowed = np.abs(offsets) <= np.minimum(_SLOPE * distance, reach)
    allowed &= (rows >= above) & (rows <= below)
    allowed[reach] = True
    band = np.where(allowed, clues, -np.inf).astype(np.float32)
    path = _find_path(band, fixed)
    way = ndimage.gaussian_filter1d(path - reach + _refine(band, path), _SIGMA, mode="nearest")
    # smoothing reaches over a fixed place, too
    way *= 1 - np.exp(-0.5 * distance**2)
    found = np.clip(curve + way, np.minimum(above, curve), np.maximum(below, curve))
    return np.asarray(np.where(fixed, curve, found), np.float32)


def _count_rows(reach: int) -> NDArray[np.float32]:
    return np.arange(-reach, reach + 1, dtype=np.float32)[:, np.newaxis]


def _sample(values: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values of cuts at rows between them, ``(m, n)``; the first and the last go on outside."""
    last = len(values) - 1
    cuts = (rows + np.float32(0.5)).clip(0, last)
    lower = cuts.astype(np.int64)
    columns = np.arange(values.shape[1])
    first, second = values[lower, columns], values[np.minimum(lower + 1, last), columns]
    sampled: NDArray[np.float32] = first + (cuts - lower).astype(np.float32) * (second - first)
    return sampled


def _measure_distance(fixed: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Distance in A-scans to the next fixed one; large where there is none."""
    if not fixed.any():
        return np.full(len(fixed), 1e6, np.float32)
    at, places = np.arange(len(fixed)), np.flatnonzero(fixed)
    after = np.searchsorted(places, at).clip(0, len(places) - 1)
    before = (np.searchsorted(places, at, side="right") - 1).clip(0)
    near = np.minimum(np.abs(places[after] - at), np.abs(at - places[before]))
    return np.asarray(near, np.float32)


def _find_path(band: NDArray[np.float32], fixed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Best path through a band; a fixed place in the middle parts it in two halves of one run."""
    n = band.shape[1]
    inner = np.flatnonzero(fixed[1:-1]) + 1
    if not inner.size:
        return find_paths(band, _STEP_COSTS)
    middle = int(inner[np.abs(inner - n // 2).argmin()])
    halves = np.zeros((2, len(band), max(middle, n - 1 - middle) + 1), np.float32)
    halves[0, :, : middle + 1] = band[:, middle::-1]
    halves[1, :, : n - middle] = band[:, middle:]
    back, forth = find_paths(halves, _STEP_COSTS)
    return np.concatenate([back[middle:0:-1], forth[: n - middle]])


def _refine(band: NDArray[np.float32], path: NDArray[np.int64]) -> NDArray[np.float32]:
    """Part of a row by which the vertex of the parabola through three gains lies further down."""
    columns = np.arange(len(path))
    inside = (path > 0) & (path < len(band) - 1)
    centre = path.clip(1, len(band) - 2)
    up, at, down = (band[centre + k, columns] for k in (-1, 0, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        part = 0.5 * (up - down) / (up - 2 * at + down)
        is_peak = inside & np.isfinite(part) & (at >= up) & (at >= down)
    return np.where(is_peak, part, 0).clip(-0.5, 0.5).astype(np.float32)

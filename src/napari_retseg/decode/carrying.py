"""Offsets of boundaries, carried from confirmed B-scans to another one that shares their errors.

In each A-scan the offset is the best path between "as predicted" and "as corrected beside it",
where the picture around the boundary looks most like it does around the confirmed one. A stretch
is moved only where it looks clearly more like it afterwards; everything else stays as predicted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_retseg.decode.corrections import Correction, smooth_known
from napari_retseg.decode.likeness import HALF, compare, flatten
from napari_retseg.decode.paths import find_paths

#: Offsets of fewer rows are not carried.
LEAST_OFFSET = 1.0
#: The largest offset that is carried.
_MOST = 40
#: What one unit of likeness counts in an A-scan, against costs of steps and of the prior.
_WEIGHT = 10.0
#: A stretch has at least so many A-scans, and looks at least so alike once it is moved.
_SHORTEST, _LIKENESS = 20, 0.4
#: The least logarithm of how much less unlike it looks then, in the mean of its A-scans; how much
#: the neighbours' offset is at least, and by which share of it the stretch may be moved otherwise.
_LESS_UNLIKE, _LEAST_PRIOR, _DEVIATION = 0.2, 1.5, 0.6
#: A share of the mean offset that two neighbours have in common: then they agree.
_SHARED = 0.3


@dataclass(frozen=True)
class _Demand:
    """What a stretch must show: rows by which it is moved in the mean, evidence of all A-scans."""

    rows: float
    evidence: float


#: Between two neighbours that agree, and elsewhere. Chosen on simulated volumes with seeds 1 to 60:
#: of 3,441 stretches that could be moved, none is moved that is less right afterwards.
_AGREED, _ALONE = _Demand(2.0, 30.0), _Demand(2.5, 55.0)


@dataclass(frozen=True)
class Neighbour:
    """A confirmed B-scan beside the one that may change, and how much it counts."""

    correction: Correction
    weight: float


def carry_offsets(
    grey: NDArray[np.float32],
    rows: NDArray[np.float32],
    neighbours: Sequence[Neighbour],
    boundary: int,
    *,
    is_between: bool,
) -> NDArray[np.float32]:
    """Find by how much a boundary of a B-scan is moved.

    Parameters
    ----------
    grey
        Of the B-scan, ``(depth, width)``.
    rows
        Its predicted boundary, ``(width,)``, NaN where it has none.
    neighbours
        Confirmed B-scans.
    boundary
        Which boundary, counted from above.
    is_between
        Whether the B-scan lies between two neighbours.

    Returns
    -------
    ndarray of float32
        Offset in rows, ``(width,)``; 0 where it stays.
    """
    nothing = np.zeros(len(rows), np.float32)
    prior = _expect_offset(neighbours, boundary)
    if np.abs(prior).max(initial=0) < LEAST_OFFSET:
        return nothing
    reach = min(int(np.ceil(np.abs(prior).max() * 1.3)) + 2, _MOST)
    strip = flatten(grey, rows, reach + HALF)
    likeness = _average_likeness(strip, neighbours, boundary, reach)
    path = _solve(likeness, prior, reach)
    offsets = np.where(np.isfinite(rows), path, 0).astype(np.float32)
    agreed = _find_agreed(neighbours, boundary, prior) & is_between
    return _keep_founded(offsets, prior, likeness, agreed)


def _expect_offset(neighbours: Sequence[Neighbour], boundary: int) -> NDArray[np.float32]:
    """The weighted mean of the neighbours' offsets; 0 where nobody knows."""
    offsets = np.stack([n.correction.offsets[boundary] for n in neighbours])
    weights = np.array([n.weight for n in neighbours], np.float32)[:, np.newaxis]
    known = np.isfinite(offsets)
    total = (np.where(known, offsets, 0) * weights).sum(axis=0)
    mean = total / np.maximum((known * weights).sum(axis=0), 1e-6)
    return np.where(known.any(axis=0), mean, 0).astype(np.float32)


def _find_agreed(
    neighbours: Sequence[Neighbour], boundary: int, prior: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """A-scans in which all neighbours have moved the boundary, and the same way."""
    offsets = np.stack([n.correction.offsets[boundary] for n in neighbours])
    common = np.nan_to_num(offsets * np.sign(prior)).min(axis=0)
    agreed: NDArray[np.bool_] = common >= _SHARED * np.abs(prior)
    return agreed


def _average_likeness(
    strip: NDArray[np.float32], neighbours: Sequence[Neighbour], boundary: int, reach: int
) -> NDArray[np.float32]:
    total, weights = np.zeros((2 * reach + 1, strip.shape[1]), np.float32), 0.0
    for neighbour in neighbours:
        source = neighbour.correction
        pattern = flatten(source.grey, source.rows[boundary], HALF)
        total += np.float32(neighbour.weight) * compare(strip, pattern, reach)
        weights += neighbour.weight
    return total / np.float32(weights)


def _solve(
    likeness: NDArray[np.float32], prior: NDArray[np.float32], reach: int
) -> NDArray[np.float32]:
    """The best path of offsets, of one sign with the prior, refined between rows."""
    at = np.arange(-reach, reach + 1, dtype=np.float32)[:, np.newaxis]
    spread = 1 + 0.3 * np.abs(prior)
    cost = np.minimum(at**2, ((at - prior) / spread) ** 2) / 2
    most = 1.3 * np.abs(prior) + 1
    allowed = (at * np.sign(prior) >= 0) & (np.abs(at) <= most)
    allowed |= at == 0
    gain = np.where(allowed, _WEIGHT * likeness - cost, -np.inf).astype(np.float32)
    steps = find_paths(gain) - reach
    return smooth_known(steps.astype(np.float32), 2.0)


def _keep_founded(
    offsets: NDArray[np.float32],
    prior: NDArray[np.float32],
    likeness: NDArray[np.float32],
    agreed: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Keep the stretches that look clearly more like their neighbours when they are moved.

    The likeness is a correlation r, and 1 - r the share of the grey values' variance that is left
    unexplained: its logarithm compares two places as their likelihoods do.
    """
    reach = len(likeness) // 2
    moved = likeness[np.rint(offsets).astype(int) + reach, np.arange(len(offsets))]
    unlike = np.maximum(1 - np.stack([likeness[reach], moved]), 1e-3)
    less = np.log(unlike[0] / unlike[1])
    kept = np.zeros(len(offsets), bool)
    parts, n = ndimage.label(np.abs(offsets) >= LEAST_OFFSET)
    for part in range(1, n + 1):
        inside = parts == part
        expected = float(np.abs(prior[inside]).mean())
        demand = _AGREED if agreed[inside].mean() > 0.5 else _ALONE
        kept |= inside & (
            (inside.sum() >= _SHORTEST)
            & (expected >= _LEAST_PRIOR)
            & (np.abs(offsets - prior)[inside].mean() <= _DEVIATION * expected)
            & (np.abs(offsets[inside]).mean() >= demand.rows)
            & (moved[inside].mean() >= _LIKENESS)
            & (less[inside].mean() >= _LESS_UNLIKE)
            & (less[inside].sum() >= demand.evidence)
        )
    return np.where(_extend(kept, np.abs(offsets) > 0.25), offsets, 0).astype(np.float32)


def _extend(kept: NDArray[np.bool_], all_moved: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Extend stretches by their ends, which rise from nothing."""
    parts, n = ndimage.label(all_moved)
    reached = np.zeros(n + 1, bool)
    reached[parts[kept]] = True
    reached[0] = False
    extended: NDArray[np.bool_] = reached[parts]
    return extended

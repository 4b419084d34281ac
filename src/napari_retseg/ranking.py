"""Which B-scans to label next: uncertain ones that differ from each other (no torch)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def rank_bscans(
    scores: Sequence[float] | NDArray[np.floating],
    descriptors: Sequence[Sequence[float]] | NDArray[np.floating],
    *,
    known: Sequence[Sequence[float]] | NDArray[np.floating] = (),
    n: int | None = None,
) -> list[int]:
    """Choose the B-scans to label next: uncertain ones that differ from each other.

    The first is the most uncertain, unless some are `known`. Each further one maximises

        score_i * min over the chosen and the known j of || descriptor_i - descriptor_j ||

    The distance is that of the greedy k-centre choice of Sener and Savarese (ICLR 2018,
    "core-set"), weighted by the uncertainty: neighbouring B-scans are often equally uncertain
    and equally alike, and one of them teaches most of what both would. Among equal products
    the higher score comes first, then the lower index.

    Parameters
    ----------
    scores
        One for each B-scan, 0 or more.
    descriptors
        ``(bscan, value)``.
    known
        Descriptors of B-scans that are labelled already, ``(bscan, value)``.
    n
        How many; None: all.

    Returns
    -------
    list of int
        Indices, best first.
    """
    if not len(scores):
        return []
    values = np.asarray(scores, dtype=np.float64)
    points = np.asarray(descriptors, dtype=np.float64).reshape(len(values), -1)
    left = np.ones(len(values), dtype=bool)
    nearest = np.full(len(values), np.inf)
    for point in known:
        nearest = np.minimum(nearest, _distances(points, point))
    chosen: list[int] = []
    for _ in range(len(values) if n is None else min(n, len(values))):
        # with nothing to be unlike, the score alone decides
        gain = values if np.isinf(nearest).all() else values * nearest
        best = int(np.lexsort((-values, -np.where(left, gain, -np.inf)))[0])
        nearest = np.minimum(nearest, _distances(points, points[best]))
        left[best] = False
        chosen.append(best)
    return chosen


def _distances(
    points: NDArray[np.float64], point: Sequence[float] | NDArray[np.floating]
) -> NDArray[np.float64]:
    distances: NDArray[np.float64] = np.linalg.norm(points - np.asarray(point), axis=1)
    return distances

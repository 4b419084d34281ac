"""The best path across the A-scans of a B-scan, for many paths at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: What each further row costs that a path rises or falls from one A-scan to the next, in units of
#: log-probability. Slopes of the retina are cheap, cliffs are not, and steeper ones do not exist.
#: Chosen on S01 and S02 of Chiu et al. 2015.
STEP_COSTS = (1.0, 1.0, 8.0, 8.0, 8.0, 8.0)

_NEVER = np.float32(-1e9)


def find_paths(
    gain: NDArray[np.float32], step_costs: Sequence[float] = STEP_COSTS
) -> NDArray[np.int64]:
    """Find the path with the highest gain, less what its steps cost.

    Exact, by dynamic programming over the A-scans (Viterbi, IEEE Trans. Inf. Theory 13:260, 1967).

    Parameters
    ----------
    gain
        Of each row and A-scan, ``(..., rows, width)``; -inf where a path must not go. Leading axes
        hold paths that know nothing of each other.
    step_costs
        Costs of the first, second, ... row of a step between neighbouring A-scans, ascending; a
        step has no more rows than there are costs.

    Returns
    -------
    ndarray of int64
        Rows, ``(..., width)``.
    """
    *lead, depth, width = gain.shape
    paths = gain.reshape(-1, depth, width)
    n = len(paths)
    # A-scan by A-scan, one row of all paths after the other: a row further is n places further
    columns = np.maximum(paths.transpose(2, 1, 0), _NEVER, dtype=np.float32, order="C")
    columns = columns.reshape(width, depth * n)
    best = np.empty_like(columns)
    best[0] = columns[0]
    reached, lowered = np.empty_like(best[0]), np.empty_like(best[0])
    for x in range(1, width):
        reached[:] = best[x - 1]
        for cost in step_costs:
            np.subtract(reached, np.float32(cost), out=lowered)
            np.maximum(reached[n:], lowered[:-n], out=reached[n:])
            np.maximum(reached[:-n], lowered[n:], out=reached[:-n])
        np.add(reached, columns[x], out=best[x])
    return _trace(best.reshape(width, depth, n), step_costs).reshape(*lead, width)


def _trace(best: NDArray[np.float32], step_costs: Sequence[float]) -> NDArray[np.int64]:
    """Go back from the best ends of sums ``(width, depth, paths)``; ``(paths, width)``."""
    width, depth, n = best.shape
    reach = len(step_costs)
    steps = np.arange(-reach, reach + 1)
    penalty = np.cumsum([0.0, *step_costs])[np.abs(steps)].astype(np.float32)
    padded = np.full((width, depth + 2 * reach, n), -np.inf, np.float32)
    padded[:, reach:-reach] = best
    every = np.arange(n)[:, None]
    path = np.empty((n, width), np.int64)
    path[:, -1] = row = best[-1].argmax(axis=0)
    near = steps + reach
    for x in range(width - 2, -1, -1):
        choice = (padded[x, row[:, None] + near, every] - penalty).argmax(axis=1)
        row = row + steps[choice]
        path[:, x] = row
    return path

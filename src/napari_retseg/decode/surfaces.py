"""The surfaces between layers: ordered, smooth, sub-pixel, and how well founded each A-scan is.

In one A-scan the best ordered labelling (background, layers from inside out, background) is found
with running maxima alone, and so is, for every boundary and row, the best total with that boundary
there (max-marginals: Viterbi forwards plus backwards). Each boundary is then the best path across
the A-scans over its max-marginals, where steep steps cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded

from napari_retseg.classes import BACKGROUND
from napari_retseg.decode.paths import STEP_COSTS, find_paths

#: No pixel says more against a class than this probability.
_LEAST_PROBABILITY = 1e-3
#: What it costs to say that the retina begins or ends at an A-scan, in units of log-probability.
_EDGE_COST = 20.0
#: What an A-scan of a retina gains at least over background alone; one without thickness: nothing.
_LEAST_GAIN = 5.0
#: An A-scan is doubtful where a larger share of its retina is expected to be wrong: on S01 and
#: S02 of Chiu et al. 2015 the largest share is 0.28, with a mean boundary error of 7 px.
DOUBTFUL = 0.35
#: A-scans over which that share is averaged.
_DOUBTFUL_WIDTH = 5
#: How much bends of a boundary cost against its distance from what the probabilities say; on S01
#: and S02, 30 to 300 give errors within 0.01 px.
_STIFFNESS = 100.0
#: The least weight of an A-scan in that, and what bounds the weight of one without any blur.
_LEAST_WEIGHT, _BLUR = 1e-3, 0.02

#: The same for the reader of an exported model, who may not have this program.
SURFACE_STEPS = (
    "on the network's input without padding, with softmax probabilities; states of an A-scan from "
    "above: background, the layers in their order, background",
    f"evidence of a state at a pixel: ln(max(p, {_LEAST_PROBABILITY})) * clip(1 - q / max(largest "
    "p of background and layers, 1e-6), 0, 1); q is the sum of p over all other classes",
    "for each boundary j and row r of an A-scan: the largest sum of evidence over all ordered "
    "labellings in which boundary j lies above row r (max-marginals, forwards plus backwards)",
    f"an A-scan has a retina where its best labelling has {_LEAST_GAIN} more than background "
    f"alone; each change between neighbouring A-scans costs {_EDGE_COST} (Viterbi)",
    "each boundary is the path over the A-scans with the largest sum of max-marginals; the first, "
    f"second, ... row of a step between neighbouring A-scans costs {STEP_COSTS}, and no step has "
    f"more than {len(STEP_COSTS)} rows; boundaries that cross are put in order (running maximum)",
    "sub-pixel: row - 1.5 + the shares of what lies above, of background and layers, in the pixels "
    "just above and just below; then running maximum",
    f"smooth each boundary: least squares with {_STIFFNESS} times the squared second differences "
    f"(Whittaker); weight of an A-scan (s / (1 - s + {_BLUR}))^2 + {_LEAST_WEIGHT}, s: that share "
    "two rows above less that two rows below, clipped to 0..1",
    "bring the boundaries to the scan's grid; a pixel lies below a boundary where its row is "
    "greater; draw the layers between them",
    "a lesion is drawn where its logit, on the scan's grid, is larger than those of background and "
    "all layers, between the first and last boundary, or where it touches the last one from below",
)


@dataclass(frozen=True, slots=True)
class Surfaces:
    """Boundaries of the layers of a B-scan.

    Attributes
    ----------
    rows
        ``(boundary, width)``, float32, counted from 0: a pixel lies below a boundary when its row
        is greater. Ascending in every A-scan; NaN where there is no retina.
    doubtful
        A-scans in which the evidence is poor, ``(width,)``.
    """

    rows: NDArray[np.float32]
    doubtful: NDArray[np.bool_]


def find_surfaces(probabilities: NDArray[np.float32], order: Sequence[int]) -> Surfaces:
    """Find the most probable surfaces of one B-scan.

    Parameters
    ----------
    probabilities
        Of the classes, ``(class, depth, width)``, 0 to 1, summing to 1.
    order
        Class indices of the layers, from the vitreous to the sclera. Every other class but the
        background (fluid) has no say where it is the most probable.

    Returns
    -------
    Surfaces
        One boundary more than there are layers.
    """
    _, depth, width = probabilities.shape
    top, bottom = _find_rows(probabilities[BACKGROUND])
    if top == bottom:
        return Surfaces(np.full((len(order) + 1, width), np.nan, np.float32), np.zeros(width, bool))
    shown = probabilities[:, top:bottom]
    sums = _sum_evidence(shown, order)
    totals = _find_max_marginals(sums)
    is_retina = _find_retina(totals[0].max(axis=0) - sums[0, -1])
    cuts = find_paths(totals - totals.max(axis=1, keepdims=True))
    np.maximum.accumulate(cuts, axis=0, out=cuts)
    rows = _smooth(_refine(cuts, shown, order), _measure_steps(cuts, shown, order))
    doubtful = is_retina & (_expect_errors(cuts, shown, order) > DOUBTFUL)
    rows[:, ~is_retina] = np.nan
    return Surfaces(np.clip(rows + top, -0.5, depth - 0.5), doubtful)


def _find_rows(background: NDArray[np.float32]) -> tuple[int, int]:
    """Rows outside which there is background only, with some to spare."""
    found = np.flatnonzero((background < 0.5).any(axis=1))
    if not found.size:
        return 0, 0
    return max(0, int(found[0]) - 4), min(len(background), int(found[-1]) + 5)


def _sum_evidence(probabilities: NDArray[np.float32], order: Sequence[int]) -> NDArray[np.float32]:
    """Log-probability of each state summed over the rows above, ``(state, depth + 1, width)``.

    States: background above, the layers, background below. A pixel counts less, the more probable
    a class is that is no layer, and not at all where that class wins.
    """
    states = probabilities[[BACKGROUND, *order]]
    strongest = np.maximum(states.max(axis=0), 1e-6)
    weight = np.clip(1 - (1 - states.sum(axis=0)) / strongest, 0, 1)
    evidence = np.log(np.maximum(states, _LEAST_PROBABILITY)) * weight
    n, depth, width = evidence.shape
    sums = np.zeros((n + 1, depth + 1, width), np.float32)
    for row in range(depth):  # ten times faster than np.cumsum along this axis
        np.add(sums[:n, row], evidence[:, row], out=sums[:n, row + 1])
    sums[n] = sums[0]
    return sums


def _find_max_marginals(sums: NDArray[np.float32]) -> NDArray[np.float32]:
    """Best total of each A-scan with a boundary at each row, ``(boundary, depth + 1, width)``.

    Boundary j at row r: all pixels above row r lie above the boundary.
    """
    n = len(sums) - 1
    totals = np.empty((n, *sums.shape[1:]), np.float32)
    totals[0] = above = sums[0]
    for j in range(1, n):
        above = sums[j] + _run_maximum(above - sums[j])
        totals[j] = above
    below = sums[n, -1] - sums[n]
    totals[n - 1] += below
    for j in range(n - 1, 0, -1):
        below = _run_maximum((below + sums[j])[::-1])[::-1] - sums[j]
        totals[j - 1] += below
    return totals


def _run_maximum(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Maximum over the rows so far, in place; ten times faster than np.maximum.accumulate."""
    for row in range(1, len(values)):
        np.maximum(values[row], values[row - 1], out=values[row])
    return values


def _find_retina(gain: NDArray[np.float32]) -> NDArray[np.bool_]:
    """A-scans that hold a retina, from what it gains there against background alone.

    The best labelling of the A-scans as with and without, where each change costs.
    """
    states = np.stack([np.full_like(gain, _LEAST_GAIN), gain])
    is_retina: NDArray[np.bool_] = find_paths(states, (_EDGE_COST,)) == 1
    return is_retina


def _refine(
    cuts: NDArray[np.int64], probabilities: NDArray[np.float32], order: Sequence[int]
) -> NDArray[np.float32]:
    """Sub-pixel rows of boundaries from the probabilities of the two pixels beside each.

    What lies above a boundary fills that share of the two pixels: exact where probabilities are the
    parts of a pixel that its classes cover.
    """
    share = _share_above(cuts, 1, probabilities, order).sum(axis=0)
    rows: NDArray[np.float32] = (cuts - 1.5 + share).astype(np.float32)
    return np.maximum.accumulate(rows, axis=0)


def _measure_steps(
    cuts: NDArray[np.int64], probabilities: NDArray[np.float32], order: Sequence[int]
) -> NDArray[np.float64]:
    """How far the probability of what lies above falls within four rows of a boundary, 0 to 1."""
    above, below = _share_above(cuts, 2, probabilities, order)
    step: NDArray[np.float64] = np.clip(above - below, 0, 1).astype(np.float64)
    return step


def _share_above(
    cuts: NDArray[np.int64], away: int, probabilities: NDArray[np.float32], order: Sequence[int]
) -> NDArray[np.float32]:
    """What lies above each boundary, as a share of the pixels so many rows above and below it.

    ``(2, boundary, width)``; 1 away: the two pixels that touch the boundary.
    """
    depth, width = probabilities.shape[1:]
    middle = (cuts[0] + cuts[-1]) // 2
    beside = np.stack([cuts - away, cuts + away - 1])
    near = probabilities[:, beside.clip(0, depth - 1), np.arange(width)]
    layers = near[list(order)]
    above = np.where(beside < middle, near[BACKGROUND], 0)
    every = np.maximum(near[BACKGROUND] + layers.sum(axis=0), 1e-6)
    share: NDArray[np.float32] = np.empty_like(every)
    for j in range(len(cuts)):
        if j:
            above = above + layers[j - 1]
        share[:, j] = above[:, j] / every[:, j]
    share[beside < 0], share[beside >= depth] = 1, 0
    return share


def _smooth(rows: NDArray[np.float32], steps: NDArray[np.float64]) -> NDArray[np.float32]:
    """Smooth boundaries where the probabilities are blurred, and leave them where they are sharp.

    Least squares with a penalty on second differences (Whittaker, Proc. Edinb. Math. Soc. 41:63,
    1922), in which an A-scan weighs the more, the sharper the step of the probabilities.
    """
    width = rows.shape[1]
    weights = (steps / (1 - steps + _BLUR)) ** 2 + _LEAST_WEIGHT
    bends = np.zeros((3, width))  # upper diagonals of D'D, D the second differences
    for first, one in enumerate((1, -2, 1)):
        for last in range(first, 3):
            product = one * (1, -2, 1)[last]
            bends[2 - (last - first), last : last + width - 2] += product
    smooth = np.empty_like(rows)
    for j, weight in enumerate(weights):
        system = _STIFFNESS * bends
        system[2] += weight
        smooth[j] = solveh_banded(system, weight * rows[j])
    ordered: NDArray[np.float32] = np.maximum.accumulate(smooth, axis=0)
    return ordered


def _expect_errors(
    cuts: NDArray[np.int64], probabilities: NDArray[np.float32], order: Sequence[int]
) -> NDArray[np.float64]:
    """Share of the retina's pixels that are expected to be of another class, ``(width,)``."""
    states = probabilities[list(order)].copy()
    others = [k for k in range(1, len(probabilities)) if k not in order]
    rows = np.arange(probabilities.shape[1])[:, None]
    drawn = np.zeros(probabilities.shape[1:], np.float32)
    for j, layer in enumerate(states):
        drawn += np.where((rows >= cuts[j]) & (rows < cuts[j + 1]), layer, 0)
    inside = (rows >= cuts[0]) & (rows < cuts[-1])
    for k in others:
        drawn = np.where(inside, np.maximum(drawn, probabilities[k]), drawn)
    thickness = np.maximum(cuts[-1] - cuts[0], 1)
    share = 1 - drawn.sum(axis=0) / thickness
    kernel = np.ones(_DOUBTFUL_WIDTH)
    return np.convolve(share, kernel, "same") / np.convolve(np.ones(len(share)), kernel, "same")

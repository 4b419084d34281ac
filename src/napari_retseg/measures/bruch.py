"""Bruch's membrane, estimated where labels of the retina end at an RPE that is raised.

Bruch's membrane is stiff: along a B-scan it bends over millimetres, while drusen and detachments
raise the RPE over less. So the lower boundary of the RPE is fitted by a parabola, since a whole
retina may be bent, and what is left by a smooth curve (Whittaker 1923, penalty on the second
derivative). Both lean to the deeper side (asymmetric least squares, Eilers, Anal. Chem. 75:3631,
2003); then all A-scans in which the RPE is raised are left out. Elsewhere nothing is changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded

from napari_retseg.measures.thickness import Map

#: What is raised by less is how labels and the RPE's own waves differ from a smooth curve.
RAISED_UM = 12.0
#: Half of a wave of this length remains in the curve.
_WAVE_UM = 3000.0
#: Weight of deeper A-scans, and rounds, of the first fit.
_LEANING, _ROUNDS = 0.95, 12
#: Weight of raised A-scans, and rounds, of the second fit. It is not 0, so that the curve does
#: not swing where much is raised.
_LEFT_OUT, _MORE_ROUNDS = 0.003, 8
#: A parabola may be off by so many times as much.
_BENT = 4
#: If more of a B-scan seems raised, it is a pit that lies deep, such as the optic disc.
_MOST = 0.5

Floats = NDArray[np.float64]


def estimate_bruch(outer: NDArray[np.floating[Any]], *, axial_um: float, lateral_um: float) -> Map:
    """Estimate the rows of Bruch's membrane from the lower boundary of the RPE.

    Parameters
    ----------
    outer
        Rows ``(bscan, width)``, NaN where unknown.
    axial_um, lateral_um
        Pixel size.

    Returns
    -------
    ndarray of float32
        Rows ``(bscan, width)``: those of `outer` where the RPE is not raised by
        :data:`RAISED_UM` or more, below it elsewhere; NaN where `outer` is.
    """
    stiffness = (_WAVE_UM / (2 * np.pi * lateral_um)) ** 4
    raised_px = RAISED_UM / axial_um
    found = np.array(outer, np.float32)
    for rows in found:
        known = np.isfinite(rows)
        if known.sum() < 3:
            continue
        bend = _fit_parabola(rows.astype(np.float64), known, _BENT * raised_px)
        curve = bend + _fit_curve(rows - bend, known, stiffness, raised_px)
        raised = known & (curve - rows >= raised_px)
        if raised.sum() <= _MOST * known.sum():
            rows[raised] = curve[raised]
    return found


def _fit_parabola(rows: Floats, known: NDArray[np.bool_], raised_px: float) -> Floats:
    """Fit how the whole retina is bent."""
    powers = np.vander(np.linspace(-1, 1, len(rows)), 3)
    filled = np.where(known, rows, 0.0)

    def solve(weights: Floats) -> Floats:
        weighted = powers * weights[:, np.newaxis]
        bend: Floats = powers @ np.linalg.lstsq(weighted.T @ powers, weighted.T @ filled)[0]
        return bend

    return _fit_below(solve, filled, known, raised_px)


def _fit_curve(
    rows: Floats, known: NDArray[np.bool_], stiffness: float, raised_px: float
) -> Floats:
    bands = _make_bands(len(rows), stiffness)
    filled = np.where(known, rows, 0.0)
    return _fit_below(lambda weights: _solve(bands, weights, filled), filled, known, raised_px)


def _fit_below(
    solve: Callable[[Floats], Floats],
    rows: Floats,
    known: NDArray[np.bool_],
    raised_px: float,
) -> Floats:
    """Fit the deeper side of the rows, then those that are not raised from it."""
    weights = known.astype(np.float64)
    curve = solve(weights)
    for _ in range(_ROUNDS):
        weights = np.where(rows > curve, _LEANING, 1 - _LEANING) * known
        curve = solve(weights)
    for _ in range(_MORE_ROUNDS):
        before = weights
        weights = np.where(curve - rows > raised_px, _LEFT_OUT, 1.0) * known
        if np.array_equal(weights, before):
            break
        curve = solve(weights)
    return curve


def _make_bands(width: int, stiffness: float) -> Floats:
    """Bands of the squared second difference, as :func:`scipy.linalg.solveh_banded` takes them."""
    difference = np.zeros((3, width))
    kernel = (1.0, -2.0, 1.0)
    for first in range(3):
        for second in range(first, 3):
            band = difference[2 - (second - first)]
            band[second : second + width - 2] += kernel[first] * kernel[second]
    return stiffness * difference


def _solve(bands: Floats, weights: Floats, rows: Floats) -> Floats:
    system = bands.copy()
    # a trace of weight keeps the system definite where nothing is known
    system[2] += weights + 1e-9
    curve: Floats = solveh_banded(system, weights * rows)
    return curve

"""Bruch's membrane, estimated where labels of the retina end at an RPE that is raised.

Bruch's membrane is stiff: along a B-scan it bends over millimetres, while drusen and detachments
raise the RPE over less. So the lower boundary of the RPE is fitted by a smooth curve (Whittaker
1923, penalty on the second derivative) that first leans to its deeper side (asymmetric least
squares, Eilers, Anal. Chem. 75:3631, 2003), and then leaves out all A-scans in which the RPE is
raised. Elsewhere nothing is changed.
"""

from __future__ import annotations

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
    found = np.array(outer, np.float32)
    for rows in found:
        known = np.isfinite(rows)
        if known.sum() < 3:
            continue
        curve = _fit(rows.astype(np.float64), known, stiffness, RAISED_UM / axial_um)
        raised = known & (curve - rows >= RAISED_UM / axial_um)
        rows[raised] = curve[raised]
    return found


def _fit(rows: Floats, known: NDArray[np.bool_], stiffness: float, raised_px: float) -> Floats:
    filled = np.where(known, rows, 0.0)
    bands = _make_bands(len(rows), stiffness)
    weights = known.astype(np.float64)
    curve = _solve(bands, weights, filled)
    for _ in range(_ROUNDS):
        weights = np.where(filled > curve, _LEANING, 1 - _LEANING) * known
        curve = _solve(bands, weights, filled)
    for _ in range(_MORE_ROUNDS):
        before = weights
        weights = np.where(curve - filled > raised_px, _LEFT_OUT, 1.0) * known
        if np.array_equal(weights, before):
            break
        curve = _solve(bands, weights, filled)
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

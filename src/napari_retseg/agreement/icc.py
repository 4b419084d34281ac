"""Intraclass correlation: how much of the variance of measurements lies between the eyes.

Forms and names of Shrout and Fleiss (Psychol. Bull. 86:420, 1979), from the mean squares of a
table of n targets by k raters without gaps: between the targets (BMS), within them (WMS), between
the raters (JMS) and the residual (EMS). The interval is theirs of ICC(2,1), with Satterthwaite's
degrees of freedom. The mean squares of a table without gaps are sums; no general model is fitted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import f as fisher

_TAIL = 0.975
#: Of an interval that is one.
_WIDTH = 1e-9


@dataclass(frozen=True, slots=True)
class Icc:
    """Intraclass correlations of single measurements.

    Attributes
    ----------
    one_way
        ICC(1,1): each target has raters of its own.
    agreement
        ICC(2,1), absolute agreement: a bias between the raters lowers it.
    consistency
        ICC(3,1): a bias between the raters does not count.
    interval
        Of `agreement`, 95 %; None where it cannot be told, as where the residual is zero.
    """

    one_way: float
    agreement: float
    consistency: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class _Squares:
    """Numbers of targets and raters, and mean squares."""

    n: int
    k: int
    between: float
    within: float
    raters: float
    residual: float


def find_icc(ratings: ArrayLike) -> Icc | None:
    """Find the intraclass correlations.

    Parameters
    ----------
    ratings
        ``(n, k)``: n targets (eyes) by k raters, finite.

    Returns
    -------
    Icc or None
        None where there are fewer than two targets or raters, all numbers are equal, or the
        variance that is estimated of them is not positive.

    Raises
    ------
    ValueError
        Where `ratings` are no table.
    """
    table = np.asarray(ratings, np.float64)
    if table.ndim != 2:
        raise ValueError(f"expected a table of targets by raters, got shape {table.shape}")
    if min(table.shape) < 2 or np.ptp(table) == 0:
        return None
    found = _find_squares(table)
    n, k, b, e = found.n, found.k, found.between, found.residual
    total = b + (k - 1) * e + k * (found.raters - e) / n
    if total <= 0:  # two targets on which two raters swap their numbers
        return None
    agreement = (b - e) / total
    return Icc(
        one_way=(b - found.within) / (b + (k - 1) * found.within),
        agreement=agreement,
        # the only variance lies between the raters: no target differs
        consistency=(b - e) / (b + (k - 1) * e) if b + e else 0.0,
        interval=_find_interval(found, agreement),
    )


def _find_squares(table: np.ndarray) -> _Squares:
    n, k = table.shape
    mean, rows, columns = table.mean(), table.mean(axis=1), table.mean(axis=0)
    between = k * np.square(rows - mean).sum()
    raters = n * np.square(columns - mean).sum()
    within = np.square(table - rows[:, np.newaxis]).sum()
    residual = np.square(table - rows[:, np.newaxis] - columns + mean).sum()
    return _Squares(
        n=n,
        k=k,
        between=float(between / (n - 1)),
        within=float(within / (n * (k - 1))),
        raters=float(raters / (k - 1)),
        residual=_drop_rounding(float(residual / ((n - 1) * (k - 1))), table),
    )


def _drop_rounding(residual: float, table: np.ndarray) -> float:
    """Return 0 for what is left of a zero after rounding."""
    least = (8 * np.finfo(np.float64).eps * np.abs(table).max()) ** 2
    return 0.0 if residual <= least else residual


def _find_interval(found: _Squares, icc: float) -> tuple[float, float] | None:
    n, k, b, e = found.n, found.k, found.between, np.float64(found.residual)
    if e == 0:
        return None
    ratio = found.raters / e
    above = k * icc * ratio + n * (1 + (k - 1) * icc) - k * icc
    below = (n - 1) * (k * icc * ratio) ** 2 + (n * (1 + (k - 1) * icc) - k * icc) ** 2
    if above == 0 or below == 0:
        return None
    freedom = (n - 1) * (k - 1) * above**2 / below
    low_f = float(fisher.ppf(_TAIL, n - 1, freedom))
    high_f = float(fisher.ppf(_TAIL, freedom, n - 1))
    rest = k * found.raters + (k * n - k - n) * e
    with np.errstate(divide="ignore", invalid="ignore"):
        low = float(n * (b - low_f * e) / (low_f * rest + n * b))
        high = float(n * (high_f * b - e) / (rest + n * high_f * b))
    # no width: nothing lies between the targets
    return (low, high) if np.isfinite([low, high]).all() and high - low > _WIDTH else None

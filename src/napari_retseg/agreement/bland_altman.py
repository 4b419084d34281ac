"""Bias and limits of agreement of paired measurements.

Bland and Altman (Lancet 1:307, 1986; Stat. Methods Med. Res. 8:135, 1999): the bias is the mean
difference d, and 95 % of the differences are expected within d ± 1.96 s, s being their standard
deviation. The variance of d is s²/n, that of a limit s² (1/n + 1.96² / (2 (n - 1))), and intervals
of 95 % are made of them with Student's t of n - 1 degrees of freedom.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student

_WITHIN = 1.96
_TAIL = 0.975

#: Ends of an interval of 95 %.
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Limits:
    """The agreement of paired measurements; None where there are fewer than two pairs.

    Attributes
    ----------
    n
        Number of pairs.
    bias
        Mean of the differences, second minus first.
    sd
        Standard deviation of the differences.
    lower, upper
        Limits of agreement.
    bias_interval, lower_interval, upper_interval
        Intervals of 95 %.
    """

    n: int
    bias: float
    sd: float | None = None
    lower: float | None = None
    upper: float | None = None
    bias_interval: Interval | None = None
    lower_interval: Interval | None = None
    upper_interval: Interval | None = None


def find_limits(first: ArrayLike, second: ArrayLike) -> Limits:
    """Find bias and limits of agreement.

    Parameters
    ----------
    first, second
        Measurements of the same n things by two methods, ``(n,)``, finite.

    Raises
    ------
    ValueError
        Where there are none, or not as many of each.
    """
    differences = np.subtract(*(np.asarray(one, np.float64) for one in (second, first)))
    if differences.ndim != 1 or not differences.size or np.shape(first) != np.shape(second):
        raise ValueError("expected one or more pairs of numbers")
    n, bias = differences.size, float(differences.mean())
    if n < 2:
        return Limits(n, bias)
    sd = float(differences.std(ddof=1))
    lower, upper = bias - _WITHIN * sd, bias + _WITHIN * sd
    quantile = float(student.ppf(_TAIL, n - 1))
    of_bias = quantile * sd / np.sqrt(n)
    of_limit = quantile * sd * np.sqrt(1 / n + _WITHIN**2 / (2 * (n - 1)))
    return Limits(
        n,
        bias,
        sd,
        lower,
        upper,
        _around(bias, of_bias),
        _around(lower, of_limit),
        _around(upper, of_limit),
    )


def _around(middle: float, half: Any) -> Interval:
    return float(middle - half), float(middle + half)

"""How far a number may be off: a bound from errors on held-out patients, without a model of them.

Hierarchical conformal prediction: patients are exchangeable, the scans and sectors of one are
not. Each of K patients has the weight 1 / (K + 1), shared among its errors, and as much lies at
infinity, for the patient to come (Dunn, Wasserman and Ramdas, J. Am. Stat. Assoc. 118:2491, 2023;
Lee, Barber and Willett, arXiv:2306.06342, 2023). With one error a patient it is split conformal
prediction (Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

#: Sums of weights are compared with this tolerance.
_TINY = 1e-9


def find_bound(errors: Mapping[str, Sequence[float]], level: float) -> float | None:
    """Return what the error of a new patient's number does not exceed with a probability.

    Parameters
    ----------
    errors
        Of each held-out patient, at least one, 0 or more.
    level
        The probability, above 0 and below 1: on average over calibrations on patients like these.

    Returns
    -------
    float or None
        None where there are too few patients for that level (:func:`count_fewest`).
    """
    known = [np.asarray(each, np.float64) for each in errors.values() if len(each)]
    if len(known) < count_fewest(level):
        return None
    values = np.concatenate(known)
    weights = np.concatenate([np.full(len(each), 1 / len(each)) for each in known])
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) / (len(known) + 1)
    first = int(np.searchsorted(reached, level - _TINY))
    return float(values[order[min(first, len(order) - 1)]])


def count_fewest(level: float) -> int:
    """Return how many patients a bound of a level needs: 9 for 0.9."""
    return math.ceil(level / (1 - level) - _TINY)

"""Learning rate as a function of the iteration alone, so that resuming needs no state."""

from __future__ import annotations

import math

from napari_retseg.config import Schedule

#: OneCycle (Smith and Topin 2019): share of the rise, and the rate's start and end as
#: divisors of its maximum.
_RISE = 0.2
_START_DIVISOR = 25.0
_END_DIVISOR = 1e4
#: Power of the polynomial decay (Chen et al., DeepLab, 2018).
_POLY_POWER = 0.9


def learning_rate(schedule: Schedule, *, highest: float, iteration: int, total: int) -> float:
    """Learning rate of step `iteration` (0 to `total` - 1)."""
    if schedule == "constant":
        return highest
    if schedule == "poly":
        remaining: float = (1 - iteration / total) ** _POLY_POWER
        return highest * remaining
    rise = max(1, round(_RISE * total))
    if iteration < rise:
        return _cosine(highest / _START_DIVISOR, highest, iteration / rise)
    falling = max(1, total - 1 - rise)
    return _cosine(highest, highest / _END_DIVISOR, min(1.0, (iteration - rise) / falling))


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2

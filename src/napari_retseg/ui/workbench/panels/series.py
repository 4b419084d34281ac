"""The series of numbers that the plots of a training show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

#: Numbers in order; those of scores may be missing.
Values = Sequence[float] | Sequence[float | None] | NDArray[Any]

#: The name of the mean of all classes but background.
MEAN = "mean foreground"


@dataclass(frozen=True)
class StepCurve:
    """Loss and learning rate over iterations; all of the same length."""

    iterations: Values = ()
    loss: Values = ()
    smoothed: Values = ()
    learning_rate: Values = ()


@dataclass(frozen=True)
class ScoreCurve:
    """One score over the iterations at which it was taken.

    Attributes
    ----------
    classes
        For each class by name, background left out, one value an iteration; None or NaN where
        the class is absent.
    mean
        Mean of the foreground, in the same way.
    start, start_mean
        The starting model's.
    """

    iterations: Values = ()
    classes: Mapping[str, Values] = field(default_factory=dict)
    mean: Values = ()
    start: Mapping[str, float | None] = field(default_factory=dict)
    start_mean: float | None = None

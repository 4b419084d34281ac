"""Means with their confidence intervals, and paired tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_retseg.study.recipe import Comparison
from napari_retseg.study.results import MEAN, Combination

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean of `n` runs; `margin` is half of its 95 % interval, None for a single run."""

    mean: float
    margin: float | None
    n: int


@dataclass(frozen=True)
class PairedTest:
    """How much better a level is than the reference, on runs that are otherwise the same.

    Attributes
    ----------
    difference
        Mean of the pairs' differences, with its interval.
    p_t, p_wilcoxon
        Of Student's paired t test and of Wilcoxon's signed-rank test, two-sided; None where
        there are fewer than two pairs.
    """

    grid: str
    factor: str
    level: str
    reference: str
    within: str
    difference: Estimate
    p_t: float | None
    p_wilcoxon: float | None


def estimate_mean(values: Sequence[float]) -> Estimate | None:
    """Mean and 95 % interval by Student's t; None without values."""
    if not values:
        return None
    mean = float(np.mean(values))
    if len(values) < 2:
        return Estimate(mean, None, len(values))
    from scipy import stats

    spread = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1))
    return Estimate(mean, quantile * spread, len(values))


def compare_levels(combinations: Sequence[Combination], comparison: Comparison) -> list[PairedTest]:
    """Test each level against the reference within each grid, split, size and other levels."""
    found = []
    for reference in combinations:
        if reference.level(comparison.factor) != comparison.reference:
            continue
        for other in combinations:
            if _is_rival(other, reference, comparison.factor):
                test = _test(other, reference, comparison.factor)
                if test is not None:
                    found.append(test)
    return found


def _is_rival(other: Combination, reference: Combination, factor: str) -> bool:
    """Whether two combinations differ in the factor alone."""
    place = ("grid", "split", "size")
    if any(getattr(other, name) != getattr(reference, name) for name in place):
        return False
    mine, theirs = dict(other.levels), dict(reference.levels)
    return mine.pop(factor, "") != theirs.pop(factor, "") and mine == theirs


def _test(other: Combination, reference: Combination, factor: str) -> PairedTest | None:
    before = {result.pair_key: result.value(MEAN, "dice") for result in reference.results}
    differences = []
    for result in other.results:
        new, old = result.value(MEAN, "dice"), before.get(result.pair_key)
        if new is not None and old is not None:
            differences.append(new - old)
    difference = estimate_mean(differences)
    if difference is None:
        return None
    p_t, p_wilcoxon = _probabilities(differences)
    within = [reference.split] + [f"size {reference.size}"] * (reference.size > 0)
    within += [level for name, level in reference.levels if name != factor]
    return PairedTest(
        grid=reference.grid,
        factor=factor,
        level=other.level(factor),
        reference=reference.level(factor),
        within=", ".join(within),
        difference=difference,
        p_t=p_t,
        p_wilcoxon=p_wilcoxon,
    )


def _probabilities(differences: Sequence[float]) -> tuple[float | None, float | None]:
    if len(differences) < 2:
        return None, None
    if not any(differences):
        return 1.0, 1.0
    from scipy import stats

    p_wilcoxon = float(stats.wilcoxon(differences, method="exact").pvalue)
    if np.ptp(differences) < 1e-12:  # no spread to measure the mean against
        return None, p_wilcoxon
    return float(stats.ttest_1samp(differences, 0).pvalue), p_wilcoxon

"""Bias and limits of agreement, against the numbers that Bland and Altman printed."""

from __future__ import annotations

import numpy as np
import pytest

from napari_retseg.agreement import find_limits
from tests.agreement.published import MINI, WRIGHT


def test_the_peak_flow_meters_of_the_paper() -> None:
    found = find_limits(MINI, WRIGHT)
    assert found.n == 17
    assert found.bias == pytest.approx(-2.1, abs=0.05)
    assert found.sd == pytest.approx(38.8, abs=0.05)
    # "-2.1 - (2 x 38.8) = -79.7" and "75.5", with 2 where later papers have 1.96
    assert found.sd is not None
    assert found.bias - 2 * found.sd == pytest.approx(-79.7, abs=0.1)
    assert found.bias + 2 * found.sd == pytest.approx(75.5, abs=0.1)
    assert found.lower == pytest.approx(found.bias - 1.96 * found.sd)
    assert found.upper == pytest.approx(found.bias + 1.96 * found.sd)
    # "-22.0 to 17.8 l/min"
    assert found.bias_interval == pytest.approx((-22.0, 17.8), abs=0.1)
    # "-114.3 to -45.1" and "40.9 to 110.1": half as wide as 34.6, from 3 s²/n for the variance
    for interval in (found.lower_interval, found.upper_interval):
        assert interval is not None
        assert (interval[1] - interval[0]) / 2 == pytest.approx(34.6, rel=0.01)


def test_intervals_cover_as_they_say() -> None:
    generator = np.random.default_rng(3)
    hits = np.zeros(3)
    for _ in range(2000):
        found = find_limits(np.zeros(12), generator.normal(5, 2, 12))
        truth = (5.0, 5 - 1.96 * 2, 5 + 1.96 * 2)
        intervals = (found.bias_interval, found.lower_interval, found.upper_interval)
        for k, (value, interval) in enumerate(zip(truth, intervals, strict=True)):
            assert interval is not None
            hits[k] += interval[0] <= value <= interval[1]
    assert (np.abs(hits / 2000 - 0.95) < 0.025).all(), hits


def test_few_pairs() -> None:
    found = find_limits([3.0], [5.0])
    assert (found.n, found.bias, found.sd, found.lower, found.bias_interval) == (
        1, 2.0, None, None, None,
    )  # fmt: skip
    same = find_limits([1.0, 2.0], [2.0, 3.0])
    assert (same.bias, same.sd, same.upper_interval) == (1, 0, (1, 1))
    for wrong in (([], []), ([1.0], [1.0, 2.0]), ([[1.0]], [[2.0]])):
        with pytest.raises(ValueError, match="pairs of numbers"):
            find_limits(*wrong)

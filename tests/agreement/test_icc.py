"""Intraclass correlations: the table of Shrout and Fleiss, and pingouin's numbers."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pandas as pd
import pingouin
import pytest

from napari_retseg.agreement import find_icc
from tests.agreement.published import RATINGS


def test_the_table_of_shrout_and_fleiss() -> None:
    found = find_icc(RATINGS)
    assert found is not None
    assert found.one_way == pytest.approx(0.17, abs=0.005)
    assert found.agreement == pytest.approx(0.29, abs=0.005)
    assert found.consistency == pytest.approx(0.71, abs=0.005)
    # McGraw and Wong, Psychol. Methods 1:30, 1996, of the same data
    assert found.interval == pytest.approx((0.02, 0.76), abs=0.005)


@pytest.mark.parametrize("seed", range(8))
def test_the_numbers_of_pingouin(seed: int) -> None:
    generator = np.random.default_rng(seed)
    n, k = int(generator.integers(5, 40)), int(generator.integers(2, 5))
    eyes = generator.normal(300, 30, (n, 1)) if seed % 2 else np.zeros((n, 1))
    ratings = eyes + generator.normal(0, 8, (n, k)) + generator.normal(0, 5, k)
    long = pd.DataFrame(
        {
            "eye": np.repeat(np.arange(n), k),
            "grader": np.tile(np.arange(k), n),
            "value": ratings.ravel(),
        }
    )
    theirs = pingouin.intraclass_corr(long, "eye", "grader", "value").set_index("Type")
    found = find_icc(ratings)
    assert found is not None
    names = ["ICC(1,1)", "ICC(A,1)", "ICC(C,1)"]
    assert astuple(found)[:3] == pytest.approx(theirs.loc[names, "ICC"].to_list(), abs=1e-9)
    interval = theirs.loc["ICC(A,1)"]
    column = next(name for name in theirs.columns if name.startswith("CI95"))
    assert found.interval == pytest.approx(interval[column], abs=0.006)


def test_what_has_no_value() -> None:
    assert find_icc(np.full((4, 2), 7.0)) is None
    assert find_icc([[1.0, 2.0]]) is None
    assert find_icc(np.zeros((3, 1))) is None
    with pytest.raises(ValueError, match="targets by raters"):
        find_icc([1.0, 2.0])


def test_graders_who_agree_but_for_a_bias() -> None:
    eyes = np.array([250.1, 280.3, 310.7, 333.3])
    same = find_icc(np.stack([eyes, eyes], axis=1))
    assert same is not None
    assert astuple(same) == (1, 1, 1, None)
    shifted = find_icc(np.stack([eyes, eyes + 20], axis=1))
    assert shifted is not None
    assert shifted.consistency == 1
    assert 0.8 < shifted.agreement < 0.95
    only_graders = find_icc([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]])
    assert only_graders is not None
    assert (only_graders.agreement, only_graders.consistency) == (0, 0)


def test_any_small_table_has_a_value_or_none() -> None:
    generator = np.random.default_rng(11)
    assert find_icc([[1, 2], [2, 1]]) is None
    swapped = find_icc([[1.0, 2.0], [2.0, 1.0], [1.5, 1.5]])
    assert swapped is not None
    assert swapped.interval is None
    for _ in range(2000):
        shape = int(generator.integers(2, 5)), int(generator.integers(2, 4))
        found = find_icc(generator.integers(0, 3, shape))
        if found is None:
            continue
        assert np.isfinite(astuple(found)[:3]).all()
        assert max(astuple(found)[:3]) <= 1
        if found.interval is not None:
            assert found.interval[0] <= found.interval[1]

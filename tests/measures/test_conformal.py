"""The bound of an error: laws that hold whatever the errors are."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_retseg.measures.conformal import count_fewest, find_bound


def split(errors: np.ndarray) -> dict[str, list[float]]:
    return {str(k): [float(one)] for k, one in enumerate(errors)}


@pytest.mark.parametrize("count", [9, 10, 19, 40, 99, 400])
def test_one_error_a_patient_is_split_conformal(count: int) -> None:
    errors = np.random.default_rng(count).exponential(size=count)
    place = math.ceil((count + 1) * 0.9)
    assert find_bound(split(errors), 0.9) == pytest.approx(np.sort(errors)[place - 1])


def test_too_few_patients_have_no_bound() -> None:
    assert count_fewest(0.9) == 9
    assert find_bound(split(np.arange(8.0)), 0.9) is None
    assert find_bound(split(np.arange(9.0)), 0.9) == 8
    # many scans of few patients do not help
    assert find_bound({str(k): list(range(100)) for k in range(8)}, 0.9) is None
    assert find_bound({**split(np.arange(8.0)), "8": []}, 0.9) is None


@pytest.mark.parametrize("count", [10, 25, 60])
def test_left_out_in_turn_nine_of_ten_patients_are_covered(count: int) -> None:
    """Exactly: of any distinct errors so many lie within the bound of the others."""
    errors = np.random.default_rng(count).lognormal(sigma=2, size=count)
    within = [
        one <= (find_bound(split(np.delete(errors, k)), 0.9) or 0) for k, one in enumerate(errors)
    ]
    assert sum(within) == math.ceil(count * 0.9)


def test_scans_of_a_patient_count_as_one() -> None:
    rng = np.random.default_rng(3)
    errors = {str(k): [float(rng.exponential())] for k in range(30)}
    bound = find_bound(errors, 0.9)
    assert find_bound({**errors, "0": errors["0"] * 50}, 0.9) == bound
    worst = max(errors, key=lambda name: errors[name][0])
    assert find_bound({**errors, worst: errors[worst] * 50}, 0.9) == bound


def test_new_patients_are_covered_where_scans_of_one_are_alike() -> None:
    """Patients differ much, their scans little, and some have many more of them."""
    rng = np.random.default_rng(5)

    def draw(patients: int) -> dict[str, list[float]]:
        own = rng.lognormal(sigma=1, size=patients)
        counts = np.where(rng.random(patients) < 0.2, 20, 1)
        return {str(k): list(own[k] * rng.uniform(0.8, 1.2, counts[k])) for k in range(patients)}

    covered = []
    for _ in range(400):
        bound = find_bound(draw(30), 0.9)
        assert bound is not None
        covered += [np.mean(np.asarray(one) <= bound) for one in draw(20).values()]
    # the law: at least 0.9, and at most 1 / 31 more; four standard errors of 400 calibrations
    assert 0.9 - 0.011 < np.mean(covered) < 0.9 + 1 / 31 + 0.011

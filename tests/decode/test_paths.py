"""The best path across the A-scans, against all paths that there are."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from napari_retseg.decode.paths import STEP_COSTS, find_paths


def worth(gain: np.ndarray, path: tuple[int, ...], costs: tuple[float, ...]) -> float:
    steps = np.abs(np.diff(path))
    if steps.max(initial=0) > len(costs):
        return -np.inf
    total = np.concatenate([[0.0], np.cumsum(costs)])
    return float(gain[list(path), range(len(path))].sum() - total[steps].sum())


@pytest.mark.parametrize("costs", [(1.0,), (0.5, 3.0), (0.0, 0.0, 0.0, 0.0)])
def test_no_other_path_is_better(rng: np.random.Generator, costs: tuple[float, ...]) -> None:
    for _ in range(5):
        gain = rng.normal(0, 3, (2, 4, 5)).astype(np.float32)
        found = find_paths(gain, costs)
        for one, path in zip(gain, found, strict=True):
            every = itertools.product(range(4), repeat=5)
            best = max(worth(one, other, costs) for other in every)
            assert worth(one, tuple(path), costs) == pytest.approx(best, abs=1e-4)


def test_a_path_keeps_out_of_forbidden_rows(rng: np.random.Generator) -> None:
    gain = rng.normal(size=(20, 30)).astype(np.float32)
    gain[:, 10], gain[7, 10] = -np.inf, -50
    path = find_paths(gain)
    assert path[10] == 7
    assert np.abs(np.diff(path)).max() <= len(STEP_COSTS)


def test_one_ascan_is_its_own_path() -> None:
    assert find_paths(np.array([[1.0], [3.0], [2.0]], np.float32)).tolist() == [1]

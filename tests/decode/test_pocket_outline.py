"""A stroke around a pocket finds it."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_retseg.decode.pocket_outline import comes_back, propose_inside
from tests.decode.test_pocket_click import LAYERS, chosen, dice, draw_eye

Places = NDArray[np.float64]


def circle(row: float, column: float, height: float, width: float, *, turns: float = 1) -> Places:
    angle = np.arange(0, 2 * np.pi * turns, 0.1)
    return np.stack([row + height * np.sin(angle), column + width * np.cos(angle)], axis=1)


@pytest.mark.parametrize("margin", [1, 3, 5])
def test_the_pocket_within_is_found(margin: int) -> None:
    grey, labels, pocket = draw_eye()
    stroke = circle(60, 80, 14 + margin, 22 + margin)
    found = propose_inside(grey, stroke, labels=labels, layers=LAYERS)
    assert dice(chosen(found, labels.shape), pocket) > 0.88


def test_the_grey_values_say_where_the_pocket_ends() -> None:
    grey, labels, pocket = draw_eye(noise=5)
    stroke = circle(60, 86, 18, 32)  # much more on the right than on the left
    found = propose_inside(grey, stroke, labels=labels, layers=LAYERS)
    even = propose_inside(np.full_like(grey, 90), stroke, labels=labels, layers=LAYERS)
    by_grey, by_stroke = (dice(chosen(f, labels.shape), pocket) for f in (found, even))
    assert by_grey > by_stroke + 0.03
    assert by_grey > 0.85


def test_the_probability_counts_like_the_grey() -> None:
    grey, labels, pocket = draw_eye()
    grey[:] = 90
    stroke = circle(60, 86, 18, 32)
    scores = []
    for probability in (None, pocket.astype(np.float32)):
        found = propose_inside(grey, stroke, labels=labels, layers=LAYERS, probability=probability)
        scores.append(dice(chosen(found, labels.shape), pocket))
    assert scores[1] > scores[0] + 0.03


def test_regions_grow_up_to_all_that_is_enclosed() -> None:
    grey, labels, _ = draw_eye()
    stroke = circle(40.2, 80.3, 24, 30)  # reaches into the vitreous
    found = propose_inside(grey, stroke, labels=labels, layers=LAYERS)
    assert found is not None
    rows, columns = np.ogrid[: labels.shape[0], : labels.shape[1]]
    enclosed = ((rows - 40.2) / 24) ** 2 + ((columns - 80.3) / 30) ** 2 <= 1
    regions = [found.region(k, labels.shape) for k in range(found.n_regions)]
    assert dice(regions[-1], enclosed) > 0.99
    assert (regions[-1] & (labels == 0)).any()
    assert not (regions[-2] & (labels == 0)).any()
    for one, next_one in itertools.pairwise(regions):
        assert not (one & ~next_one).any()
    assert found.best < found.n_regions - 1


def test_a_stroke_that_goes_on_past_its_start_encloses_the_same() -> None:
    grey, labels, _ = draw_eye()
    once, twice = (
        propose_inside(grey, circle(60, 80, 18, 26, turns=t), labels=labels, layers=LAYERS)
        for t in (1, 1.3)
    )
    assert once is not None
    assert twice is not None
    one, other = (f.region(f.n_regions - 1, labels.shape) for f in (once, twice))
    assert dice(one, other) > 0.99


def test_a_stroke_may_leave_the_bscan_or_lie_beside_it() -> None:
    grey, labels, _ = draw_eye()
    nothing = np.zeros_like(labels)
    found = propose_inside(grey, circle(0, 0, 30, 30), labels=nothing, layers=LAYERS)
    assert found is not None
    assert found.region(found.n_regions - 1, labels.shape)[0, 0]
    for row, column in ((-50, 80), (300, 80), (60, -70), (60, 400)):
        stroke = circle(row, column, 10, 10)
        assert propose_inside(grey, stroke, labels=labels, layers=LAYERS) is None


def test_a_whole_bscan_is_enclosed_in_time() -> None:
    grey = np.random.default_rng(2).integers(0, 255, (496, 768)).astype(np.uint8)
    labels = np.zeros(grey.shape, np.uint8)
    seconds = []
    for _ in range(3):
        start = time.thread_time()
        found = propose_inside(grey, circle(248, 384, 240, 380), labels=labels, layers=LAYERS)
        seconds.append(time.thread_time() - start)
        assert found is not None
    assert min(seconds) < 0.25


@pytest.mark.parametrize(("height", "width"), [(10, 10), (5, 40), (40, 5), (2, 2)])
def test_a_line_around_something_comes_back(height: float, width: float) -> None:
    assert comes_back(circle(60, 80, height, width))
    assert comes_back(circle(60, 80, height, width, turns=0.97))
    assert comes_back(circle(60, 80, height, width, turns=1.1))


def test_a_line_across_does_not_come_back() -> None:
    there = np.array([[20.0, 48.0], [30.0, 50.0], [50.0, 49.0]])
    assert not comes_back(there)
    assert not comes_back(np.concatenate([there, there[::-1] + 0.7]))
    assert not comes_back(circle(60, 80, 10, 20, turns=0.6))
    assert not comes_back(np.array([[20.0, 48.0], [20.0, 48.0]]))


@pytest.mark.parametrize("line", [[(30.0, 40.0)] * 5, [(-9.0, 40.0), (-9.0, 60.0), (-9.0, 40.0)]])
def test_a_line_without_area_encloses_nothing(line: list[tuple[float, float]]) -> None:
    grey = np.full((80, 100), 60, np.float32)
    labels = np.ones((80, 100), np.uint8)
    found = propose_inside(grey, np.array(line), labels=labels, layers=[1])
    assert found is None or found.region(found.n_regions - 1, grey.shape).sum() <= 1

from __future__ import annotations

import pytest

from napari_retseg.config import TrainConfig
from napari_retseg.learn.budget import Budget


def test_iterations_are_the_default_limit() -> None:
    budget = Budget.of(TrainConfig(iterations=40), n_samples=10, is_new=False)
    assert budget.position(10, 1e6) == 0.25
    assert not budget.is_over(39, 1e6)
    assert budget.is_over(40, 0.0)


def test_an_epoch_draws_as_many_samples_as_there_are() -> None:
    config = TrainConfig(epochs=3, batch_size=4, accumulate=2)
    assert Budget.of(config, n_samples=20, is_new=True).iterations == 8  # 60 samples, 8 a step


def test_minutes_count_the_time_of_the_steps() -> None:
    budget = Budget.of(TrainConfig(minutes=0.5), n_samples=10, is_new=False)
    assert budget.iterations == 0
    assert budget.position(10_000, 15.0) == 0.5
    assert not budget.is_over(10_000, 29.9)
    assert budget.is_over(1, 30.0)


def test_the_schedule_may_be_longer_than_the_training() -> None:
    budget = Budget.of(
        TrainConfig(iterations=400, schedule_iterations=40_000), n_samples=1, is_new=True
    )
    assert budget.schedule_position(400, 0.0) == pytest.approx(0.01)
    assert budget.is_over(400, 0.0)


@pytest.mark.parametrize(
    ("n_samples", "is_new", "iterations"),
    [(3, False, 109), (11, False, 133), (66, False, 298), (5000, False, 1000), (3, True, 1000)],
)
def test_the_length_follows_the_number_of_labelled_scans(
    n_samples: int, is_new: bool, iterations: int
) -> None:
    assert Budget.of(TrainConfig(), n_samples=n_samples, is_new=is_new).iterations == iterations


@pytest.mark.parametrize(
    ("config", "score_every"),
    [
        (TrainConfig(iterations=100), 20),
        (TrainConfig(iterations=3), 1),
        (TrainConfig(iterations=5000), 100),
        (TrainConfig(minutes=1), 100),
        (TrainConfig(iterations=100, score_every=7), 7),
    ],
)
def test_a_short_training_is_scored_five_times(config: TrainConfig, score_every: int) -> None:
    assert Budget.of(config, n_samples=3, is_new=False).score_every == score_every


def test_lessons_come_after_the_labelled_scans() -> None:
    budget = Budget.of(TrainConfig(iterations=50), n_samples=3, is_new=False, n_unlabelled=9)
    assert budget.lessons == 20
    assert [budget.is_lesson(n) for n in (0, 49, 50, 69)] == [False, False, True, True]
    assert not budget.is_over(69, 0.0)
    assert budget.is_over(70, 0.0)
    assert budget.schedule_position(49, 0.0) == pytest.approx(0.98)
    assert budget.schedule_position(50, 0.0) == 0.0
    assert budget.lesson_position(60) == 0.5
    assert budget.labelled_scores == 5  # of every 10 steps
    assert Budget.of(TrainConfig(iterations=50), n_samples=3, is_new=False).lessons == 0

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    OneCycleLR,
    PolynomialLR,
    StepLR,
)

from napari_retseg.config import TrainConfig
from napari_retseg.learn.schedule import count_drops, learning_rate

#: Steps; the optimizer of the reference, and its rate.
TOTAL = 200
RATE = 0.5


def _curve(schedule: str, *, total: int = TOTAL, last: int | None = None, **options: Any) -> Any:
    """Rates of all steps; `last` is the iteration at which the schedule is done."""
    config = TrainConfig(lr=RATE, schedule=schedule, **options)
    end = total if last is None else last
    return np.array([learning_rate(config, iteration=i, position=i / end) for i in range(total)])


def _follow(scheduler: type[LRScheduler], **options: Any) -> list[float]:
    """Rates that a scheduler of torch gives."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=RATE)
    reference = scheduler(optimizer, **options)
    rates = []
    for i in range(TOTAL):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        if i < TOTAL - 1:
            reference.step()
    return rates


def test_constant_stays() -> None:
    assert (_curve("constant") == RATE).all()


@pytest.mark.parametrize("power", [0.9, 2.0])
def test_poly_is_that_of_torch(power: float) -> None:
    reference = _follow(PolynomialLR, total_iters=TOTAL, power=power)
    np.testing.assert_allclose(_curve("poly", poly_power=power), reference, rtol=1e-6)


def test_cosine_is_that_of_torch() -> None:
    curve = _curve("cosine")
    np.testing.assert_allclose(curve, _follow(CosineAnnealingLR, T_max=TOTAL), rtol=1e-6, atol=1e-9)
    assert curve[TOTAL // 2] == pytest.approx(RATE / 2)
    assert (np.diff(curve) < 0).all()


@pytest.mark.parametrize(("rise", "first", "last"), [(0.2, 25.0, 1e4), (0.5, 10.0, 100.0)])
def test_onecycle_is_that_of_torch(rise: float, first: float, last: float) -> None:
    """The reference counts its last rate from the first, and ends the rise a step earlier."""
    reference = _follow(
        OneCycleLR,
        max_lr=RATE,
        total_steps=TOTAL,
        pct_start=rise,
        div_factor=first,
        final_div_factor=last / first,
        cycle_momentum=False,
    )
    options: dict[str, Any] = {"div_factor": first, "final_div_factor": last}
    curve = _curve("onecycle", pct_start=rise, **options)
    np.testing.assert_allclose(curve, reference, atol=0.025 * RATE)
    shifted = (rise * TOTAL - 1) / (TOTAL - 1)
    exact = _curve("onecycle", last=TOTAL - 1, pct_start=shifted, **options)
    np.testing.assert_allclose(exact, reference, rtol=1e-6)


def test_onecycle_rises_for_a_fifth_and_falls_to_almost_nothing() -> None:
    curve = _curve("onecycle", total=101, last=100)
    assert curve[0] == pytest.approx(RATE / 25)
    assert curve.argmax() == 20
    assert curve.max() == RATE
    assert (np.diff(curve[:21]) > 0).all()
    assert (np.diff(curve[20:]) < 0).all()
    assert curve[-1] == pytest.approx(RATE / 1e4, rel=1e-6)


def test_onecycle_without_a_rise_begins_at_its_highest() -> None:
    curve = _curve("onecycle", pct_start=0)
    assert curve[0] == RATE
    assert (np.diff(curve) < 0).all()


@pytest.mark.parametrize(("every", "factor"), [(30, 0.1), (7, 0.5)])
def test_step_is_that_of_torch(every: int, factor: float) -> None:
    curve = _curve("step", drop_every=every, drop_factor=factor)
    np.testing.assert_allclose(curve, _follow(StepLR, step_size=every, gamma=factor), rtol=1e-6)


def test_plateau_drops_by_its_factor() -> None:
    config = TrainConfig(lr=RATE, schedule="plateau", drop_factor=0.2)
    rates = [learning_rate(config, iteration=5, position=0.1, drops=n) for n in range(3)]
    assert rates == pytest.approx([RATE, RATE / 5, RATE / 25])


@pytest.mark.parametrize("schedule", ["constant", "poly", "cosine", "onecycle", "step"])
def test_drops_are_those_of_plateau_only(schedule: str) -> None:
    config = TrainConfig(schedule=schedule)
    rates = {learning_rate(config, iteration=5, position=0.1, drops=n) for n in range(3)}
    assert len(rates) == 1


def test_warmup_is_that_of_torch() -> None:
    reference = _follow(LinearLR, start_factor=1 / 21, total_iters=20)
    np.testing.assert_allclose(_curve("constant", warmup=20), reference, rtol=1e-6)


@pytest.mark.parametrize("schedule", ["poly", "cosine", "onecycle"])
def test_warmup_multiplies_the_schedule(schedule: str) -> None:
    plain, warm = _curve(schedule), _curve(schedule, warmup=9)
    np.testing.assert_allclose(warm[:9] / plain[:9], np.arange(1, 10) / 10)
    np.testing.assert_array_equal(warm[9:], plain[9:])


def test_step_counts_after_the_warmup() -> None:
    curve = _curve("step", warmup=10, drop_every=40)
    assert curve[10:50] == pytest.approx(RATE)
    assert curve[50:90] == pytest.approx(RATE / 10)


@pytest.mark.parametrize("schedule", ["poly", "cosine", "onecycle"])
def test_beyond_its_end_the_last_rate_holds(schedule: str) -> None:
    config = TrainConfig(schedule=schedule)
    last, beyond = (learning_rate(config, iteration=9, position=p) for p in (1.0, 1.7))
    assert last == beyond


@pytest.mark.parametrize("schedule", ["constant", "poly", "cosine", "onecycle", "step", "plateau"])
def test_a_single_step_has_a_rate(schedule: str) -> None:
    assert 0 < _curve(schedule, total=1)[0] <= RATE


@pytest.mark.parametrize(
    ("scores", "patience", "drops"),
    [
        ([], 1, 0),
        ([0.1, 0.2, 0.3], 1, 0),
        ([0.3, 0.3, 0.3], 1, 2),
        ([0.5, 0.4, 0.6, 0.5, 0.6], 2, 1),
        ([0.5, 0.4, 0.6, 0.5, 0.6], 3, 0),
        # after a drop the count begins again, but the best score stays
        ([0.9, 0.1, 0.2, 0.3, 0.4, 0.5], 2, 2),
        # no score was measured
        ([-1.0, -1.0, 0.2], 1, 1),
        ([0.5, float("nan"), float("nan")], 2, 1),
    ],
)
def test_plateau_counts_scores_without_a_better_one(
    scores: list[float], patience: int, drops: int
) -> None:
    assert count_drops(scores, patience) == drops


def test_drops_never_become_fewer_as_scores_come_in(rng: np.random.Generator) -> None:
    scores = rng.random(40).tolist()
    counts = [count_drops(scores[:n], 3) for n in range(41)]
    assert counts == sorted(counts)
    assert counts[-1] > 3

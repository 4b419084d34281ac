from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_retseg.learn.schedule import learning_rate


def _curve(schedule: str, total: int = 100) -> np.ndarray:
    return np.array(
        [
            learning_rate(schedule, highest=0.5, iteration=i, total=total)  # type: ignore[arg-type]
            for i in range(total)
        ]
    )


def test_constant_stays() -> None:
    assert (_curve("constant") == 0.5).all()


def test_poly_is_that_of_torch() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    reference = torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=100, power=0.9)
    rates = []
    for _ in range(100):
        rates.append(float(reference.get_last_lr()[0]))
        optimizer.step()
        reference.step()
    np.testing.assert_allclose(_curve("poly"), rates, rtol=1e-6)


def test_onecycle_rises_for_a_fifth_and_falls_to_almost_nothing() -> None:
    curve = _curve("onecycle")
    assert curve[0] == pytest.approx(0.5 / 25)
    assert curve.argmax() == 20
    assert curve.max() == 0.5
    assert (np.diff(curve[:20]) > 0).all()
    assert (np.diff(curve[20:]) < 0).all()
    assert curve[-1] == pytest.approx(0.5 / 1e4, rel=1e-6)


@pytest.mark.parametrize("schedule", ["onecycle", "poly", "constant"])
def test_a_single_step_has_a_rate(schedule: str) -> None:
    assert 0 < _curve(schedule, total=1)[0] <= 0.5

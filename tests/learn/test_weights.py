from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_retseg.errors import InputError, UsageError
from napari_retseg.learn.losses import build_loss
from napari_retseg.learn.weights import class_weights

#: Background, a common and a rare class, one without a pixel.
PIXELS = np.array([900, 100, 4, 0])


def _weights(text: str, pixels: np.ndarray = PIXELS) -> list[float]:
    weights = class_weights(text, pixels=pixels)
    assert weights is not None
    assert weights.dtype == torch.float32
    return [float(w) for w in weights]


def test_none_is_no_weights() -> None:
    assert class_weights("none", pixels=PIXELS) is None


@pytest.mark.parametrize(
    ("text", "ratios"),
    [
        ("inverse", [1 / 900, 1 / 100, 1 / 4]),
        ("sqrt", [1 / 30, 1 / 10, 1 / 2]),
        ("rank", [1, 2, 3]),
        ("2,0,6,0.5", [2, 0, 6]),
    ],
)
def test_rules(text: str, ratios: list[float]) -> None:
    weights = _weights(text)
    mean = sum(ratios) / 3
    assert weights[:3] == pytest.approx([ratio / mean for ratio in ratios], rel=1e-6)
    assert np.mean(weights[:3]) == pytest.approx(1)


@pytest.mark.parametrize("text", ["inverse", "sqrt", "rank"])
def test_a_class_without_a_pixel_has_weight_zero(text: str) -> None:
    assert _weights(text)[3] == 0


def test_a_class_without_a_pixel_keeps_the_weight_that_is_given() -> None:
    assert _weights("2,0,6,0.5")[3] == pytest.approx(0.5 * 3 / 8)


def test_six_classes_by_rank_are_one_to_six_over_their_mean() -> None:
    weights = _weights("rank", np.array([60, 10, 50, 20, 40, 30]))
    assert weights == pytest.approx([1 / 3.5, 6 / 3.5, 2 / 3.5, 5 / 3.5, 3 / 3.5, 4 / 3.5])


def test_classes_that_are_as_common_rank_in_the_order_of_the_label_set() -> None:
    assert _weights("rank", np.array([5, 9, 5])) == pytest.approx([2 / 2, 1 / 2, 3 / 2])


@pytest.mark.parametrize("text", ["inverse", "sqrt", "rank", "0.2,1,1,1"])
def test_weights_change_the_weighted_losses_only(text: str) -> None:
    weights = class_weights(text, pixels=PIXELS)
    logits = torch.randn(1, 4, 6, 6, generator=torch.Generator().manual_seed(1))
    target = torch.randint(0, 3, (1, 6, 6), generator=torch.Generator().manual_seed(2))
    for name in ("wce", "wdice", "ce", "dice"):
        with_weights = float(build_loss(name, weights=weights)(logits, target))
        without = float(build_loss(name, weights=None)(logits, target))
        changed = with_weights != pytest.approx(without, rel=1e-4)
        assert changed == name.startswith("w"), name


def test_large_volumes_do_not_overflow() -> None:
    weights = _weights("inverse", np.array([10**12, 1]))
    assert weights == pytest.approx([2e-12, 2])


def test_errors() -> None:
    with pytest.raises(UsageError, match="3 numbers for 4 classes"):
        class_weights("1,2,3", pixels=PIXELS)
    with pytest.raises(UsageError, match="all labelled classes have weight 0"):
        class_weights("0,0,0,1", pixels=PIXELS)
    with pytest.raises(InputError, match="no pixel"):
        class_weights("sqrt", pixels=np.zeros(3, np.int64))
    with pytest.raises(ValueError, match="class weights must be"):
        class_weights("rare", pixels=PIXELS)

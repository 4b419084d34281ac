from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from napari_retseg.config import AUGMENT_PRESETS
from napari_retseg.learn.augment import AugmentDraw, apply_augment, draw_augment

SIZE = 32


@pytest.fixture
def still(rng: np.random.Generator) -> AugmentDraw:
    """A draw for one sample that changes nothing."""
    return draw_augment(AUGMENT_PRESETS["none"], 1, rng)


@pytest.fixture
def sample() -> tuple[torch.Tensor, torch.Tensor]:
    """An image in which the grey value tells the label."""
    labels = torch.zeros(1, SIZE, SIZE, dtype=torch.long)
    labels[:, 8:16, 4:20] = 2
    labels[:, 20:24] = 1
    return labels[:, None].float() / 2, labels


def _value(number: float) -> np.ndarray:
    return np.array([number], dtype=np.float32)


def test_none_changes_nothing(
    still: AugmentDraw, sample: tuple[torch.Tensor, torch.Tensor]
) -> None:
    images, labels = apply_augment(*sample, still)
    torch.testing.assert_close(images, sample[0])
    assert torch.equal(labels, sample[1])


def test_a_draw_can_be_replayed(
    rng: np.random.Generator, sample: tuple[torch.Tensor, torch.Tensor]
) -> None:
    draw = draw_augment(AUGMENT_PRESETS["oct"], 1, rng)
    first, again = apply_augment(*sample, draw), apply_augment(*sample, draw)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], sample[0])


def test_flip_mirrors_the_width_of_both(
    still: AugmentDraw, sample: tuple[torch.Tensor, torch.Tensor]
) -> None:
    images, labels = apply_augment(*sample, replace(still, flip=np.array([True])))
    torch.testing.assert_close(images, sample[0].flip(-1), atol=1e-5, rtol=0)
    assert torch.equal(labels, sample[1].flip(-1))


def test_shift_moves_down_and_what_comes_in_is_not_annotated(
    still: AugmentDraw, sample: tuple[torch.Tensor, torch.Tensor]
) -> None:
    images, labels = apply_augment(*sample, replace(still, shift=_value(4 / SIZE)))
    assert torch.equal(labels[:, 4:], sample[1][:, :-4])
    assert (labels[:, :4] == 255).all()
    torch.testing.assert_close(images[..., 4:, :], sample[0][..., :-4, :], atol=1e-5, rtol=0)


def test_tilt_lifts_the_left_and_lowers_the_right(
    still: AugmentDraw, sample: tuple[torch.Tensor, torch.Tensor]
) -> None:
    _, labels = apply_augment(*sample, replace(still, tilt=_value(0.2)))
    band = (labels[0] == 1).float() * torch.arange(SIZE)[:, None]
    rows = band.sum(0) / (labels[0] == 1).sum(0)
    assert rows[0] < 21.5 - 4
    assert rows[-1] > 21.5 + 4


def test_scale_enlarges(still: AugmentDraw, sample: tuple[torch.Tensor, torch.Tensor]) -> None:
    _, labels = apply_augment(*sample, replace(still, scale_depth=_value(1.5)))
    assert int((labels[0, :, 0] == 1).sum()) == 6


@pytest.mark.parametrize("preset", ["light", "oct"])
def test_image_and_labels_move_together(
    preset: str, rng: np.random.Generator, sample: tuple[torch.Tensor, torch.Tensor]
) -> None:
    config = AUGMENT_PRESETS[preset].model_copy(  # type: ignore[index]
        update={"gamma": 0, "contrast": 0, "brightness": 0, "noise": 0}
    )
    for _ in range(10):
        images, labels = apply_augment(*sample, draw_augment(config, 1, rng))
        known = labels != 255
        differing = ((images[:, 0] * 2 - labels).abs() > 0.51) & known
        assert differing.float().mean() < 0.04


def test_grey_changes_leave_labels_alone(
    still: AugmentDraw, sample: tuple[torch.Tensor, torch.Tensor]
) -> None:
    draw = replace(
        still, gamma=_value(1.5), contrast=_value(0.7), brightness=_value(0.1), noise=_value(0.1)
    )
    images, labels = apply_augment(*sample, draw)
    assert torch.equal(labels, sample[1])
    assert not torch.allclose(images, sample[0], atol=0.05)


def test_each_grey_change_does_something(
    still: AugmentDraw, sample: tuple[torch.Tensor, torch.Tensor]
) -> None:
    for name, number in (("gamma", 2), ("contrast", 0.5), ("brightness", 0.2), ("noise", 0.2)):
        changes: dict[str, Any] = {name: _value(number)}
        images, _ = apply_augment(*sample, replace(still, **changes))
        assert (images - sample[0]).abs().max() > 0.05, name

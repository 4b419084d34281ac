"""Changes of grey values: what each does, where, and that it is nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_retseg.config import AUGMENT_PRESETS
from napari_retseg.learn.intensity import (
    GreyDraw,
    ShadowDraw,
    change_grey,
    draw_grey,
    gaussian_weights,
)

NONE = AUGMENT_PRESETS["none"]
CHANGES = {
    "gamma": 0.4,
    "contrast": 0.3,
    "brightness": 0.2,
    "speckle": 0.2,
    "blur": 2.0,
    "vessel_shadow": 1.0,
    "low_signal": 1.0,
    "cutout": 1.0,
}


def make_draw(n: int = 1, **changes: Any) -> GreyDraw:
    """Make a draw in which nothing changes but what is given."""
    still = draw_grey(NONE, n, np.random.default_rng(0))
    floats: dict[str, Any] = {
        k: np.asarray(v, np.float32) for k, v in changes.items() if k != "shadow"
    }
    return replace(still, **floats, shadow=changes.get("shadow"))


def make_shadow(**values: float) -> ShadowDraw:
    plain = {"column": 0.5, "slope": 0.0, "half_width": 4.0, "top": 0.5, "strength": 0.6}
    arrays = {name: np.full((1, 3), name == "half_width", np.float32) for name in plain}
    for name, value in (plain | values).items():
        arrays[name][0, 0] = value
    return ShadowDraw(**arrays)


@pytest.fixture
def bscan() -> torch.Tensor:
    """Grey values from 10 to 30, as of an input that is not normalised to 0-1."""
    generator = torch.Generator().manual_seed(1)
    image = 10 + 20 * torch.rand(1, 1, 64, 80, generator=generator)
    image[..., 0, 0], image[..., 0, 1] = 10, 30
    return image


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("shape", [(2, 1, 64, 48), (2, 2, 5, 64, 48)])
def test_each_change_does_something_and_never_in_place(name: str, shape: tuple[int, ...]) -> None:
    images = torch.rand(*shape, generator=torch.Generator().manual_seed(1))
    before = images.clone()
    config = NONE.model_copy(update={name: CHANGES[name]})
    draw = draw_grey(config, shape[0], np.random.default_rng(3))
    changed = change_grey(images, draw)
    assert torch.equal(images, before)
    assert changed.shape == images.shape
    assert changed.is_contiguous()
    assert any(float((c - i).abs().max()) > 0.02 for c, i in zip(changed, images, strict=True))


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_at_zero_keeps_every_bit(name: str, bscan: torch.Tensor) -> None:
    changed = change_grey(bscan, draw_grey(NONE, 1, np.random.default_rng(3)))
    assert torch.equal(changed, bscan)


def test_gamma_is_a_power_in_the_samples_own_range(bscan: torch.Tensor) -> None:
    changed = change_grey(bscan, make_draw(gamma=[1.5]))
    torch.testing.assert_close(changed, 10 + 20 * ((bscan - 10) / 20) ** 1.5, atol=1e-4, rtol=0)


def test_contrast_scales_the_distance_from_the_mean(bscan: torch.Tensor) -> None:
    changed = change_grey(bscan, make_draw(contrast=[0.5]))
    torch.testing.assert_close(
        changed, (bscan - bscan.mean()) * 0.5 + bscan.mean(), atol=1e-4, rtol=0
    )


def test_brightness_adds_a_part_of_the_range(bscan: torch.Tensor) -> None:
    changed = change_grey(bscan, make_draw(brightness=[-0.1]))
    torch.testing.assert_close(changed, bscan - 2, atol=1e-4, rtol=0)


def test_speckle_grows_with_brightness() -> None:
    image = torch.zeros(1, 1, 200, 200)
    image[..., 100:] = 1
    noise = change_grey(image, make_draw(speckle=[0.1], grain=[1.0])) - image
    assert float(noise[..., :100].std()) == pytest.approx(0.03, rel=0.05)
    assert float(noise[..., 100:].std()) == pytest.approx(0.13, rel=0.05)


def test_speckle_of_two_seeds_differs_and_repeats(bscan: torch.Tensor) -> None:
    first, second = (make_draw(speckle=[0.1], grain=[2.0]), make_draw(speckle=[0.1], grain=[2.0]))
    second = replace(second, seed=first.seed + 1)
    assert torch.equal(change_grey(bscan, first), change_grey(bscan, first))
    assert not torch.equal(change_grey(bscan, first), change_grey(bscan, second))


def test_blur_is_a_gaussian_of_the_drawn_sigma() -> None:
    point = torch.zeros(2, 1, 41, 41)
    point[..., 20, 20] = 1
    blurred = change_grey(point, make_draw(2, blur=[1.5, 3.0]))
    for image, sigma in zip(blurred[:, 0], (1.5, 3.0), strict=True):
        assert float(image.sum()) == pytest.approx(1, abs=1e-4)
        distance = torch.arange(41) - 20
        for axis in (0, 1):
            spread = float((image.sum(axis) * distance**2).sum()) ** 0.5
            assert spread == pytest.approx(sigma, rel=0.03)


def test_blur_lowers_the_gradient_and_leaves_other_samples_alone(bscan: torch.Tensor) -> None:
    images = bscan.repeat(2, 1, 1, 1)
    blurred = change_grey(images, make_draw(2, blur=[0.0, 1.0]))
    assert torch.equal(blurred[0], images[0])
    assert float(blurred[1].diff(dim=-1).square().mean()) < 0.2 * float(
        bscan.diff(dim=-1).square().mean()
    )
    assert float(blurred[1].mean()) == pytest.approx(float(bscan.mean()), rel=0.01)


def test_blur_keeps_slices_and_channels_apart() -> None:
    volume = torch.zeros(1, 2, 3, 16, 16)
    volume[:, 1, 1] = torch.rand(16, 16)
    blurred = change_grey(volume, make_draw(blur=[2.0]))
    assert not blurred[:, 0].any()
    assert not blurred[:, 1, ::2].any()


def test_vessel_shadow_only_darkens_columns_below_its_top(bscan: torch.Tensor) -> None:
    changed = change_grey(bscan, make_draw(shadow=make_shadow()))
    left = ((changed - 10) / (bscan - 10).clamp_min(1e-3))[0, 0].clamp(0, 2)
    untouched = torch.ones(64, 80, dtype=torch.bool)
    untouched[32:, 36:44] = False
    torch.testing.assert_close(changed[0, 0][untouched], bscan[0, 0][untouched])
    assert (changed <= bscan + 1e-4).all()
    bright = bscan[0, 0] > 11
    below = torch.zeros_like(bright)
    below[36:, 39:41] = True
    lateral = 0.5 + 0.5 * np.cos(np.pi * 0.5 / 4)
    values = left[below & bright]
    torch.testing.assert_close(
        values, torch.full_like(values, 1 - 0.6 * lateral), atol=1e-4, rtol=0
    )


def test_vessel_runs_on_from_slice_to_slice() -> None:
    volume = torch.rand(1, 1, 9, 40, 100)
    changed = change_grey(volume, make_draw(shadow=make_shadow(slope=0.4)))
    darker = (volume - changed)[0, 0].sum(1).argmax(1).float()
    assert float(darker[0]) == pytest.approx(50 - 0.4 * 100 * 4 / 9, abs=2)
    assert float(darker[-1]) == pytest.approx(50 + 0.4 * 100 * 4 / 9, abs=2)


def test_overlapping_shadows_leave_some_light() -> None:
    shadow = ShadowDraw(*(np.full((1, 3), v, np.float32) for v in (0.5, 0.0, 4.0, 0.2, 0.8)))
    image = torch.ones(1, 1, 40, 40)
    image[..., 0, 0] = 0
    changed = change_grey(image, make_draw(shadow=shadow))
    assert float(changed[..., 1:, :].min()) == pytest.approx(0.1, abs=1e-5)


def test_low_signal_dims_a_stretch_with_soft_edges() -> None:
    image = torch.ones(1, 1, 20, 200)
    image[..., 0, :] = 0
    changed = change_grey(image, make_draw(stretch=[[0.5, 0.2, 0.4]]))[0, 0]
    torch.testing.assert_close(changed[1:, :50], torch.ones(19, 50))
    torch.testing.assert_close(changed[1:, 150:], torch.ones(19, 50))
    torch.testing.assert_close(changed[1:, 70:130], torch.full((19, 60), 0.4))
    assert float(changed[1].diff().abs().max()) < 0.12
    assert (changed[1, 50:70].diff() <= 0).all()


def test_cutout_is_a_box_of_the_mean(bscan: torch.Tensor) -> None:
    box = [[[0.0, 0.2], [0.25, 0.5], [0.5, 0.75]]]
    changed = change_grey(bscan, make_draw(cutout=box))
    torch.testing.assert_close(
        changed[..., 16:32, 40:60], bscan.mean().expand(1, 1, 16, 20), atol=1e-4, rtol=0
    )
    outside = torch.ones(64, 80, dtype=torch.bool)
    outside[16:32, 40:60] = False
    assert torch.equal(changed[0, 0][outside], bscan[0, 0][outside])


def test_cutout_of_a_volume_is_a_box_in_all_axes() -> None:
    volume = torch.rand(1, 2, 10, 20, 20)
    changed = change_grey(volume, make_draw(cutout=[[[0.5, 0.8], [0.25, 0.5], [0.0, 0.25]]]))
    differs = (changed != volume).float()
    assert int(differs[0, 0].sum()) == 3 * 5 * 5
    assert differs[0, :, 5:8, 5:10, 0:5].all()
    for channel in (0, 1):
        box = changed[0, channel, 5:8, 5:10, 0:5]
        assert float(box.std()) < 1e-6
        assert float(box.mean()) == pytest.approx(float(volume[0, channel].mean()), abs=1e-5)


@pytest.mark.parametrize("name", ["vessel_shadow", "low_signal", "cutout", "blur"])
def test_changes_of_some_samples_come_as_often_as_asked(name: str) -> None:
    config = NONE.model_copy(update={name: 2.0 if name == "blur" else 0.3})
    draw = draw_grey(config, 2000, np.random.default_rng(3))
    if name == "vessel_shadow":
        assert draw.shadow is not None
        present = draw.shadow.strength.any(1)
    elif name == "low_signal":
        assert draw.stretch is not None
        present = draw.stretch[:, 2] < 1
    elif name == "cutout":
        assert draw.cutout is not None
        present = (draw.cutout[..., 1] > draw.cutout[..., 0]).all(1)
    else:
        assert draw.blur is not None
        present = draw.blur > 0
    assert present.mean() == pytest.approx(0.5 if name == "blur" else 0.3, abs=0.04)


def test_draws_lie_in_their_ranges() -> None:
    draw = draw_grey(NONE.model_copy(update=CHANGES), 2000, np.random.default_rng(3))
    ranges = {
        "gamma": (np.exp(-0.4), np.exp(0.4)),
        "contrast": (0.7, 1.3),
        "brightness": (-0.2, 0.2),
        "speckle": (0, 0.2),
        "grain": (1, 3),
        "cutout": (0, 1),
    }
    for name, (low, high) in ranges.items():
        values = getattr(draw, name)
        assert low - 1e-6 <= values.min() < low + 0.1 * (high - low), name
        assert high - 0.1 * (high - low) < values.max() <= high + 1e-6, name


def test_a_sample_without_contrast_stays_finite() -> None:
    draw = draw_grey(NONE.model_copy(update=CHANGES), 2, np.random.default_rng(3))
    assert torch.isfinite(change_grey(torch.full((2, 1, 20, 20), 3.0), draw)).all()


@given(sigmas=st.lists(st.floats(0.05, 5), min_size=1, max_size=4))
@settings(deadline=None, max_examples=40)
def test_gaussian_weights_add_up_and_do_not_depend_on_the_others(sigmas: list[float]) -> None:
    weights = gaussian_weights(np.array(sigmas, np.float32))
    np.testing.assert_allclose(2 * weights.sum(1) - weights[:, 0], 1)
    for sigma, row in zip(sigmas, weights, strict=True):
        alone = gaussian_weights(np.array([sigma], np.float32))[0]
        np.testing.assert_allclose(row[: len(alone)], alone, rtol=1e-12)
        assert not row[len(alone) :].any()

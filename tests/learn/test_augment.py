"""Random changes of training samples: drawn first, applied later, on the device."""

from __future__ import annotations

import pickle
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest
import torch

from napari_retseg.classes import IGNORE
from napari_retseg.config import AUGMENT_PRESETS, AugmentConfig
from napari_retseg.learn.augment import AugmentDraw, apply_augment, draw_augment

NONE = AUGMENT_PRESETS["none"]
#: A value of each option that surely changes something.
OPTIONS = {
    "flip": 1.0,
    "vertical_flip": 1.0,
    "rotation": 20.0,
    "scale": 0.3,
    "shift": 0.2,
    "shear": 0.2,
    "elastic": 0.05,
    "ascan_shift": 0.1,
    "bscan_motion": 0.1,
    "gamma": 0.4,
    "contrast": 0.3,
    "brightness": 0.2,
    "speckle": 0.2,
    "blur": 2.0,
    "vessel_shadow": 1.0,
    "low_signal": 1.0,
    "cutout": 1.0,
}
SHAPES = [(3, 1, 48, 40), (3, 2, 6, 48, 40)]

Pair = tuple[torch.Tensor, torch.Tensor]


def make_batch(shape: tuple[int, ...]) -> Pair:
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(*shape, generator=generator)
    return images, torch.randint(0, 6, (shape[0], *shape[2:]), generator=generator)


def arrays_in(value: Any) -> list[Any]:
    if is_dataclass(value):
        return [leaf for f in fields(value) for leaf in arrays_in(getattr(value, f.name))]
    return [value]


def draw_for(config: AugmentConfig, shape: tuple[int, ...], *, seed: int = 5) -> AugmentDraw:
    return draw_augment(config, shape[0], np.random.default_rng(seed), dims=len(shape) - 2)


def test_every_option_is_tried_here() -> None:
    assert set(OPTIONS) == set(AugmentConfig.model_fields)


@pytest.mark.parametrize("shape", SHAPES)
def test_none_returns_what_it_got(shape: tuple[int, ...]) -> None:
    batch = make_batch(shape)
    changed = apply_augment(*batch, draw_for(NONE, shape))
    assert changed[0] is batch[0]
    assert changed[1] is batch[1]


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_each_option_alone_changes_the_samples(name: str, shape: tuple[int, ...]) -> None:
    batch = make_batch(shape)
    before = tuple(pixels.clone() for pixels in batch)
    draw = draw_for(NONE.model_copy(update={name: OPTIONS[name]}), shape)
    images, labels = apply_augment(*batch, draw)
    assert (images - batch[0]).abs().max() > 0.02
    moves = list(OPTIONS).index(name) < list(OPTIONS).index("gamma")
    assert torch.equal(labels, batch[1]) != moves
    assert all(torch.equal(a, b) for a, b in zip(batch, before, strict=True))


@pytest.mark.parametrize("preset", ["oct", "strong"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_draw_repeats_bit_by_bit(preset: str, shape: tuple[int, ...]) -> None:
    batch = make_batch(shape)
    draw = draw_for(AUGMENT_PRESETS[preset], shape)
    first = apply_augment(*batch, draw)
    torch.manual_seed(99)
    again = apply_augment(*batch, pickle.loads(pickle.dumps(draw)))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    same_seed = apply_augment(*batch, draw_for(AUGMENT_PRESETS[preset], shape))
    assert torch.equal(first[0], same_seed[0])
    other_seed = apply_augment(*batch, draw_for(AUGMENT_PRESETS[preset], shape, seed=6))
    assert not torch.equal(first[0], other_seed[0])


def test_a_draw_is_plain_numbers() -> None:
    config = NONE.model_copy(update=OPTIONS)
    for value in arrays_in(draw_augment(config, 2, np.random.default_rng(0))):
        assert isinstance(value, (int, np.ndarray))


@pytest.mark.parametrize("name", ["all", *OPTIONS])
@pytest.mark.parametrize("shape", SHAPES)
def test_one_sample_alone_changes_as_in_its_batch(name: str, shape: tuple[int, ...]) -> None:
    shares = {"flip": 0.5, "vertical_flip": 0.5, "vessel_shadow": 0.5, "cutout": 0.5}
    options = OPTIONS | shares
    changes = options if name == "all" else {name: options[name]}
    batch = make_batch(shape)
    draw = draw_for(NONE.model_copy(update=changes), shape)
    images, labels = apply_augment(*batch, draw)
    for i in range(shape[0]):
        one = slice(i, i + 1)
        image, label = apply_augment(batch[0][one], batch[1][one], draw.take(i))
        torch.testing.assert_close(image[0], images[i], atol=1e-5, rtol=0)
        assert torch.equal(label[0], labels[i])


def test_only_samples_that_a_draw_has_can_be_taken() -> None:
    draw = draw_augment(NONE, 2, np.random.default_rng(0))
    for index in (-1, 2):
        with pytest.raises(IndexError, match=f"sample {index}"):
            draw.take(index)


@pytest.mark.parametrize("name", OPTIONS)
def test_samples_of_a_draw_differ(name: str) -> None:
    value = 0.5 if name in ("flip", "vertical_flip") else OPTIONS[name]
    draw = draw_augment(NONE.model_copy(update={name: value}), 8, np.random.default_rng(5))
    images, labels = make_batch((1, 1, 48, 40))
    changed, _ = apply_augment(images.repeat(8, 1, 1, 1), labels.repeat(8, 1, 1), draw)
    assert any(not torch.equal(changed[0], other) for other in changed[1:])


@pytest.mark.parametrize("preset", ["light", "oct", "strong"])
def test_labels_stay_over_what_they_label(preset: str) -> None:
    """In an image of large areas, each label's pixels keep about their own grey value."""
    labels = torch.zeros(4, 64, 96, dtype=torch.long)
    labels[:, 20:34, 8:60], labels[:, 40:52] = 2, 1
    images = labels[:, None].float() / 2
    keep = {"gamma": 0, "contrast": 0, "brightness": 0, "speckle": 0, "blur": 0}
    keep |= {"vessel_shadow": 0, "low_signal": 0, "cutout": 0}
    config = AUGMENT_PRESETS[preset].model_copy(update=keep)
    for seed in range(5):
        draw = draw_augment(config, 4, np.random.default_rng(seed))
        moved, moved_labels = apply_augment(images, labels, draw)
        known = moved_labels != IGNORE
        assert known.float().mean() > 0.6
        wrong = ((moved[:, 0] * 2).round() != moved_labels) & known
        assert wrong.float().mean() < 0.03


def test_a_draw_for_other_samples_is_refused() -> None:
    images, labels = make_batch((3, 1, 48, 40))
    for n, dims in ((2, 2), (3, 3)):
        draw = draw_augment(NONE, n, np.random.default_rng(0), dims=dims)
        with pytest.raises(ValueError, match=f"a draw for {n} of {dims}"):
            apply_augment(images, labels, draw)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("shape", SHAPES)
def test_a_draw_replays_on_another_device(shape: tuple[int, ...]) -> None:
    batch = make_batch(shape)
    draw = draw_for(NONE.model_copy(update=OPTIONS), shape)
    here = apply_augment(*batch, draw)
    there = apply_augment(batch[0].cuda(), batch[1].cuda(), draw)
    assert there[0].is_cuda
    torch.testing.assert_close(there[0].cpu(), here[0], atol=2e-3, rtol=0)
    assert (there[1].cpu() == here[1]).float().mean() > 0.999

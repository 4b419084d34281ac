from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_retseg.classes import IGNORE
from napari_retseg.config import PreprocessConfig
from napari_retseg.dataset import load_dataset
from napari_retseg.errors import InputError
from napari_retseg.learn import samples
from napari_retseg.learn.samples import CropSampler, SampleStore


def load(dataset: Path) -> SampleStore:
    store = SampleStore(load_dataset(dataset), PreprocessConfig())
    progress = list(store.load())
    assert (progress[-1].done, progress[-1].total) == (8, 8)
    return store


@pytest.fixture
def store(tiny_dataset: Path) -> SampleStore:
    return load(tiny_dataset)


def test_only_training_bscans_are_stored(store: SampleStore) -> None:
    assert len(store) == 8
    assert store.largest == (64, 64)
    assert store.class_pixels.shape == (8, 4)


def test_a_draw_follows_from_the_seed(store: SampleStore) -> None:
    sampler = CropSampler(store, crop=(32, 32))
    first = sampler.draw(4, np.random.default_rng(3))
    again = sampler.draw(4, np.random.default_rng(3))
    other = sampler.draw(4, np.random.default_rng(4))
    assert all(bool((a == b).all()) for a, b in zip(first, again, strict=True))
    assert not bool((first[0] == other[0]).all())


def test_every_crop_holds_annotated_pixels(store: SampleStore) -> None:
    for number in range(len(store)):
        labels = store.read(number).labels
        labels[:, 6:] = IGNORE  # only two columns are left
    store.class_pixels[:] = 0
    sampler = CropSampler(store, crop=(32, 32))
    _, drawn = sampler.draw(60, np.random.default_rng(0))
    assert bool((drawn != IGNORE).flatten(1).any(dim=1).all())


def test_rare_classes_are_drawn_more_often(store: SampleStore) -> None:
    sampler = CropSampler(store, crop=(32, 32))
    _, drawn = sampler.draw(300, np.random.default_rng(1))
    share = float((drawn == 3).flatten(1).any(dim=1).float().mean())
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(300):
        labels = store.read(int(rng.integers(len(store)))).labels
        top, left = rng.integers(0, 33, 2)
        hits += bool((labels[top : top + 32, left : left + 32] == 3).any())
    assert share > hits / 300 + 0.1


def test_crops_larger_than_the_scan_are_padded_as_not_annotated(store: SampleStore) -> None:
    images, labels = CropSampler(store, crop=(80, 100)).draw(2, np.random.default_rng(0))
    assert images.shape == (2, 1, 96, 128)
    assert bool((labels[:, 64:] == IGNORE).all())
    assert bool((labels[:, :, 64:] == IGNORE).all())
    assert bool((images[:, :, 64:, 0] == images[:, :, 63:64, 0]).all())


def test_what_does_not_fit_into_memory_is_read_again(
    tiny_dataset: Path, store: SampleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "MEMORY_BYTES", 3 * 64 * 64 * 5)
    small = load(tiny_dataset)
    for number in range(8):
        assert np.array_equal(small.read(number).image, store.read(number).image)
        assert np.array_equal(small.read(number).labels, store.read(number).labels)


def test_bscans_without_a_label_are_left_out(tiny_dataset: Path) -> None:
    empty = np.full((64, 64), IGNORE, np.uint8)
    for path in sorted((tiny_dataset / "labels").glob("P1*"))[:3]:
        Image.fromarray(empty).save(path)
    assert len(load(tiny_dataset)) == 5
    for path in (tiny_dataset / "labels").glob("P[12]*"):
        Image.fromarray(empty).save(path)
    with pytest.raises(InputError, match="no annotated B-scan"):
        load(tiny_dataset)

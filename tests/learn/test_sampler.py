from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_retseg.classes import IGNORE
from napari_retseg.config import PreprocessConfig
from napari_retseg.dataset import load_dataset
from napari_retseg.learn.sampler import CropSampler
from napari_retseg.learn.samples import SampleStore


@pytest.fixture
def store(tiny_dataset: Path) -> SampleStore:
    store = SampleStore(load_dataset(tiny_dataset), PreprocessConfig())
    list(store.load())
    return store


def make(
    store: SampleStore,
    crop: tuple[int, ...] | None = (32, 32),
    *,
    class_share: float = 0.5,
    seed: int = 0,
) -> CropSampler:
    return CropSampler(store, crop=crop, stride=32, class_share=class_share, seed=seed)


def test_a_draw_follows_from_the_seed(store: SampleStore) -> None:
    first = make(store).draw(4, np.random.default_rng(3), first=0)
    again = make(store).draw(4, np.random.default_rng(3), first=0)
    other = make(store).draw(4, np.random.default_rng(4), first=0)
    assert all(bool((a == b).all()) for a, b in zip(first, again, strict=True))
    assert not bool((first[0] == other[0]).all())


def test_without_class_draws_each_pass_holds_every_sample_once(store: SampleStore) -> None:
    for number in range(len(store)):
        store.read(number).image[:] = number
    sampler = make(store, crop=None, class_share=0)
    rng = np.random.default_rng(0)
    passes = []
    for tour in range(2):
        images = torch.cat(
            [sampler.draw(4, rng, first=8 * tour + 4 * half)[0] for half in range(2)]
        )
        passes.append([int(image.max()) for image in images])
        assert sorted(passes[-1]) == list(range(8))
    assert passes[0] != passes[1]
    other = make(store, crop=None, class_share=0, seed=1).draw(8, rng, first=0)[0]
    assert [int(image.max()) for image in other] != passes[0]


def test_every_crop_holds_annotated_pixels(store: SampleStore) -> None:
    for number in range(len(store)):
        store.read(number).labels[:, 6:] = IGNORE  # only two columns are left
    store.class_pixels[:] = 0
    _, drawn = make(store).draw(60, np.random.default_rng(0), first=0)
    assert (drawn != IGNORE).flatten(1).any(dim=1).all()


def test_the_class_share_brings_rare_classes(store: SampleStore) -> None:
    def count(share: float) -> int:
        sampler = make(store, class_share=share)
        _, labels = sampler.draw(200, np.random.default_rng(0), first=0)
        return int((labels == 3).flatten(1).any(dim=1).sum())

    assert count(1.0) > 1.4 * count(0.0)


def test_a_crop_larger_than_the_scan_is_padded(store: SampleStore) -> None:
    images, labels = make(store, crop=(80, 100)).draw(2, np.random.default_rng(0), first=0)
    assert images.shape == (2, 1, 96, 128)
    assert labels.shape == (2, 96, 128)
    for image, wanted in zip(images[:, 0], labels, strict=True):
        rows = int(np.nonzero((wanted != IGNORE).any(dim=1).numpy())[0][0])
        assert (wanted != IGNORE).any(dim=1).sum() == 64
        below = image[rows + 64 :]
        assert (below == image[rows + 63]).all()
        assert (image[:rows] == image[rows]).all()


def test_a_small_sample_lies_anywhere_in_its_crop(store: SampleStore) -> None:
    _, labels = make(store, crop=(96, 96)).draw(40, np.random.default_rng(0), first=0)
    first = [int(np.nonzero((one != IGNORE).any(dim=1).numpy())[0][0]) for one in labels]
    assert min(first) < 5
    assert max(first) > 27
    assert all((one != IGNORE).any(dim=1).sum() == 64 for one in labels)


def test_with_an_overhang_some_crops_cut_their_sample(store: SampleStore) -> None:
    sampler = CropSampler(store, crop=(64, 64), stride=32, class_share=0.5, seed=0, overhang=0.25)
    images, labels = sampler.draw(200, np.random.default_rng(0), first=0)
    assert images.shape == (200, 1, 64, 64)
    assert (labels != IGNORE).flatten(1).any(dim=1).all()
    rows = (labels != IGNORE).any(dim=2).sum(dim=1)
    assert rows.min() >= 48
    assert 20 < int((rows < 64).sum()) < 60


def test_whole_samples_hold_the_largest(store: SampleStore) -> None:
    assert make(store, crop=None).size == (64, 64)


def test_crops_of_volumes_hold_the_class_that_they_are_drawn_for() -> None:
    store = SampleStore.__new__(SampleStore)
    labels = np.zeros((20, 40, 40), np.uint8)
    labels[17, 35, 3] = 1
    image = labels[np.newaxis].astype(np.float32)
    from napari_retseg.learn.samples import Sample

    store.__dict__.update(
        _origin=[None],
        _kept={0: Sample(image, labels)},
        largest=labels.shape,
        class_pixels=np.array([[labels.size - 1, 1]]),
    )
    sampler = CropSampler(store, crop=(8, 16, 16), stride=8, class_share=1.0, seed=0)
    images, drawn = sampler.draw(5, np.random.default_rng(0), first=0)
    assert images.shape == (5, 1, 8, 16, 16)
    assert (drawn == 1).flatten(1).any(dim=1).all()
    assert torch.equal(images[:, 0], drawn.float())


def test_crops_with_too_much_of_one_class_are_drawn_again(store: SampleStore) -> None:
    def largest_shares(cap: float) -> list[float]:
        sampler = CropSampler(store, crop=(32, 32), stride=32, class_share=0, seed=0, cap=cap)
        _, labels = sampler.draw(40, np.random.default_rng(0), first=0)
        counts = [np.bincount(one.ravel(), minlength=256)[:IGNORE] for one in labels.numpy()]
        return [float(count.max() / count.sum()) for count in counts]

    free, capped = largest_shares(1.0), largest_shares(0.6)
    assert sum(share >= 0.6 for share in free) > 5
    assert sum(share >= 0.6 for share in capped) < 3

"""Samples to look at before a training are those that it would draw."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from napari_retseg.config import TrainConfig
from napari_retseg.dataset import load_dataset
from napari_retseg.errors import InputError, UsageError
from napari_retseg.events import CancelToken, Event, Finished, SamplesDrawn, decode, encode
from napari_retseg.learn.preview import draw_samples, to_grey


def draw(folder: Path, *, start: Path | None = None, **values: object) -> SamplesDrawn:
    config = TrainConfig.model_validate({"crop": "32x32", "batch_size": 3, **values})
    events = list(draw_samples(load_dataset(folder), config, start=start))
    (drawn,) = [event for event in events if isinstance(event, SamplesDrawn)]
    assert isinstance(events[-1], Finished)
    return drawn


def test_eight_samples_of_the_crop_with_their_labels(tiny_dataset: Path, tiny_bundle: Path) -> None:
    drawn = draw(tiny_dataset, start=tiny_bundle, augment="none")
    assert drawn.images.shape == drawn.labels.shape == (8, 32, 32)
    assert set(np.unique(drawn.labels)) <= {0, 1, 2, 3, 255}
    bright, dark = drawn.images[drawn.labels == 1], drawn.images[drawn.labels == 0]
    assert bright.mean() > dark.mean() + 60


def test_another_seed_and_other_changes_give_others(tiny_dataset: Path, tiny_bundle: Path) -> None:
    one = draw(tiny_dataset, start=tiny_bundle, seed=1, augment="none")
    again = draw(tiny_dataset, start=tiny_bundle, seed=1, augment="none")
    other = draw(tiny_dataset, start=tiny_bundle, seed=2, augment="none")
    changed = draw(tiny_dataset, start=tiny_bundle, seed=1, augment="strong")
    assert np.array_equal(one.images, again.images)
    assert not np.array_equal(one.images, other.images)
    assert not np.array_equal(one.images, changed.images)


def test_volumes_show_their_middle_slice(tiny_volumes: Path) -> None:
    drawn = draw(tiny_volumes, dims="3", crop="32x32x32", augment="none")
    assert drawn.images.shape == (8, 32, 32)


def test_nothing_is_written(tiny_dataset: Path, tiny_bundle: Path) -> None:
    path = tiny_dataset / "dataset.json"
    content = json.loads(path.read_text())
    for case in content["training"]:
        del case["split"]
    path.write_text(json.dumps(content))
    before = path.read_bytes()
    draw(tiny_dataset, start=tiny_bundle)
    assert path.read_bytes() == before


def test_it_is_refused_where_the_training_would_be(tiny_dataset: Path, tiny_bundle: Path) -> None:
    with pytest.raises((UsageError, InputError), match="strategy"):
        draw(tiny_dataset, strategy="decoder")


def test_it_can_be_stopped(tiny_dataset: Path, tiny_bundle: Path) -> None:
    cancel = CancelToken()
    cancel.cancel()
    events: list[Event] = list(
        draw_samples(load_dataset(tiny_dataset), TrainConfig(), cancel, start=tiny_bundle)
    )
    assert events[-1] == Finished(cancelled=True)


def test_the_event_travels_whole(rng: np.random.Generator) -> None:
    images, labels = rng.integers(0, 255, (2, 8, 6, 5), dtype=np.uint8)
    there = decode(encode(SamplesDrawn(images, labels)))
    assert isinstance(there, SamplesDrawn)
    assert np.array_equal(there.images, images)
    assert np.array_equal(there.labels, labels)


def test_pictures_share_one_scale() -> None:
    images = np.stack([np.linspace(0, 1, 400), np.linspace(0, 2, 400)]).reshape(2, 20, 20)
    grey = to_grey(images.astype(np.float32))
    assert 120 <= int(grey[0].max()) <= 135
    assert grey[1].max() == 255

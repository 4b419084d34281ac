"""An older dataset that is mixed in against forgetting."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from napari_retseg.config import TrainConfig
from napari_retseg.dataset import load_dataset
from napari_retseg.errors import InputError, ModelError, UsageError
from napari_retseg.events import Finished, Scored
from napari_retseg.learn.batches import Batches
from napari_retseg.learn.setup import prepare
from napari_retseg.learn.train import fine_tune

CONFIG = TrainConfig(
    iterations=2, batch_size=4, device="cpu", precision="fp32", augment="none", crop="whole"
)


@pytest.fixture
def older(tiny_dataset: Path, tmp_path: Path) -> Path:
    """The tiny dataset once more, its images all white but for two pixels that differ."""
    folder = tmp_path / "older"
    shutil.copytree(tiny_dataset, folder)
    for number, path in enumerate(sorted((folder / "images").iterdir())):
        grey = np.full((64, 64), 250, np.uint8)
        grey[0, :2] = 0, number
        Image.fromarray(grey).save(path)
    return folder


def with_older(older: Path, **options: Any) -> TrainConfig:
    return CONFIG.model_copy(update={"rehearse": str(older), "normalise": "min-max", **options})


@pytest.mark.parametrize(("share", "expected"), [(0.25, 1), (0.5, 2)])
def test_its_share_of_each_batch(
    tiny_dataset: Path, tiny_bundle: Path, older: Path, share: float, expected: int
) -> None:
    config = with_older(older, rehearse_share=share)
    batches = Batches(prepare(load_dataset(tiny_dataset), config, start=tiny_bundle))
    list(batches.load())
    for iteration in range(3):
        images, _ = batches.draw(iteration)
        white = (images.flatten(1).mean(dim=1) > 0.99).sum()
        assert (len(images), int(white)) == (4, expected)


def test_scores_on_its_held_out_scans_are_told(
    tiny_dataset: Path, tiny_bundle: Path, older: Path, tmp_path: Path
) -> None:
    dataset = load_dataset(tiny_dataset)
    config = with_older(older)
    events = list(fine_tune(dataset, config, output=tmp_path / "run", start=tiny_bundle))
    scored = [event for event in events if isinstance(event, Scored)]
    assert len(scored) >= 2
    for event in scored:
        assert event.rehearsed is not None
        assert event.rehearsed["n_bscans"] == 4
        assert event.rehearsed != event.scores
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.result["rehearsed"]["start"] == scored[0].rehearsed
    assert finished.result["rehearsed"]["last"] == scored[-1].rehearsed


def test_classes_that_the_model_does_not_have_are_named(
    tiny_dataset: Path, tiny_bundle: Path, older: Path
) -> None:
    path = older / "dataset.json"
    path.write_text(path.read_text().replace('"fluid"', '"drusen"'))
    with pytest.raises(
        ModelError, match=r"older: has classes that the model does not have: drusen"
    ):
        prepare(load_dataset(tiny_dataset), with_older(older), start=tiny_bundle)


def test_other_channels_are_named(tiny_dataset: Path, tiny_bundle: Path, older: Path) -> None:
    path = older / "dataset.json"
    data = json.loads(path.read_text())
    for case in data["training"]:
        stem = Path(case["image"]).stem
        case["image"] = f"./images/{stem}.npy"
        np.save(older / case["image"], np.zeros((2, 1, 64, 64), np.uint8))
    path.write_text(json.dumps(data))
    with pytest.raises(InputError):
        prepare(load_dataset(tiny_dataset), with_older(older), start=tiny_bundle)


def test_a_share_that_is_less_than_a_sample_is_refused(
    tiny_dataset: Path, tiny_bundle: Path, older: Path
) -> None:
    config = with_older(older, rehearse_share=0.1)
    with pytest.raises(UsageError, match=r"rehearsal part of 0\.1 gives no sample in a batch of 4"):
        prepare(load_dataset(tiny_dataset), config, start=tiny_bundle)

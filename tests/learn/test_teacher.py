"""Learning from B-scans that nobody labelled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from napari_retseg.classes import IGNORE
from napari_retseg.config import TrainConfig
from napari_retseg.dataset import BscanState, Case, load_dataset
from napari_retseg.dataset.unlabelled import find_unlabelled, list_with_unlabelled
from napari_retseg.errors import UsageError
from napari_retseg.events import CancelToken, Event, Finished, Message, Scored, StepDone
from napari_retseg.learn import teacher
from napari_retseg.learn.batches import Batches
from napari_retseg.learn.setup import Setup, prepare
from napari_retseg.learn.teacher import Lesson, count_samples, label_lesson
from napari_retseg.learn.train import fine_tune
from tests.learn.test_eyes import of_simulated

CONFIG = TrainConfig(
    iterations=5,
    batch_size=2,
    crop="32x32",
    score_every=3,
    checkpoint_seconds=0,
    device="cpu",
    precision="fp32",
    lr=5e-3,
)


@pytest.fixture
def partly(tiny_dataset: Path) -> Path:
    """The tiny dataset without the labels of P1, but for one, and of one held-out B-scan."""
    path = tiny_dataset / "dataset.json"
    content = json.loads(path.read_text())
    for case in content["training"]:
        if case["image"][-9:-4] in ("P1_B1", "P1_B2", "P1_B3", "P3_B0"):
            del case["label"]
    path.write_text(json.dumps(content))
    return tiny_dataset


def load(dataset: Path, start: Path, **options: Any) -> tuple[Setup, Batches]:
    config = CONFIG.model_copy(update=options)
    setup = prepare(load_dataset(dataset), config, start=start)
    batches = Batches(setup)
    list(batches.load())
    return setup, batches


def train(dataset: Path, output: Path, start: Path | None, **options: Any) -> list[Event]:
    config = CONFIG.model_copy(update=options.pop("config", {}))
    return list(fine_tune(load_dataset(dataset), config, output=output, start=start, **options))


def test_only_training_patients_are_learned_from(partly: Path, tiny_bundle: Path) -> None:
    dataset = load_dataset(partly)
    stranger = dataset.cases[0].model_copy(
        update={"image": partly / "new.png", "label": None, "group": "P9", "split": None}
    )
    later = stranger.model_copy(update={"image": partly / "later.png", "group": "P1"})
    more = dataset.model_copy(update={"cases": (*dataset.cases, stranger, later)})
    found = {case.image.name for case in list_with_unlabelled(more) if case.label is None}
    assert found == {"P1_B1.png", "P1_B2.png", "P1_B3.png", "later.png"}
    assert len(load(partly, tiny_bundle)[1].lessons) == 3
    assert len(load(partly, tiny_bundle, unlabelled="off")[1].lessons) == 0
    assert len(load(partly, tiny_bundle, minutes=1.0, iterations=0)[1].lessons) == 0


def test_of_a_volume_what_is_confirmed_held_out_or_in_the_gap_is_left_out(tmp_path: Path) -> None:
    states = {1: "confirmed", 2: "corrected", 3: "predicted"}
    case = Case(
        image=tmp_path / "a.tif",
        label=tmp_path / "a",
        group="P1",
        bscans={k: BscanState(state=state) for k, state in states.items()},
        heldout_bscans=(6, 7),
        unused_bscans=(5,),
    )
    assert find_unlabelled(case, 8) == [0, 2, 3, 4]


def test_a_lesson_shows_the_same_places_to_both(partly: Path, tiny_bundle: Path) -> None:
    setup, batches = load(partly, tiny_bundle, augment="oct", batch_size=4)
    lesson = batches.lessons.draw(7, 1.0)
    assert len(lesson) == count_samples(setup.config) == 2
    assert lesson.weight == 1.0
    assert batches.lessons.draw(7, 0.0).weight < 0.01
    assert torch.equal(lesson.strong, batches.lessons.draw(7, 1.0).strong)
    assert not torch.equal(lesson.strong, lesson.weak)
    flat = [(one - one.mean()).flatten() for one in (lesson.weak, lesson.strong)]
    cosine = flat[0] @ flat[1] / flat[0].norm() / flat[1].norm()
    assert cosine > 0.5


class Certain(torch.nn.Module):
    """Is sure of class 1 where a pixel is bright, and unsure elsewhere."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        bright = 9.0 * (images[:, 0] > 0.5)
        return torch.stack([0 * bright, bright, 0 * bright], dim=1)


def test_only_what_the_teacher_is_sure_of_is_learned(partly: Path, tiny_bundle: Path) -> None:
    setup, _ = load(partly, tiny_bundle)
    weak = torch.zeros(1, 1, 4, 4)
    weak[..., :2] = 1
    outside = torch.zeros(1, 4, 4, dtype=torch.int64)
    outside[:, 0] = IGNORE
    labels = label_lesson(Certain(), setup.compute, Lesson(weak, weak, outside, 1.0))
    expected = np.full((4, 4), IGNORE)
    expected[1:, :2] = 1
    assert np.array_equal(labels[0].numpy(), expected)


def test_a_run_that_is_stopped_in_a_lesson_goes_on_as_if_it_had_never_stopped(
    partly: Path, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With simulated eyes in each batch, too."""
    monkeypatch.setattr("napari_retseg.learn.eyes.SCORED", 1)
    monkeypatch.setattr("napari_retseg.learn.eyes.REHEARSED", 2)
    start = of_simulated(tiny_bundle)
    whole = train(partly, tmp_path / "whole", start)
    assert [e.iteration for e in whole if isinstance(e, Scored)] == [0, 3, 5, 6, 7]
    cancel = CancelToken()
    stopped = []
    for event in fine_tune(
        load_dataset(partly), CONFIG, cancel, output=tmp_path / "cut", start=start
    ):
        stopped.append(event)
        if isinstance(event, StepDone) and event.iteration == 6:
            cancel.cancel()
    resumed = train(partly, tmp_path / "cut", None, resume=True)
    losses = [e.loss for e in [*stopped, *resumed] if isinstance(e, StepDone)]
    assert losses == [e.loss for e in whole if isinstance(e, StepDone)]
    assert isinstance(whole[-1], Finished)
    assert isinstance(resumed[-1], Finished)
    for name in ("unlabelled", "elsewhere"):
        assert whole[-1].result[name] is not None
        assert whole[-1].result[name] == resumed[-1].result[name]
    one, other = (
        load_file(tmp_path / run / "model-last" / "model.safetensors") for run in ("whole", "cut")
    )
    assert all(torch.equal(one[name], other[name]) for name in one | other)


def test_what_lowers_the_held_out_scores_is_not_kept(
    partly: Path, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_retseg.learn.train.LESSON_RATE", 30)  # unlearns
    longer = {"iterations": 20, "ema": 0.0, "crop": "whole"}
    events = train(partly, tmp_path / "run", tiny_bundle, config=longer)
    result = events[-1].result  # type: ignore[union-attr]
    told = [e.text for e in events if isinstance(e, Message) and "unlabelled" in e.text][-1]
    assert "did not help" in told
    found = result["unlabelled"]
    assert found["bscans"] == 3
    assert found["dice_with"] < found["dice_without"] == result["best"]["mean_foreground_dice"]
    assert result["best_iteration"] <= 20


def test_a_run_does_not_go_on_with_other_unlabelled_scans(
    partly: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    path = partly / "dataset.json"
    content = json.loads(path.read_text())
    for case in content["training"]:
        if "label" not in case:
            del case["split"]
    path.write_text(json.dumps(content))
    train(partly, tmp_path / "run", tiny_bundle)
    (partly / "images" / "P1_B1.png").write_bytes((partly / "images" / "P1_B2.png").read_bytes())
    with pytest.raises(UsageError, match="the unlabelled scans changed"):
        train(partly, tmp_path / "run", None, resume=True)


def test_the_weight_rises() -> None:
    assert [round(teacher._rise(x), 3) for x in (0.0, 0.15, 0.3, 1.0)] == [0.007, 0.287, 1.0, 1.0]

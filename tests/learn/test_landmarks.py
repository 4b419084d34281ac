"""Landmarks of nyul: learnt once, from the training scans, and stopped like any work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from napari_retseg.config import TrainConfig
from napari_retseg.dataset import load_dataset
from napari_retseg.errors import UsageError
from napari_retseg.events import CancelToken, Event, Finished, Progress
from napari_retseg.learn.landmarks import learn_landmarks
from napari_retseg.learn.preview import draw_samples
from napari_retseg.learn.setup import Setup, prepare
from napari_retseg.learn.train import fine_tune
from napari_retseg.nets.bundle import load_model, save_model
from napari_retseg.nets.scaninput import LandmarkLearner
from napari_retseg.runs.record import read_run_model

NYUL = TrainConfig(
    normalise="nyul", crop="64x64", batch_size=2, iterations=3, score_every=2, device="cpu",
    precision="fp32", encoder="tu-test_resnet",
)  # fmt: skip


def set_up(dataset: Path, start: Path | None = None, **options: Any) -> Setup:
    return prepare(load_dataset(dataset), NYUL.model_copy(update=options), start=start)


def learn(setup: Setup, cancel: CancelToken | None = None) -> tuple[list[Progress], Setup]:
    learning, told = learn_landmarks(setup, cancel or CancelToken()), []
    while True:
        try:
            told.append(next(learning))
        except StopIteration as end:
            return told, end.value


def test_they_are_learnt_from_the_training_scans(tiny_dataset: Path) -> None:
    setup = set_up(tiny_dataset)
    told, learnt = learn(setup)
    landmarks = learnt.info.preprocess.landmarks
    assert len(landmarks) > 5
    assert list(landmarks) == sorted(landmarks)
    cases = [case for case in setup.dataset.of_split("train") if case.has_annotation]
    assert [(one.done, one.total) for one in told] == [
        (k, len(cases)) for k in range(1, len(cases) + 1)
    ]
    learner = LandmarkLearner(setup.info.preprocess)
    for case in cases:
        learner.add(case.read_scan())
    assert landmarks == learner.average()


def test_they_are_not_learnt_where_that_is_in_vain(tiny_dataset: Path, tmp_path: Path) -> None:
    _, known = learn(set_up(tiny_dataset, encoder="auto"))
    save_model(tmp_path / "known", known.network, known.info)
    # the starting model has them
    again = set_up(tiny_dataset, tmp_path / "known", normalise="auto", encoder="auto")
    assert learn(again) == ([], again)
    assert again.info.preprocess == known.info.preprocess
    # others are asked for
    other = set_up(tiny_dataset, tmp_path / "known", encoder="auto")
    assert learn(other)[0]
    assert not learn(set_up(tiny_dataset, normalise="z-score"))[0]
    with pytest.raises(UsageError, match="too deep"):
        set_up(tiny_dataset, crop="32x32")


def test_a_training_that_is_stopped_meanwhile_goes_on_later(
    tiny_dataset: Path, tmp_path: Path
) -> None:
    dataset, run = load_dataset(tiny_dataset), tmp_path / "run"
    cancel, events = CancelToken(), []
    for event in fine_tune(dataset, NYUL, cancel, output=run):
        events.append(event)
        cancel.cancel()
    assert isinstance(events[0], Progress)
    assert isinstance(events[-1], Finished)
    assert events[-1].cancelled
    assert read_run_model(run).preprocess.landmarks == ()
    resumed = list(fine_tune(dataset, output=run, resume=True))
    whole = list(fine_tune(dataset, NYUL, output=tmp_path / "whole"))
    assert _last(resumed) == _last(whole)
    landmarks = read_run_model(tmp_path / "whole").preprocess.landmarks
    assert len(landmarks) > 5
    assert read_run_model(run).preprocess.landmarks == landmarks
    assert load_model(run / "model").info.preprocess.landmarks == landmarks


def _last(events: list[Event]) -> dict[str, Any]:
    finished = events[-1]
    assert isinstance(finished, Finished)
    return {name: finished.result[name] for name in ("last", "best", "best_iteration")}


def test_samples_to_look_at_are_normalised_by_them(tiny_dataset: Path) -> None:
    events = list(draw_samples(load_dataset(tiny_dataset), NYUL, n=2))
    assert events[-1] == Finished(result={"samples": 2})
    cancel, told = CancelToken(), []
    for event in draw_samples(load_dataset(tiny_dataset), NYUL, cancel, n=2):
        told.append(event)
        cancel.cancel()
    assert told[-1] == Finished(cancelled=True)

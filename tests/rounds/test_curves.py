"""The course of a training, from its events."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest

from napari_retseg.config import TrainConfig
from napari_retseg.dataset import load_dataset
from napari_retseg.errors import InputError
from napari_retseg.events import (
    CancelToken,
    Event,
    Finished,
    Message,
    Scored,
    StepDone,
    TrainingPlanned,
    encode,
)
from napari_retseg.rounds import Curves
from napari_retseg.runs.eventlog import read_events
from tests.rounds.conftest import make_scores


class Clock:
    """Seconds that pass when one says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def _plan(start: int = 0, *, iterations: int = 10, minutes: float = 0.0) -> TrainingPlanned:
    return TrainingPlanned("cpu", "fp32", 9, 1, ("P1",), 8, ("P3",), 4, iterations, start, minutes)


def _step(iteration: int, loss: float = 1.0, *, of: int = 10, seconds: float = 2.0) -> StepDone:
    return StepDone(iteration, loss, 0.1 / iteration, seconds, iteration / of)


def _curves(*events: Event) -> Curves:
    curves = Curves(clock=Clock())
    for event in events:
        curves.take(event)
    return curves


def test_loss_and_rate_over_the_iterations() -> None:
    curves = _curves(_plan(), Message("x"), _step(1, 1.0), _step(2, 0.0), _step(3, 0.0))
    assert curves.iterations.tolist() == [1, 2, 3]
    assert curves.losses.tolist() == [1, 0, 0]
    assert curves.smoothed_losses == pytest.approx([1, 0.9, 0.81])
    assert curves.learning_rates == pytest.approx([0.1, 0.05, 0.1 / 3])
    assert curves.position == pytest.approx(0.3)
    assert curves.seconds_per_step == 2


def test_scores_of_each_class_beside_those_of_the_start() -> None:
    curves = _curves(
        _plan(),
        Scored(0, make_scores({"upper": 0.5, "fluid": None}), is_best=False),
        Scored(5, make_scores({"upper": 0.7, "fluid": None}), is_best=True),
        Scored(10, make_scores({"upper": 0.6, "fluid": 0.2}), is_best=False),
    )
    assert curves.class_names == ("upper", "fluid")
    assert curves.scored_iterations.tolist() == [5, 10]
    assert curves.scores_of("upper").tolist() == [0.7, 0.6]
    assert curves.scores_of("upper", "iou") == pytest.approx([0.7 / 1.3, 0.6 / 1.4])
    assert np.isnan(curves.scores_of("fluid")[0])
    assert curves.scores_of("fluid")[1] == 0.2
    assert curves.scores_of(None) == pytest.approx([0.7, 0.4])
    assert curves.scores_of("nothing").shape == (2,)
    assert curves.start_score("upper") == 0.5
    assert curves.start_score("fluid") is None
    assert curves.best_iteration == 5


def test_nothing_is_known_before_the_first_event() -> None:
    curves = Curves()
    assert curves.iterations.shape == curves.scores_of(None).shape == (0,)
    assert curves.class_names == ()
    assert (curves.best_iteration, curves.seconds_per_step, curves.seconds_left) == (None,) * 3
    assert curves.start_score(None) is None
    assert curves.position == 0


def test_resuming_takes_out_what_came_after_the_checkpoint() -> None:
    steps = [_step(i, loss=i) for i in range(1, 9)]
    curves = _curves(
        _plan(),
        Scored(0, make_scores({"upper": 0.5}), is_best=False),
        *steps[:4],
        Scored(4, make_scores({"upper": 0.6}), is_best=True),
        *steps[4:8],
        Scored(8, make_scores({"upper": 0.9}), is_best=True),
        Finished(cancelled=True),
    )
    assert curves.finished is not None
    curves.take(_plan(4))
    assert curves.finished is None
    assert curves.iterations.tolist() == [1, 2, 3, 4]
    assert curves.best_iteration == 4
    assert curves.start_score("upper") == 0.5
    curves.take(Scored(4, make_scores({"upper": 0.6}), is_best=True))  # is scored once more
    curves.take(_step(5, loss=50))
    assert curves.scored_iterations.tolist() == [4]
    assert curves.losses.tolist() == [1, 2, 3, 4, 50]
    fresh = _curves(*steps[:4], _step(5, loss=50))
    assert curves.smoothed_losses == pytest.approx(fresh.smoothed_losses)


def test_the_time_left_counts_scoring_too() -> None:
    clock = Clock()
    curves = Curves(clock=clock)
    curves.take(_plan())
    curves.take(_step(1))
    assert curves.seconds_left == pytest.approx(2 * 9)  # of the steps alone
    clock.now += 10
    curves.take(_step(2))
    assert curves.seconds_left == pytest.approx(10 * 8)
    clock.now += 20  # scored in between
    curves.take(_step(3))
    assert curves.seconds_left == pytest.approx(15 * 7)
    curves.take(Finished())
    assert curves.seconds_left == 0


def test_the_time_left_of_a_limit_in_minutes() -> None:
    curves = _curves(_plan(iterations=0, minutes=2), StepDone(7, 1.0, 0.1, 0.5, 0.25))
    assert curves.seconds_left == pytest.approx(90)


def test_a_snapshot_is_whole_while_another_thread_takes_events() -> None:
    curves = Curves()
    steps = [_step(i, of=20_000) for i in range(1, 20_001)]

    def take() -> None:
        for step in steps:
            curves.take(step)
            if step.iteration % 1000 == 0:
                curves.take(_plan(step.iteration - 500))

    thread = threading.Thread(target=take)
    thread.start()
    seen = 0
    while thread.is_alive():
        view = curves.snapshot()
        shapes = {view.iterations.shape, view.losses.shape, view.smoothed_losses.shape}
        assert len(shapes) == 1
        seen += 1
    thread.join()
    assert seen
    view = curves.snapshot()
    curves.take(_plan(3))
    assert (len(view.iterations), len(curves.iterations)) == (10_000, 3)


def _write(run: Path, *lines: str) -> None:
    run.mkdir(exist_ok=True)
    (run / "events.jsonl").write_text("\n".join(lines))


def test_a_line_that_a_crash_cut_is_left_out(tmp_path: Path) -> None:
    whole = [json.dumps(encode(e)) for e in (_plan(), _step(1), _step(2))]
    unknown = '{"event": "Invented", "iteration": 3}', '{"event": "StepDone", "speed": 1}', "[]"
    _write(tmp_path / "run", *whole[:2], *unknown[:2], whole[2], whole[2][:20])
    events = read_events(tmp_path / "run")
    assert [type(event).__name__ for event in events] == [
        "TrainingPlanned",
        "StepDone",
        "Message",
        "StepDone",
    ]
    assert isinstance(events[2], Message)
    assert "events.jsonl, line 4: StepDone: iteration: Field required" in events[2].text
    curves = Curves.read(tmp_path / "run")
    assert curves.iterations.tolist() == [1, 2]
    assert curves.seconds_left == pytest.approx(2 * 8)


def test_no_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found no run in this folder"):
        Curves.read(tmp_path / "gone")
    assert Curves.read(tmp_path).iterations.shape == (0,)  # made, and nothing trained in it yet
    assert not Curves.read(tmp_path).is_resumable
    (tmp_path / "events.jsonl").mkdir()
    with pytest.raises(InputError, match="this is a folder, but a file is needed"):
        Curves.read(tmp_path)


def test_a_real_run_that_was_stopped_and_resumed(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    from napari_retseg.learn.train import fine_tune

    config = TrainConfig(
        iterations=9, batch_size=2, crop="32x32", score_every=3, checkpoint_seconds=99, device="cpu"
    )
    dataset, run, watched = load_dataset(tiny_dataset), tmp_path / "run", Curves()
    cancel = CancelToken()
    for event in fine_tune(dataset, config, cancel, output=run, start=tiny_bundle):
        watched.take(event)
        if isinstance(event, StepDone) and event.iteration == 5:
            cancel.cancel()
    assert watched.finished is not None
    assert watched.finished.cancelled
    stopped = Curves.read(run)
    assert watched.is_resumable
    assert stopped.is_resumable
    assert stopped.iterations.tolist() == [1, 2, 3, 4, 5]
    for event in fine_tune(dataset, config, output=run, resume=True):
        watched.take(event)
    read = Curves.read(run)
    for curves in (watched, read):
        assert curves.iterations.tolist() == list(range(1, 10))
        assert curves.scored_iterations.tolist() == [3, 6, 9]
        assert curves.finished is not None
        assert not curves.finished.cancelled
        assert curves.best_iteration == curves.finished.result["best_iteration"]
        assert curves.class_names == ("upper", "lower", "fluid")
        assert curves.position == 1
        assert not curves.is_resumable
    assert read.losses.tolist() == watched.losses.tolist()
    assert read.start_scores == watched.start_scores
    assert read.start_scores is not None

"""Retraining in the workbench, with an engine that the test plays."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_retseg.engine import JobOutcome, TrainJob
from napari_retseg.events import StepDone
from napari_retseg.io import read_scan, write_scan
from napari_retseg.ui.workbench.control.retraining import model_name
from tests.ui.workbench.playedbench import PlayedBench


@pytest.fixture
def played(tmp_path: Path, volume: Path, own_models: Path) -> Iterator[PlayedBench]:
    made = PlayedBench()
    made.start(tmp_path / "work", volume)
    yield made
    made.close()


def confirm(played: PlayedBench, *bscans: int) -> None:
    for bscan in bscans:
        played.paint(bscan, slice(20, 40), 3)
        played.bench.correcting.confirm()
        played.written(bscan)
    played.settle()


def retrain(played: PlayedBench, **values: Any) -> TrainJob:
    played.bench.training.configure({"iterations": 7, **values})
    played.settle()
    played.bench.training.retrain()
    played.settle()
    job = played.job.job
    assert isinstance(job, TrainJob)
    return job


def test_without_confirmed_bscans_it_says_what_is_missing(played: PlayedBench) -> None:
    played.bench.training.describe()
    played.settle()
    assert "confirm" in played.state.round_problem.lower()
    played.bench.training.retrain()
    played.settle()
    assert not played.engine.jobs
    assert played.state.notice.level == "warning"


def test_it_says_what_it_would_do(played: PlayedBench) -> None:
    confirm(played, 0, 1, 4)
    played.bench.training.configure({"iterations": 7, "strategy": "decoder"})
    played.settle()
    assert played.state.round_problem == ""
    text = played.state.round_text
    assert "confirmed B-scan" in text
    assert "held out" in text
    assert "parameters" in text
    assert "7 iterations" in text


def test_it_names_the_device_once_a_worker_has_told_it(played: PlayedBench) -> None:
    confirm(played, 0, 1, 4)
    played.bench.training.configure({"iterations": 7})
    played.settle()
    assert "on the fastest device" in played.state.round_text
    played.engine.loads[-1].end(model="tiny", device="cuda (Some GPU)")
    played.settle()
    assert "on cuda (Some GPU)" in played.state.round_text
    played.bench.training.configure({"iterations": 7, "device": "cpu"})
    played.settle()
    assert "on the CPU" in played.state.round_text


def test_the_process_is_ready_before_retrain_is_pressed(played: PlayedBench) -> None:
    played.settle()
    assert not played.engine.preparations
    confirm(played, 0, 1, 4)
    played.settle()
    assert len(played.engine.preparations) == 1
    confirm(played, 2)
    played.settle()
    assert len(played.engine.preparations) == 1
    retrain(played)
    played.job.end("cancelled")
    played.settle()
    confirm(played, 3)
    played.settle()
    assert len(played.engine.preparations) == 2  # the first process has ended


def test_it_trains_on_what_was_confirmed_when_it_began(played: PlayedBench) -> None:
    confirm(played, 0, 1, 4)
    job = retrain(played)
    assert job.config.iterations == 7
    assert job.output == played.workspace.rounds[-1]
    assert job.start is not None
    assert job.start.name == "tiny"
    snapshot = {path.name for path in job.dataset_path.rglob("*.png")}
    confirm(played, 2)
    assert {path.name for path in job.dataset_path.rglob("*.png")} == snapshot
    assert played.state.is_training
    points = played.bench.session.points
    assert points is not None
    assert points.list()[-1].why or points.list()
    assert any(point.why == "retrain" for point in points.list())


def test_it_does_not_train_on_a_scan_that_was_replaced(
    played: PlayedBench, tmp_path: Path, volume: Path
) -> None:
    copied = Path(shutil.copy(volume, tmp_path / "replaced.tif"))
    played.bench.scan_import.add_files([copied])
    played.settle()
    played.bench.navigation.choose_scan(1)
    played.settle()
    confirm(played, 0, 1, 4)
    scan = read_scan(copied)
    write_scan(copied, replace(scan, pixels=np.asarray(scan.pixels)[::-1].copy()))
    played.bench.training.retrain()
    played.settle()
    assert "the scan has changed since its labels were made" in played.state.notice.text
    assert not played.state.is_training
    assert played.workspace.rounds == []
    name = played.workspace.scans[1].name
    assert set(played.workspace.states(name).values()) == {"corrected"}


def test_its_events_draw_the_curves(played: PlayedBench) -> None:
    confirm(played, 0, 1, 4)
    retrain(played)
    before = played.state.progress
    played.job.on_event(StepDone(1, 0.7, 1e-3, 0.5, 0.1))
    played.settle()
    assert played.state.progress > before
    assert played.bench.training.curves.losses.tolist() == [0.7]


def test_only_one_training_runs_and_the_workspace_stays(
    played: PlayedBench, tmp_path: Path
) -> None:
    confirm(played, 0, 1, 4)
    retrain(played)
    played.bench.training.retrain()
    played.settle()
    assert len(played.engine.jobs) == 1
    played.bench.open(tmp_path / "other")
    assert "A training is running" in played.state.notice.text


def test_it_stops_and_says_so(played: PlayedBench) -> None:
    confirm(played, 0, 1, 4)
    retrain(played)
    played.bench.training.stop()
    assert played.job.is_cancelled
    assert played.state.is_stopping
    played.job.end("cancelled")
    played.settle()
    assert not played.state.is_training
    assert not played.state.is_stopping
    assert "Training stopped" in played.state.notice.text


def test_a_failure_is_one_sentence(played: PlayedBench) -> None:
    confirm(played, 0, 1, 4)
    retrain(played)
    played.job.on_done(JobOutcome("failed", "the loss is no longer a number"))
    played.settle()
    assert played.state.notice.text == "the loss is no longer a number"
    assert not played.state.is_training


def test_a_training_that_fails_at_its_start_does_not_hide_one_that_can_be_resumed(
    played: PlayedBench,
) -> None:
    stopped = played.workspace.folder / "rounds" / "0001"
    (stopped / "checkpoints").mkdir(parents=True)
    (stopped / "checkpoints" / "last.pt").touch()
    (stopped / "events.jsonl").touch()
    confirm(played, 0, 1, 4)
    retrain(played)
    assert played.state.resumable is None
    played.job.on_done(JobOutcome("failed", "the GPU has no memory left"))
    played.settle()
    assert (played.workspace.folder / "rounds" / "0002").is_dir()
    assert played.state.resumable == stopped


def test_closing_gives_a_training_time_to_save(played: PlayedBench) -> None:
    confirm(played, 0, 1, 4)
    retrain(played)
    played.close()
    assert played.engine.grace > 5


def test_the_command_does_the_same(played: PlayedBench) -> None:
    confirm(played, 0, 1, 4)
    played.bench.training.configure({"iterations": 7, "strategy": "decoder", "loss": "dice"})
    (played.workspace.folder / "rounds" / "0001").mkdir(parents=True)
    written: list[str] = []
    played.bench.training.write_command(written.append)
    played.settle()
    words = shlex.split(written[0])
    assert words[:2] == ["napari-retseg", "train"]
    assert str(played.workspace.folder) in words
    assert words[words.index("--strategy") + 1] == "decoder"
    assert words[words.index("--loss") + 1] == "dice"
    assert "--from" in words
    assert words[words.index("--output") + 1].endswith("0002")


@pytest.mark.parametrize(
    ("workspace", "expected"),
    [("work", "work"), ("Dr. K's eyes", "Dr.-K-s-eyes"), ("...", "workspace"), ("a/b", "a-b")],
)
def test_a_model_is_named_after_its_workspace(workspace: str, expected: str) -> None:
    assert model_name(workspace) == expected

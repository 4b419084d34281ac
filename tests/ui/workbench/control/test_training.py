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
from napari_retseg.ui.workbench.control.training import model_name
from tests.ui.workbench.session import Session


@pytest.fixture
def session(tmp_path: Path, volume: Path, own_models: Path) -> Iterator[Session]:
    made = Session()
    made.start(tmp_path / "work", volume)
    yield made
    made.close()


def confirm(session: Session, *bscans: int) -> None:
    for bscan in bscans:
        session.paint(bscan, slice(20, 40), 3)
        session.bench.correcting.confirm()
        session.written(bscan)
    session.settle()


def retrain(session: Session, **values: Any) -> TrainJob:
    session.bench.training.configure({"iterations": 7, **values})
    session.settle()
    session.bench.training.retrain()
    session.settle()
    job = session.job.job
    assert isinstance(job, TrainJob)
    return job


def test_without_confirmed_bscans_it_says_what_is_missing(session: Session) -> None:
    session.bench.training.describe()
    session.settle()
    assert "confirm" in session.state.round_problem.lower()
    session.bench.training.retrain()
    session.settle()
    assert not session.engine.jobs
    assert session.state.notice.level == "warning"


def test_it_says_what_it_would_do(session: Session) -> None:
    confirm(session, 0, 1, 4)
    session.bench.training.configure({"iterations": 7, "strategy": "decoder"})
    session.settle()
    assert session.state.round_problem == ""
    text = session.state.round_text
    assert "confirmed B-scan" in text
    assert "held out" in text
    assert "parameters" in text
    assert "7 iterations" in text


def test_it_names_the_device_once_a_worker_has_told_it(session: Session) -> None:
    confirm(session, 0, 1, 4)
    session.bench.training.configure({"iterations": 7})
    session.settle()
    assert "on the fastest device" in session.state.round_text
    session.engine.loads[-1].end(model="tiny", device="cuda (Some GPU)")
    session.settle()
    assert "on cuda (Some GPU)" in session.state.round_text
    session.bench.training.configure({"iterations": 7, "device": "cpu"})
    session.settle()
    assert "on the CPU" in session.state.round_text


def test_the_process_is_ready_before_retrain_is_pressed(session: Session) -> None:
    session.settle()
    assert not session.engine.preparations
    confirm(session, 0, 1, 4)
    session.settle()
    assert len(session.engine.preparations) == 1
    confirm(session, 2)
    session.settle()
    assert len(session.engine.preparations) == 1
    retrain(session)
    session.job.end("cancelled")
    session.settle()
    confirm(session, 3)
    session.settle()
    assert len(session.engine.preparations) == 2  # the first process has ended


def test_it_trains_on_what_was_confirmed_when_it_began(session: Session) -> None:
    confirm(session, 0, 1, 4)
    job = retrain(session)
    assert job.config.iterations == 7
    assert job.output == session.workspace.rounds[-1]
    assert job.start is not None
    assert job.start.name == "tiny"
    snapshot = {path.name for path in job.dataset_path.rglob("*.png")}
    confirm(session, 2)
    assert {path.name for path in job.dataset_path.rglob("*.png")} == snapshot
    assert session.state.is_training
    points = session.bench.desk.points
    assert points is not None
    assert points.list()[-1].why or points.list()
    assert any(point.why == "retrain" for point in points.list())


def test_it_does_not_train_on_a_scan_that_was_replaced(
    session: Session, tmp_path: Path, volume: Path
) -> None:
    copied = Path(shutil.copy(volume, tmp_path / "replaced.tif"))
    session.bench.adding.add_files([copied])
    session.settle()
    session.bench.scans.choose_scan(1)
    session.settle()
    confirm(session, 0, 1, 4)
    scan = read_scan(copied)
    write_scan(copied, replace(scan, pixels=np.asarray(scan.pixels)[::-1].copy()))
    session.bench.training.retrain()
    session.settle()
    assert "the scan has changed since its labels were made" in session.state.notice.text
    assert not session.state.is_training
    assert session.workspace.rounds == []
    name = session.workspace.scans[1].name
    assert set(session.workspace.states(name).values()) == {"corrected"}


def test_its_events_draw_the_curves(session: Session) -> None:
    confirm(session, 0, 1, 4)
    retrain(session)
    before = session.state.progress
    session.job.on_event(StepDone(1, 0.7, 1e-3, 0.5, 0.1))
    session.settle()
    assert session.state.progress > before
    assert session.bench.training.curves.losses.tolist() == [0.7]


def test_only_one_training_runs_and_the_workspace_stays(session: Session, tmp_path: Path) -> None:
    confirm(session, 0, 1, 4)
    retrain(session)
    session.bench.training.retrain()
    session.settle()
    assert len(session.engine.jobs) == 1
    session.bench.open(tmp_path / "other")
    assert "A training is running" in session.state.notice.text


def test_it_stops_and_says_so(session: Session) -> None:
    confirm(session, 0, 1, 4)
    retrain(session)
    session.bench.training.stop()
    assert session.job.is_cancelled
    assert session.state.is_stopping
    session.job.end("cancelled")
    session.settle()
    assert not session.state.is_training
    assert not session.state.is_stopping
    assert "Training stopped" in session.state.notice.text


def test_a_failure_is_one_sentence(session: Session) -> None:
    confirm(session, 0, 1, 4)
    retrain(session)
    session.job.on_done(JobOutcome("failed", "the loss is no longer a number"))
    session.settle()
    assert session.state.notice.text == "the loss is no longer a number"
    assert not session.state.is_training


def test_a_training_that_fails_at_its_start_does_not_hide_one_that_can_be_resumed(
    session: Session,
) -> None:
    stopped = session.workspace.folder / "rounds" / "0001"
    (stopped / "checkpoints").mkdir(parents=True)
    (stopped / "checkpoints" / "last.pt").touch()
    (stopped / "events.jsonl").touch()
    confirm(session, 0, 1, 4)
    retrain(session)
    assert session.state.resumable is None
    session.job.on_done(JobOutcome("failed", "the GPU has no memory left"))
    session.settle()
    assert (session.workspace.folder / "rounds" / "0002").is_dir()
    assert session.state.resumable == stopped


def test_closing_gives_a_training_time_to_save(session: Session) -> None:
    confirm(session, 0, 1, 4)
    retrain(session)
    session.close()
    assert session.engine.grace > 5


def test_the_command_does_the_same(session: Session) -> None:
    confirm(session, 0, 1, 4)
    session.bench.training.configure({"iterations": 7, "strategy": "decoder", "loss": "dice"})
    (session.workspace.folder / "rounds" / "0001").mkdir(parents=True)
    written: list[str] = []
    session.bench.training.write_command(written.append)
    session.settle()
    words = shlex.split(written[0])
    assert words[:2] == ["napari-retseg", "train"]
    assert str(session.workspace.folder) in words
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

"""Segmenting in the workbench, with an engine that the test plays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from napari_retseg.engine import PredictJob
from napari_retseg.events import BscanPredicted, Progress
from tests.ui.workbench.session import Session

#: Values of the classes in the model, and in the workspace.
TABLE = {0: 0, 1: 1, 2: 3, 3: 8}


@pytest.fixture
def session(tmp_path: Path, volume: Path, own_models: Path) -> Iterator[Session]:
    made = Session()
    made.start(tmp_path / "work", volume)
    yield made
    made.close()


def test_the_bscan_in_view_is_sent_alone(session: Session) -> None:
    session.show(3)
    session.bench.predicting.segment_bscan()
    job = session.job.job
    assert isinstance(job, PredictJob)
    assert job.scan.spatial_shape == (64, 96)
    assert job.config.uncertainty
    labels = np.arange(64 * 96, dtype=np.uint8).reshape(64, 96) % 4
    session.job.on_event(BscanPredicted(0, labels))
    session.job.on_event(Progress(1, 1))
    session.job.end()
    session.settle()
    shown = session.opened.loaded.prediction
    for value, expected in TABLE.items():
        assert (shown[3][labels == value] == expected).all()
    assert not shown[[0, 1, 2, 4]].any()
    assert "Segmented this B-scan" in session.state.notice.text
    assert session.state.strip[3].status == "predicted"
    stored = session.workspace.read_prediction("eye")
    assert stored is not None
    assert np.array_equal(stored.labels, shown)
    assert stored.model == "tiny"


def test_a_segmentation_that_is_stopped_keeps_what_is_done(session: Session) -> None:
    session.bench.predicting.segment_volume()
    session.job.predict(0, 3)
    session.job.predict(1, 3)
    session.settle()
    assert session.state.work is not None
    assert session.state.work.done == 2
    session.bench.predicting.cancel()
    assert session.job.is_cancelled
    session.job.end("cancelled")
    session.settle()
    assert "Stopped after 2 of 5" in session.state.notice.text
    assert [cell.status for cell in session.state.strip[:3]] == ["predicted"] * 2 + ["untouched"]


def test_a_failure_is_one_sentence(session: Session) -> None:
    session.bench.predicting.segment_volume()
    session.job.end("failed", "the worker process died")
    session.settle()
    assert session.state.notice.text == "the worker process died"
    assert session.state.notice.level == "error"
    assert session.state.work is None


def test_one_segmentation_runs_at_a_time(session: Session) -> None:
    session.bench.predicting.segment_volume()
    session.bench.predicting.segment_bscan()
    assert len(session.engine.jobs) == 1
    assert "is running" in session.state.notice.text


def test_a_model_for_other_scans_is_refused(session: Session) -> None:
    session.bench.predicting.choose_by_name("colour")
    session.bench.predicting.segment_bscan()
    assert not session.engine.jobs
    assert "needs 3" in session.state.notice.text


def test_events_of_a_scan_that_was_closed_are_dropped(session: Session) -> None:
    session.bench.predicting.segment_volume()
    job = session.job
    session.bench.scans.close_scan()
    assert job.is_cancelled
    job.predict(0, 3)
    job.end("cancelled")
    session.settle()
    assert session.workspace.read_prediction("eye") is None


def test_closing_a_layer_closes_the_scan(session: Session) -> None:
    session.viewer.layers.remove(session.opened.labels)
    assert session.bench.desk.opened is None
    assert "was closed" in session.state.notice.text
    assert not session.viewer.layers
    session.bench.scans.choose_scan(0)
    session.settle()
    assert [layer.name for layer in session.viewer.layers] == ["eye", "prediction", "labels"]


def test_next_says_why_and_goes_there(session: Session) -> None:
    session.bench.scans.go_next()
    session.settle()
    assert session.state.next_text
    session.predict(3)
    session.bench.scans.go_next()
    session.settle()
    assert "uncertain" in session.state.next_text
    first = session.state.bscan
    session.bench.scans.go_next()
    session.settle()
    assert session.state.bscan != first
    assert f"B-scan {session.state.bscan}:" in session.state.next_text
    session.show(first)
    assert session.state.next_text == ""  # it was said of another B-scan


def test_the_model_is_remembered_in_the_workspace(session: Session, tmp_path: Path) -> None:
    names = [choice.name for choice in session.state.models]
    session.bench.predicting.choose_model(names.index("tiny"))
    session.settle()
    session.close()
    again = Session()
    again.bench.predicting.choose_by_name("colour")
    again.bench.open(tmp_path / "work")
    again.settle()
    chosen = again.state.chosen_model
    again.close()
    assert chosen is not None
    assert chosen.name == "tiny"

"""Segmenting in the workbench, with an engine that the test plays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from napari_retseg.engine import PredictJob
from napari_retseg.events import BscanPredicted, Progress
from tests.ui.workbench.playedbench import PlayedBench

#: Values of the classes in the model, and in the workspace.
TABLE = {0: 0, 1: 1, 2: 3, 3: 8}


@pytest.fixture
def played(tmp_path: Path, volume: Path, own_models: Path) -> Iterator[PlayedBench]:
    made = PlayedBench()
    made.start(tmp_path / "work", volume)
    yield made
    made.close()


def test_the_bscan_in_view_is_sent_alone(played: PlayedBench) -> None:
    played.show(3)
    played.bench.predicting.segment_bscan()
    job = played.job.job
    assert isinstance(job, PredictJob)
    assert job.scan.spatial_shape == (64, 96)
    assert job.config.uncertainty
    labels = np.arange(64 * 96, dtype=np.uint8).reshape(64, 96) % 4
    played.job.on_event(BscanPredicted(0, labels))
    played.job.on_event(Progress(1, 1))
    played.job.end()
    played.settle()
    shown = played.opened.loaded.prediction
    for value, expected in TABLE.items():
        assert (shown[3][labels == value] == expected).all()
    assert not shown[[0, 1, 2, 4]].any()
    assert "Segmented this B-scan" in played.state.notice.text
    assert played.state.strip[3].status == "predicted"
    stored = played.workspace.read_prediction("eye")
    assert stored is not None
    assert np.array_equal(stored.labels, shown)
    assert stored.model == "tiny"


def test_a_segmentation_that_is_stopped_keeps_what_is_done(played: PlayedBench) -> None:
    played.bench.predicting.segment_volume()
    played.job.predict(0, 3)
    played.job.predict(1, 3)
    played.settle()
    assert played.state.work is not None
    assert played.state.work.done == 2
    played.bench.predicting.cancel()
    assert played.job.is_cancelled
    played.job.end("cancelled")
    played.settle()
    assert "Stopped after 2 of 5" in played.state.notice.text
    assert [cell.status for cell in played.state.strip[:3]] == ["predicted"] * 2 + ["untouched"]


def test_a_failure_is_one_sentence(played: PlayedBench) -> None:
    played.bench.predicting.segment_volume()
    played.job.end("failed", "the worker process died")
    played.settle()
    assert played.state.notice.text == "the worker process died"
    assert played.state.notice.level == "error"
    assert played.state.work is None


def test_one_segmentation_runs_at_a_time(played: PlayedBench) -> None:
    played.bench.predicting.segment_volume()
    played.bench.predicting.segment_bscan()
    assert len(played.engine.jobs) == 1
    assert "is running" in played.state.notice.text


def test_a_model_for_other_scans_is_refused(played: PlayedBench) -> None:
    played.bench.predicting.choose_by_name("colour")
    played.bench.predicting.segment_bscan()
    assert not played.engine.jobs
    assert "needs 3" in played.state.notice.text


def test_events_of_a_scan_that_was_closed_are_dropped(played: PlayedBench) -> None:
    played.bench.predicting.segment_volume()
    job = played.job
    played.bench.navigation.close_scan()
    assert job.is_cancelled
    job.predict(0, 3)
    job.end("cancelled")
    played.settle()
    assert played.workspace.read_prediction("eye") is None


def test_closing_a_layer_closes_the_scan(played: PlayedBench) -> None:
    played.viewer.layers.remove(played.opened.labels)
    assert played.bench.session.opened is None
    assert "was closed" in played.state.notice.text
    assert not played.viewer.layers
    played.bench.navigation.choose_scan(0)
    played.settle()
    assert [layer.name for layer in played.viewer.layers] == ["eye", "prediction", "labels"]


def test_next_says_why_and_goes_there(played: PlayedBench) -> None:
    played.bench.navigation.go_next()
    played.settle()
    assert played.state.next_text
    played.predict(3)
    played.bench.navigation.go_next()
    played.settle()
    assert "uncertain" in played.state.next_text
    first = played.state.bscan
    played.bench.navigation.go_next()
    played.settle()
    assert played.state.bscan != first
    assert f"B-scan {played.state.bscan}:" in played.state.next_text
    played.show(first)
    assert played.state.next_text == ""  # it was said of another B-scan


def test_the_model_is_remembered_in_the_workspace(played: PlayedBench, tmp_path: Path) -> None:
    names = [choice.name for choice in played.state.models]
    played.bench.predicting.choose_model(names.index("tiny"))
    played.settle()
    played.close()
    again = PlayedBench()
    again.bench.predicting.choose_by_name("colour")
    again.bench.open(tmp_path / "work")
    again.settle()
    chosen = again.state.chosen_model
    again.close()
    assert chosen is not None
    assert chosen.name == "tiny"

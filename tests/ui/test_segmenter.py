"""The controller with napari's viewer model (no Qt) and an engine that the test plays."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from safetensors.numpy import load_file, save_file

from napari_retseg.engine import Engine, JobOutcome, LoadJob, PredictJob
from napari_retseg.events import Message
from napari_retseg.ui.readers import read_layers
from napari_retseg.ui.segmenter import Segmenter
from tests.ui.playing import PlayedEngine, PlayedJob


class Bench:
    """A viewer model with one volume, and a segmenter."""

    def __init__(self, path: Path) -> None:
        self.viewer = ViewerModel()
        self.add(path)
        self.engine = PlayedEngine()
        self.posted: list[Callable[[], None]] = []
        self.segmenter = Segmenter(
            cast("Any", self.viewer), engine=cast("Engine", self.engine), post=self.posted.append
        )
        self.state = self.segmenter.state
        names = [choice.name for choice in self.state.models]
        self.segmenter.choose_model(names.index("tiny"))

    def add(self, path: Path) -> None:
        for pixels, arguments, _ in read_layers(str(path)):
            self.viewer.layers.append(Image(pixels, **arguments))

    def settle(self) -> None:
        """Run what was posted, as the GUI's thread would."""
        while self.posted:
            self.posted.pop(0)()

    @property
    def job(self) -> PlayedJob:
        return self.engine.jobs[-1]

    @property
    def labels(self) -> list[Labels]:
        return [layer for layer in self.viewer.layers if isinstance(layer, Labels)]

    def segment_volume(self, value: int) -> None:
        self.segmenter.segment_volume()
        for index in range(5):
            self.job.predict(index, value)
        self.job.end()
        self.settle()


@pytest.fixture
def bench(volume: Path, own_models: Path) -> Bench:
    return Bench(volume)


def test_scan_and_models_are_listed(bench: Bench) -> None:
    state = bench.state
    assert state.scans == ("eye",)
    assert state.scan == 0
    assert state.n_bscans == 5
    assert state.scan_text == "5 B-scans of 64 × 96 pixels\n3.5 × 25 µm, 120 µm apart (file)"
    assert {"tiny", "colour"} <= {choice.name for choice in state.models}
    assert state.chosen_model is not None
    assert state.chosen_model.name == "tiny"
    assert state.can_segment


def test_chosen_model_is_loaded_once_ahead(bench: Bench) -> None:
    bench.segmenter.load_chosen()
    bench.segmenter.load_chosen()
    assert [cast("LoadJob", played.job).model for played in bench.engine.loads] == [
        bench.state.models[bench.state.model].folder
    ]


def test_model_that_cannot_be_loaded_is_told_and_tried_again(bench: Bench) -> None:
    bench.engine.loads[-1].on_done(JobOutcome("failed", "tiny: the weights are missing"))
    bench.settle()
    assert bench.state.notice.text == "tiny: the weights are missing"
    bench.segmenter.load_chosen()
    assert len(bench.engine.loads) == 2


def test_volume_comes_bscan_by_bscan(bench: Bench) -> None:
    bench.segmenter.segment_volume()
    assert bench.state.work is not None
    assert (bench.state.work.done, bench.state.work.total) == (0, 5)
    assert not bench.state.can_segment
    assert bench.labels == []

    bench.job.predict(0, 1)
    bench.settle()
    (layer,) = bench.labels
    assert layer.name == "eye prediction (tiny)"
    assert layer.data.shape == (5, 64, 96)
    assert layer.data.dtype == np.uint8
    assert [int(plane.max()) for plane in layer.data] == [1, 0, 0, 0, 0]
    np.testing.assert_allclose(layer.scale, (1.0, 3.5, 25.0))
    assert bench.state.work.done == 1

    for index in range(1, 5):
        bench.job.predict(index, 2)
    bench.settle()
    assert bench.state.work.done == 5
    assert bench.state.work.seconds_left == 0
    bench.job.end()
    bench.settle()
    assert bench.state.work is None
    assert bench.state.notice.text.startswith("Segmented 5 B-scans in ")
    assert [int(plane.max()) for plane in layer.data] == [1, 2, 2, 2, 2]


def test_one_bscan_is_sent_alone_and_lands_in_its_place(bench: Bench) -> None:
    bench.viewer.dims.set_point(0, 3.0)
    assert bench.state.bscan == 3
    bench.segmenter.segment_bscan()
    job = cast("PredictJob", bench.job.job)
    assert job.scan.axes == ("depth", "width")
    np.testing.assert_array_equal(
        np.asarray(job.scan.pixels), np.asarray(bench.viewer.layers["eye"].data[3])
    )
    bench.job.predict(0, 3, total=1)
    bench.job.end()
    bench.settle()
    assert [int(plane.max()) for plane in bench.labels[0].data] == [0, 0, 0, 3, 0]
    assert bench.state.notice.text.startswith("Segmented this B-scan in ")


def test_second_run_replaces_an_unedited_prediction(bench: Bench) -> None:
    bench.segment_volume(1)
    bench.segment_volume(2)
    (layer,) = bench.labels
    assert int(layer.data.min()) == 2


def test_second_run_leaves_an_edited_prediction_alone(bench: Bench) -> None:
    bench.segment_volume(1)
    edited = bench.labels[0]
    edited.paint((2, 10, 10), 3)
    before = edited.data.copy()
    bench.segment_volume(2)
    assert len(bench.labels) == 2
    np.testing.assert_array_equal(edited.data, before)
    assert int(bench.labels[1].data.min()) == 2
    bench.segment_volume(1)
    assert len(bench.labels) == 2
    np.testing.assert_array_equal(edited.data, before)


def test_one_bscan_goes_into_a_prediction_that_is_edited_elsewhere(bench: Bench) -> None:
    bench.segment_volume(1)
    edited = bench.labels[0]
    edited.paint((2, 10, 10), 3)
    bench.viewer.dims.set_point(0, 0.0)
    bench.segmenter.segment_bscan()
    bench.job.predict(0, 2, total=1)
    bench.job.end()
    bench.settle()
    assert bench.labels == [edited]
    assert int(edited.data[0].min()) == 2
    assert edited.data[2, 10, 10] == 3


def test_bscan_painted_during_the_run_is_kept(bench: Bench) -> None:
    bench.segmenter.segment_volume()
    bench.job.predict(0, 1)
    bench.settle()
    (layer,) = bench.labels
    layer.paint((4, 10, 10), 3)
    painted = layer.data[4].copy()
    for index in range(1, 5):
        bench.job.predict(index, 1)
    bench.job.end()
    bench.settle()
    np.testing.assert_array_equal(layer.data[4], painted)
    assert int(layer.data[:4].min()) == 1
    assert "1 B-scan that you painted on meanwhile was not changed" in bench.state.notice.text


def test_labels_of_the_user_are_never_touched(bench: Bench) -> None:
    own = Labels(np.full((5, 64, 96), 7, np.uint8), name="eye prediction (tiny)")
    bench.viewer.layers.append(own)
    bench.segment_volume(1)
    assert int(own.data.min()) == 7
    assert len(bench.labels) == 2


def test_data_put_into_a_prediction_layer_is_the_users(bench: Bench) -> None:
    bench.segment_volume(1)
    layer = bench.labels[0]
    layer.data = np.full((5, 64, 96), 2, np.uint8)
    bench.segment_volume(3)
    assert int(layer.data.max()) == 2
    assert len(bench.labels) == 2


def test_other_model_and_other_scan_get_layers_of_their_own(
    bench: Bench, volume: Path, own_models: Path, tmp_path: Path
) -> None:
    bench.segment_volume(1)
    shutil.copytree(own_models / "tiny", tmp_path / "twin")
    description = tmp_path / "twin" / "model.json"
    text = description.read_text()
    weights_id = bench.state.models[bench.state.model].info.weights_id
    description.write_text(text.replace(weights_id, "0" * 64))
    weights = tmp_path / "twin" / "model.safetensors"
    save_file(load_file(weights), weights)  # without the description, which would count
    bench.segmenter.add_model(tmp_path / "twin")
    assert bench.state.chosen_model is not None
    assert bench.state.chosen_model.name == "twin"
    bench.segment_volume(1)
    assert [layer.name for layer in bench.labels][1] == "eye prediction (twin)"
    bench.add(volume)
    assert bench.state.scans[bench.state.scan] == "eye [1]"
    bench.segment_volume(1)
    assert len(bench.labels) == 3


def test_cancel_keeps_what_is_done(bench: Bench) -> None:
    bench.segmenter.segment_volume()
    bench.job.predict(0, 1)
    bench.settle()
    bench.segmenter.cancel()
    assert bench.job.is_cancelled
    bench.job.end("cancelled")
    bench.settle()
    assert bench.state.notice.text == "Stopped after 1 of 5 B-scans. Finished B-scans are kept."
    assert [int(plane.max()) for plane in bench.labels[0].data] == [1, 0, 0, 0, 0]


def test_failure_is_one_sentence_and_the_next_run_goes_on(bench: Bench) -> None:
    bench.segmenter.segment_volume()
    bench.job.end("failed", "the worker process died; try again")
    bench.settle()
    assert bench.state.notice.level == "error"
    assert bench.state.notice.text == "the worker process died; try again"
    assert bench.labels == []
    bench.segment_volume(1)
    assert len(bench.labels) == 1


def test_messages_of_the_job_are_shown(bench: Bench) -> None:
    bench.segmenter.segment_volume()
    bench.job.on_event(Message("a CPU is used", "warning"))
    bench.settle()
    assert bench.state.notice.text == "a CPU is used"
    assert bench.state.notice.level == "warning"


@pytest.mark.parametrize("which", ["eye", "eye prediction (tiny)"])
def test_layer_closed_during_the_run_stops_it(bench: Bench, which: str) -> None:
    bench.segmenter.segment_volume()
    bench.job.predict(0, 1)
    bench.settle()
    bench.viewer.layers.remove(bench.viewer.layers[which])
    assert bench.job.is_cancelled
    assert bench.state.work is None
    assert bench.state.notice.text.startswith(f"{which} was closed")
    n_layers = len(bench.viewer.layers)
    bench.job.predict(1, 1)
    bench.job.end("cancelled")
    bench.settle()
    assert len(bench.viewer.layers) == n_layers
    assert bench.state.notice.text.startswith(f"{which} was closed")


def test_late_events_of_a_closed_run_do_not_touch_the_next(bench: Bench) -> None:
    bench.segmenter.segment_volume()
    first = bench.job
    first.predict(0, 1)
    bench.settle()
    bench.viewer.layers.remove(bench.labels[0])
    bench.segmenter.segment_volume()
    first.predict(1, 1)
    first.end("cancelled")
    bench.settle()
    assert bench.state.work is not None
    assert bench.labels == []
    bench.job.predict(0, 2)
    bench.settle()
    assert [int(plane.max()) for plane in bench.labels[0].data] == [2, 0, 0, 0, 0]


def test_model_for_other_channels_is_refused_before_anything_runs(bench: Bench) -> None:
    names = [choice.name for choice in bench.state.models]
    bench.segmenter.choose_model(names.index("colour"))
    bench.segmenter.segment_volume()
    assert bench.engine.jobs == []
    assert bench.state.notice.level == "error"
    assert bench.state.notice.text.startswith("eye: has 1 channel, but model colour needs 3")


def test_model_whose_folder_is_gone_is_refused(
    bench: Bench, own_models: Path, tmp_path: Path
) -> None:
    shutil.copytree(own_models / "tiny", tmp_path / "gone")
    bench.segmenter.add_model(tmp_path / "gone")
    shutil.rmtree(tmp_path / "gone")
    bench.segmenter.segment_volume()
    assert bench.engine.jobs == []
    assert bench.state.notice.level == "error"
    assert "model.json" in bench.state.notice.text
    bench.segmenter.refresh_models()
    assert "gone" not in [choice.name for choice in bench.state.models]
    assert bench.state.can_segment


def test_folder_without_a_model_is_refused(bench: Bench, tmp_path: Path) -> None:
    bench.segmenter.add_model(tmp_path)
    assert bench.state.notice.level == "error"
    assert str(tmp_path) in bench.state.notice.text


def test_layer_that_is_no_scan_says_why(bench: Bench) -> None:
    bench.viewer.layers.append(Image(np.zeros((2, 3, 4, 5)), name="movie"))
    assert bench.state.scans[bench.state.scan] == "movie"
    assert "has 4 axes" in bench.state.scan_text
    assert not bench.state.can_segment
    bench.segmenter.segment_volume()
    assert bench.engine.jobs == []
    bench.segmenter.choose_scan(bench.state.scans.index("eye"))
    assert bench.state.can_segment


def test_renamed_and_removed_layers_are_followed(bench: Bench) -> None:
    bench.viewer.layers["eye"].name = "left eye"
    assert bench.state.scans == ("left eye",)
    bench.viewer.layers.clear()
    assert not bench.state.scans
    assert bench.state.scan == -1
    assert not bench.state.can_segment


def test_labels_are_refreshed_only_where_they_are_in_view(bench: Bench) -> None:
    bench.viewer.dims.set_point(0, 0.0)
    bench.segmenter.segment_volume()
    bench.job.predict(0, 1)
    bench.settle()
    (layer,) = bench.labels
    refreshed: list[object] = []
    layer.events.set_data.connect(refreshed.append)
    bench.job.predict(3, 1)
    bench.segmenter.refresh_labels()
    bench.segmenter.refresh_labels()
    assert len(refreshed) == 1
    bench.job.predict(4, 1)
    bench.segmenter.refresh_labels()
    assert len(refreshed) == 1


def test_close_stops_the_engine_and_drops_what_comes_later(bench: Bench) -> None:
    bench.segmenter.segment_volume()
    bench.segmenter.close()
    assert bench.engine.is_closed
    bench.job.predict(0, 1)
    bench.job.end()
    bench.settle()
    assert bench.labels == []

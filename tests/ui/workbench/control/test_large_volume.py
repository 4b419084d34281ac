"""A volume that memory need not hold: opened, predicted, corrected, confirmed and opened again."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from napari_retseg.dataset.pagedlabels import PagedLabels
from napari_retseg.events import Progress
from tests.ui.workbench.playedbench import PlayedBench

SHAPE = (3000, 64, 96)
SIZE = 3000 * 64 * 96


@pytest.fixture
def large(tmp_path: Path) -> Path:
    pixels = np.lib.format.open_memmap(tmp_path / "huge.npy", "w+", np.uint8, SHAPE)
    pixels[::100] = np.random.default_rng(0).integers(0, 255, SHAPE[1:], np.uint8)
    return tmp_path / "huge.npy"


@pytest.fixture
def played(
    tmp_path: Path, volume: Path, large: Path, own_models: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[PlayedBench]:
    monkeypatch.setattr("napari_retseg.dataset.pagedlabels.LARGEST_ARRAY", SIZE - 1)
    made = PlayedBench()
    made.start(tmp_path / "work", volume)  # all is imported by then
    tracemalloc.start()
    try:
        made.bench.scan_import.add_files([large])
        made.settle()
        made.bench.navigation.choose_scan(1)
        made.settle()
        yield made
    finally:
        tracemalloc.stop()
        made.close()


def test_no_step_takes_the_memory_of_a_volume(played: PlayedBench) -> None:
    labels, prediction = played.opened.loaded.labels, played.opened.loaded.prediction
    assert isinstance(labels, PagedLabels)
    assert isinstance(prediction, PagedLabels)
    played.bench.predicting.segment_volume()
    for index in range(3):
        played.send(index, 3)
        played.job.on_event(Progress(index + 1, SHAPE[0]))
    played.settle()
    assert set(played.workspace.predictions("huge")) == {0, 1, 2}
    played.bench.predicting.cancel()
    played.job.end("cancelled")
    played.settle()
    assert (prediction[1, 20:40] == 8).all()
    played.paint(1, slice(0, 10), 1)
    played.settle()
    played.bench.correcting.undo()
    played.bench.correcting.redo()
    played.bench.correcting.confirm()
    played.paint(2500, slice(5, 9), 2)
    expected = np.zeros(SHAPE[1:], np.uint8)
    expected[5:9] = 2
    played.settle()
    assert played.bench.session.saver is not None
    assert played.bench.session.saver.flush(10)
    assert played.workspace.states("huge") == {1: "confirmed", 2500: "corrected"}
    played.bench.navigation.close_scan()
    played.bench.navigation.choose_scan(1)
    played.settle()
    again = played.opened.loaded
    np.testing.assert_array_equal(again.labels[2500], expected)
    assert (again.labels[1, 20:40] == 8).all()
    assert (again.labels[1, :10] == 1).all()
    assert (again.prediction[2, 20:40] == 8).all()
    assert tracemalloc.get_traced_memory()[1] < SIZE / 4


def test_predictions_are_written_many_at_once_once_many_are_known(played: PlayedBench) -> None:
    """What is known of all B-scans is written with each: not three thousand times."""
    played.opened.loaded.predicted.update(dict.fromkeys(range(1000, 1100)))
    played.bench.predicting.segment_volume()
    played.send(0, 3)
    played.settle()
    assert not played.workspace.predictions("huge")
    played.send(1, 3)
    played.settle()
    assert set(played.workspace.predictions("huge")) == {0, 1}
    played.send(2, 3)
    played.settle()
    played.bench.navigation.close_scan()  # what has come is written
    played.settle()
    assert set(played.workspace.predictions("huge")) == {0, 1, 2}


def test_labels_are_edited_bscan_by_bscan_only(played: PlayedBench) -> None:
    played.opened.labels.n_edit_dimensions = 3
    assert played.opened.labels.n_edit_dimensions == 2
    before = played.opened.labels.data
    played.opened.labels.data = np.ones(SHAPE, np.uint8)
    assert played.opened.labels.data is before
    assert not before[0].any()

"""The Segment dock in a real viewer, with a real worker process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest
from qtpy.QtCore import Qt

from napari_retseg.engine import WORKER_DIED
from napari_retseg.io import read_labels, read_scan
from napari_retseg.ui.segment_dock import SegmentDock

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot

TIMEOUT_MS = 60_000
LEFT = Qt.MouseButton.LeftButton
TINY = "eye prediction (tiny)"


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Viewer], own_models: Path, volume: Path) -> Viewer:
    viewer = make_napari_viewer(show=True)
    viewer.open(str(volume), plugin="napari-retseg")
    return viewer


@pytest.fixture
def dock(viewer: Viewer) -> SegmentDock:
    _, widget = viewer.window.add_plugin_dock_widget("napari-retseg", "Segment")
    assert isinstance(widget, SegmentDock)
    box = widget.panel.model_box
    box.setCurrentText("tiny")
    box.activated.emit(box.currentIndex())
    return widget


def wait(qtbot: QtBot, dock: SegmentDock) -> str:
    """Wait for the end of the work; return what the dock then says."""
    state = dock.segmenter.state
    qtbot.waitUntil(lambda: state.work is None, timeout=TIMEOUT_MS)
    return dock.panel.notice_text.text()


def worker() -> psutil.Process:
    (process,) = (
        child for child in psutil.Process().children() if "dask_spec" in " ".join(child.cmdline())
    )
    return process


def test_work_by_clicks(
    dock: SegmentDock, viewer: Viewer, qtbot: QtBot, models: Path, volume: Path, tmp_path: Path
) -> None:
    panel = dock.panel
    expected = np.load(models / "expected.npy")

    viewer.dims.set_point(0, 2.0)
    qtbot.mouseClick(panel.bscan_button, LEFT)
    assert panel.bar.isVisible()
    assert not panel.bscan_button.isEnabled()
    assert wait(qtbot, dock).startswith("Segmented this B-scan in ")
    layer = viewer.layers[TINY]
    np.testing.assert_array_equal(layer.data[2], expected[2])
    assert not layer.data[[0, 1, 3, 4]].any()

    qtbot.mouseClick(panel.volume_button, LEFT)
    assert wait(qtbot, dock).startswith("Segmented 5 B-scans in ")
    assert len(viewer.layers) == 2
    np.testing.assert_array_equal(layer.data, expected)
    saved = viewer.layers.save(str(tmp_path / "labels.tif"), selected=True, plugin="napari-retseg")
    assert saved == [str(tmp_path / "labels.tif")]
    np.testing.assert_array_equal(read_labels(tmp_path / "labels.tif"), expected)
    assert read_scan(tmp_path / "labels.tif").spacing_um == read_scan(volume).spacing_um


def test_killed_worker_is_one_sentence_and_the_next_click_works(
    dock: SegmentDock, viewer: Viewer, qtbot: QtBot, models: Path
) -> None:
    panel, state = dock.panel, dock.segmenter.state
    viewer.add_image(np.zeros((4000, 64, 96), np.uint8), name="big")
    qtbot.mouseClick(panel.volume_button, LEFT)
    qtbot.waitUntil(lambda: state.work is not None and state.work.done > 0, timeout=TIMEOUT_MS)
    worker().kill()
    assert wait(qtbot, dock) == f"⚠ {WORKER_DIED}"
    panel.scan_box.setCurrentText("eye")
    panel.scan_box.activated.emit(panel.scan_box.currentIndex())
    qtbot.mouseClick(panel.volume_button, LEFT)
    assert wait(qtbot, dock).startswith("Segmented 5 B-scans in ")
    np.testing.assert_array_equal(viewer.layers[TINY].data, np.load(models / "expected.npy"))


def test_cancel_and_closing_the_viewer_while_it_runs(
    dock: SegmentDock, viewer: Viewer, qtbot: QtBot
) -> None:
    panel, state = dock.panel, dock.segmenter.state
    viewer.add_image(np.zeros((4000, 64, 96), np.uint8), name="big")
    qtbot.mouseClick(panel.volume_button, LEFT)
    qtbot.waitUntil(lambda: state.work is not None and state.work.done > 0, timeout=TIMEOUT_MS)
    qtbot.mouseClick(panel.cancel_button, LEFT)
    assert "Finished B-scans are kept" in wait(qtbot, dock)
    assert viewer.layers["big prediction (tiny)"].data.shape == (4000, 64, 96)
    qtbot.mouseClick(panel.volume_button, LEFT)
    done = state.work.done if state.work is not None else 0
    qtbot.waitUntil(lambda: state.work is not None and state.work.done > done, timeout=TIMEOUT_MS)
    viewer.close()
    # `nothing_left` looks for the worker and the threads


def test_dock_without_a_press_starts_and_leaves_nothing_but_the_loading_worker(
    make_napari_viewer: Callable[..., Viewer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NAPARI_RETSEG_MODELS", str(tmp_path))
    monkeypatch.setattr("napari_retseg.ui.model_list.list_models", list)
    before = psutil.Process().children()
    viewer = make_napari_viewer(show=True)
    _, widget = viewer.window.add_plugin_dock_widget("napari-retseg", "Segment")
    assert isinstance(widget, SegmentDock)
    assert "No model yet" in widget.panel.notice_text.text()
    assert [child for child in psutil.Process().children() if child not in before] == []


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        ("volume_a", (12, 256, 256)),
        ("volume_b", (8, 224, 256)),
        ("bscan_a", (496, 512)),
        ("bscan_b", (496, 512)),
    ],
)
def test_samples_open(
    make_napari_viewer: Callable[..., Viewer], key: str, shape: tuple[int, ...]
) -> None:
    viewer = make_napari_viewer()
    (layer,) = viewer.open_sample("napari-retseg", key)
    assert layer.data.shape == shape

"""The Segment dock in a real viewer, with a real worker process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_retseg.ui.dock import SegmentDock

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot

TIMEOUT_MS = 60_000


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Viewer], own_models: Path) -> Viewer:
    return make_napari_viewer()


@pytest.fixture
def dock(viewer: Viewer, volume: Path) -> SegmentDock:
    viewer.open(str(volume), plugin="napari-retseg")
    _, widget = viewer.window.add_plugin_dock_widget("napari-retseg", "Segment")
    return widget


def test_segment_volume_by_clicks(
    dock: SegmentDock, viewer: Viewer, qtbot: QtBot, models: Path
) -> None:
    panel, state = dock.panel, dock.segmenter.state
    panel.model_box.setCurrentText("tiny")
    panel.model_box.activated.emit(panel.model_box.currentIndex())
    qtbot.mouseClick(panel.volume_button, Qt.MouseButton.LeftButton)
    assert state.work is not None
    qtbot.waitUntil(lambda: state.work is None, timeout=TIMEOUT_MS)
    print(state.notice)
    layer = viewer.layers["eye prediction (tiny)"]
    np.testing.assert_array_equal(layer.data, np.load(models / "expected.npy"))

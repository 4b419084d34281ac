"""The Scan details dock in a real viewer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPoint, Qt

from napari_retseg.ui.details.details_dock import DetailsDock, SheetTable, choose_color
from napari_retseg.ui.plain import PlainLabel
from tests.volfile import write_vol

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot


def test_a_click_on_the_fundus_shows_the_bscan(
    make_napari_viewer: Callable[..., Viewer], qtbot: QtBot, tmp_path: Path
) -> None:
    viewer = make_napari_viewer(show=True)
    _, dock = viewer.window.add_plugin_dock_widget("napari-retseg", "Scan details")
    assert isinstance(dock, DetailsDock)
    assert not dock.view.isVisible()
    assert "Open a scan" in dock.name.text()
    rows = np.full((2, 5, 96), 20.0)
    rows[1] = 50
    path = write_vol(tmp_path / "eye.vol", (5, 64, 96), boundaries=rows)
    viewer.open(str(path), plugin="napari-retseg")
    assert [layer.name for layer in viewer.layers] == ["eye SLO", "eye", "eye device layers"]
    assert not viewer.layers[0].visible
    qtbot.waitUntil(dock.view.isVisible)
    qtbot.waitUntil(lambda: dock.view.width() > 100)
    for bscan in (4, 1):
        place = dock.view.place_of(1.0, 3.0 - 0.25 * bscan).toPoint()
        qtbot.mouseClick(dock.view, Qt.MouseButton.LeftButton, pos=QPoint(place.x(), place.y()))
        assert viewer.dims.current_step[0] == bscan
        assert dock.view.bscan == bscan
    seen = dock.view.grab().toImage()
    line = dock.view.place_of(1.0, 2.75).toPoint()
    yellow = seen.pixelColor(line)
    assert min(yellow.red(), yellow.green()) > 150 > yellow.blue()
    texts = [label.text() for label in dock.sheet.findChildren(type(dock.name))]
    assert "3.9 µm (file)" in texts
    before = dock.sheet.findChildren(PlainLabel)
    dock.sheet.show_rows((("laterality", "OD"), ("device", "unknown")))
    assert all(label.isHidden() for label in before)  # Qt deletes them later
    viewer.layers.clear()
    qtbot.waitUntil(lambda: not dock.view.isVisible())


def test_identifiers_of_a_file_wrap(qtbot: QtBot) -> None:
    sheet = SheetTable()
    qtbot.addWidget(sheet)
    sheet.show_rows((("laterality", "OD"),))
    narrow = sheet.minimumSizeHint().width()
    sheet.show_rows((("laterality", "@CAPTURE_INFO_02_AND_MANY_MORE"),))
    assert sheet.minimumSizeHint().width() < 2 * narrow


def test_what_is_derived_or_doubtful_stands_out() -> None:
    assert choose_color("warning", "x", "plain", "loud") == "loud"
    assert choose_color("lateral pixel size", "11 µm (derived: x)", "plain", "loud") == "loud"
    assert choose_color("axial pixel size", "3.9 µm (file)", "plain", "loud") == "plain"

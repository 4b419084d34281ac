"""The bar above the B-scan: it lies along the doubtful A-scans, wherever the camera looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication, QWidget

from napari_retseg.ui.camera import camera_of, grid_of
from napari_retseg.ui.widgets.theme import read_look
from napari_retseg.ui.workbench.focus import find_canvas
from napari_retseg.ui.workbench.panels.doubt_bar import DoubtBar, place_runs
from tests.ui.workbench.clicking import Clicker

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

RUNS = ((0, 10), (40, 41), (90, 96))


@pytest.fixture
def bar(clicker: Clicker, qtbot: QtBot) -> DoubtBar:
    opened = clicker.dock.bench.session.opened
    assert opened is not None
    opened.loaded.doubtful[clicker.state.bscan] = RUNS
    assert clicker.dock.surroundings is not None
    found = clicker.dock.surroundings.doubt_bar
    assert found is not None
    clicker.viewer.reset_view()
    clicker.dock.bench.correcting.show_strip()
    qtbot.waitUntil(found.isVisible)
    return found


def find_edges(clicker: Clicker, canvas: QWidget, columns: list[float]) -> list[float]:
    """Return where columns are seen, as napari itself places them."""
    opened = clicker.dock.bench.session.opened
    assert opened is not None
    camera = camera_of(clicker.viewer)
    find: Any = opened.labels.data_to_world
    worlds = [find((0, 0, column))[-1] for column in columns]
    return [canvas.width() / 2 + (x - camera.center[-1]) * camera.zoom for x in worlds]


def test_it_lies_along_the_doubtful_ascans(clicker: Clicker, bar: DoubtBar) -> None:
    canvas = find_canvas(clicker.dock)
    assert canvas is not None
    edges = find_edges(clicker, canvas, [-0.5, 9.5, 39.5, 40.5, 89.5, 95.5])
    assert np.ravel(bar.places) == pytest.approx(edges, abs=0.01)
    image = bar.grab().toImage()
    color = read_look(bar).error
    for left, right in bar.places:
        assert image.pixelColor(round((left + right) / 2), 2).name() == color
    assert image.pixelColor(round(edges[1]) + 5, 2).name() != color


def test_it_follows_the_camera_and_the_bscan(clicker: Clicker, bar: DoubtBar, qtbot: QtBot) -> None:
    camera, before = camera_of(clicker.viewer), bar.places
    camera.zoom *= 2
    assert bar.places != before
    camera.center = (*camera.center[:-1], 1e6)
    assert bar.places == []
    assert bar.isHidden()
    clicker.viewer.reset_view()
    assert bar.places == before
    clicker.dock.bench.navigation.go_to(0)
    qtbot.waitUntil(bar.isHidden)


def test_it_shows_nothing_where_ascans_are_no_columns(clicker: Clicker, bar: DoubtBar) -> None:
    viewer = clicker.viewer
    opened = clicker.dock.bench.session.opened
    assert opened is not None
    for change, back in (
        (lambda: setattr(viewer.dims, "ndisplay", 3), lambda: setattr(viewer.dims, "ndisplay", 2)),
        (viewer.dims.transpose, viewer.dims.transpose),
        (
            lambda: setattr(grid_of(viewer), "enabled", True),
            lambda: setattr(grid_of(viewer), "enabled", False),
        ),
    ):
        change()
        assert place_runs(RUNS, opened.labels, viewer, 500) == []
        back()
        viewer.reset_view()
        assert len(place_runs(RUNS, opened.labels, viewer, bar.width())) == 3


def test_clicks_go_through_it_to_the_canvas(clicker: Clicker, bar: DoubtBar) -> None:
    canvas = find_canvas(clicker.dock)
    assert canvas is not None
    left, right = bar.places[0]
    there = bar.mapToGlobal(bar.rect().topLeft())
    there.setX(there.x() + round((left + right) / 2))
    assert QApplication.widgetAt(there) in (canvas, None)
    assert canvas.childAt(canvas.mapFromGlobal(there)) is None

"""How the workbench is laid out: on a small screen, with real widgets in a real window."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication, QDockWidget, QLabel, QMainWindow, QWidget

from napari_retseg.ui.camera import camera_of
from napari_retseg.ui.memory import open_memory
from napari_retseg.ui.workbench.docks import find_dock
from napari_retseg.ui.workbench.focus import find_canvas
from napari_retseg.ui.workbench.layer_docks import NAMES, SHARE, measure_canvas
from napari_retseg.ui.workbench.surroundings import Surroundings
from tests.ui.workbench.clicking import Clicker

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot

#: A screen of 1366 x 768 less the title of the window and the bar of the system.
SMALL = (1366, 708)


@pytest.fixture(autouse=True)
def small_window(viewer: Viewer) -> None:
    """Make the viewer's window as large as a small screen."""
    viewer.window._qt_window.resize(*SMALL)


def window_of(clicker: Clicker) -> QMainWindow:
    """Return the viewer's window; nothing may keep it, or it is not closed."""
    window = clicker.viewer.window._qt_window
    assert isinstance(window, QMainWindow)
    return window


@pytest.fixture
def at_work(clicker: Clicker, viewer: Viewer, qtbot: QtBot) -> Clicker:
    """A scan is open and segmented, and a B-scan is painted on."""
    viewer.window.add_plugin_dock_widget("napari-retseg", "Scores")
    own = find_dock(clicker.dock)
    assert own is not None
    clicker.wait(lambda: bool(window_of(clicker).tabifiedDockWidgets(own)))
    own.raise_()
    clicker.segment_all()
    qtbot.wait(150)
    return clicker


def around(clicker: Clicker) -> Surroundings:
    found = clicker.dock.surroundings
    assert found is not None
    return found


def canvas_of(clicker: Clicker) -> QWidget:
    canvas = find_canvas(clicker.dock)
    assert canvas is not None
    return canvas


def press(clicker: Clicker, qtbot: QtBot, key: Qt.Key, *modifiers: Qt.KeyboardModifier) -> None:
    """Press a key over the B-scan."""
    modifier = Qt.KeyboardModifier.NoModifier
    for one in modifiers:
        modifier |= one
    qtbot.keyClick(canvas_of(clicker), key, modifier)


def is_whole(widget: QWidget) -> bool:
    return bool(widget.visibleRegion().boundingRect() == widget.rect())


def test_the_canvas_keeps_its_width_and_nothing_is_scrolled(at_work: Clicker, qtbot: QtBot) -> None:
    dock, window = at_work.dock, window_of(at_work)
    at_work.click(dock.review_panel.next_button)
    at_work.wait(lambda: bool(at_work.state.next_text))
    dock.bench.session.notify("A sentence that is as long as most of those that are shown here.")
    qtbot.wait(100)
    assert (window.width(), window.height()) == SMALL
    at_work.wait(lambda: measure_canvas(window) >= SHARE)
    assert dock.tabs.title == "Correct"
    bar = dock.tabs.area("Correct").verticalScrollBar()
    assert bar is not None
    at_work.wait(lambda: bar.maximum() == 0)
    review = dock.review_panel
    shown = [w for w in review.findChildren(QWidget) if w.isVisible()]
    needed = [
        *review.tool_row.buttons.values(),
        *(row.pick_button for row in review.legend.rows.values()),
        *(row.eye_button for row in review.legend.rows.values()),
        *(row.solo_button for row in review.legend.rows.values()),
        review.accept_button,
        review.confirm_button,
        review.next_button,
        review.undo_button,
    ]
    assert set(map(id, needed)) <= set(map(id, shown))
    for widget in [*shown, dock.notice, *dock.strip_panel.findChildren(QLabel)]:
        assert is_whole(widget), widget


def test_the_volume_lies_along_the_bottom_of_the_window(at_work: Clicker, qtbot: QtBot) -> None:
    cells, canvas = at_work.dock.strip_panel.strip.cells, canvas_of(at_work)
    window = window_of(at_work)
    assert is_whole(cells)
    assert cells.width() > 0.95 * window.width()
    top = cells.mapTo(window, QPoint(0, 0)).y()
    assert top > canvas.mapTo(window, QPoint(0, canvas.height())).y()
    qtbot.mouseClick(cells, Qt.MouseButton.LeftButton, pos=QPoint(cells.width() - 5, 20))
    assert at_work.state.bscan == 4
    qtbot.keyClick(cells, Qt.Key.Key_Home)
    assert at_work.state.bscan == 0
    text = at_work.dock.strip_panel.place_text.text()
    assert text == "eye, B-scan 0 of 0–4"


def test_the_strip_comes_with_the_first_scan_and_goes_with_the_dock(
    viewer: Viewer,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    volume: Path,
) -> None:
    clicker = Clicker(viewer, qtbot, monkeypatch)
    qtbot.waitUntil(lambda: clicker.dock.surroundings is not None)
    strip, window = around(clicker).strip_dock, window_of(clicker)
    cells = clicker.dock.strip_panel.strip.cells
    assert clicker.dock.strip_panel.place_text.text() == "No scan is open."
    assert cells.isHidden()
    clicker.start(tmp_path / "work", volume)
    assert cells.isVisible()
    clicker.dock.bench.navigation.close_scan()
    assert cells.isVisible()  # another scan is about to come
    viewer.window.remove_dock_widget(clicker.dock)
    qtbot.waitUntil(lambda: strip not in window.findChildren(QDockWidget), timeout=20_000)
    assert all(not docked.isHidden() for docked in layer_docks(window))


def layer_docks(window: QMainWindow) -> list[QDockWidget]:
    found = [window.findChild(QDockWidget, name) for name in NAMES]
    assert None not in found
    return [dock for dock in found if dock is not None]


def test_layers_step_aside_in_a_small_window_only(at_work: Clicker, qtbot: QtBot) -> None:
    window = window_of(at_work)
    assert all(dock.isHidden() for dock in layer_docks(window))
    button = at_work.dock.review_panel.layers_button
    assert not button.isChecked()
    press(at_work, qtbot, Qt.Key.Key_L, Qt.KeyboardModifier.ControlModifier)
    assert not any(dock.isHidden() for dock in layer_docks(window))
    assert button.isChecked()
    # what the user chose stays, whatever the room
    around(at_work).layer_docks.settle()
    assert not any(dock.isHidden() for dock in layer_docks(window))
    at_work.click(button)
    assert all(dock.isHidden() for dock in layer_docks(window))
    open_memory().remove("layer_docks")
    for dock in layer_docks(window):
        dock.show()
    window.resize(1900, 1000)
    qtbot.wait(150)
    at_work.wait(lambda: measure_canvas(window) >= SHARE)
    around(at_work).layer_docks.settle()
    assert not any(dock.isHidden() for dock in layer_docks(window))


def test_keys_reach_each_tab_and_what_is_in_it(at_work: Clicker, qtbot: QtBot) -> None:
    dock = at_work.dock
    window = dock.window()
    assert window is not None
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow, timeout=20_000)
    canvas_of(at_work).setFocus()
    for key, title in (
        (Qt.Key.Key_F2, "Scan"),
        (Qt.Key.Key_F3, "Model"),
        (Qt.Key.Key_F4, "Training"),
    ):
        press(at_work, qtbot, key)
        assert dock.tabs.title == title
        focused = QApplication.focusWidget()
        assert focused is not None
        assert dock.tabs.area(title).isAncestorOf(focused)
        qtbot.keyClick(focused, Qt.Key.Key_Escape)
        qtbot.waitUntil(canvas_of(at_work).hasFocus, timeout=20_000)
    press(at_work, qtbot, Qt.Key.Key_F1)
    assert dock.tabs.title == "Correct"


def test_square_pixels_by_one_key(at_work: Clicker, qtbot: QtBot) -> None:
    opened = at_work.dock.bench.session.opened
    assert opened is not None
    true = tuple(opened.image.scale[-2:])
    assert true[0] != true[1]
    press(at_work, qtbot, Qt.Key.Key_S, Qt.KeyboardModifier.ShiftModifier)
    assert tuple(opened.image.scale[-2:]) == (1, 1)
    press(at_work, qtbot, Qt.Key.Key_S, Qt.KeyboardModifier.ShiftModifier)
    assert tuple(opened.image.scale[-2:]) == true


def test_tabs_follow_the_work(
    viewer: Viewer,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    volume: Path,
) -> None:
    clicker = Clicker(viewer, qtbot, monkeypatch)
    tabs = clicker.dock.tabs
    assert tabs.title == "Scan"
    clicker.start(tmp_path / "work", volume)
    clicker.wait(lambda: tabs.title == "Model")
    clicker.segment_all()
    assert tabs.title == "Correct"
    clicker.confirm(0, 1, 4)
    training = tabs.count() - 1
    clicker.wait(lambda: tabs.tabText(training) == "Training •")
    assert tabs.title == "Correct"  # nobody is taken away from what they do
    clicker.retrain()
    assert tabs.title == "Training"
    assert tabs.tabText(training) == "Training"
    clicker.wait(lambda: len(clicker.iterations) >= 1)
    plot = clicker.dock.progress_panel.plot
    clicker.wait(plot.isVisible)
    clicker.wait(lambda: clicker.state.verdict is not None)
    qtbot.wait(150)
    clicker.wait(lambda: plot.canvas.height() >= 200)
    tops = [plot.canvas, plot.legend, plot.summary, clicker.dock.retrain_panel]
    for above, below in pairwise(tops):
        # nothing lies on something else
        end = above.mapToGlobal(QPoint(0, above.height())).y()
        assert end <= below.mapToGlobal(QPoint(0, 0)).y(), (above, below)
    clicker.click(clicker.dock.progress_panel.new_button)
    assert tabs.title == "Model"


def test_curves_have_the_room_while_it_trains(at_work: Clicker, qtbot: QtBot) -> None:
    at_work.confirm(0, 1, 4)
    at_work.retrain(iterations=400, score_every=200)
    at_work.wait(lambda: len(at_work.iterations) > 2)
    dock = at_work.dock
    at_work.wait(dock.progress_panel.plot.isVisible)
    qtbot.wait(150)
    area = dock.tabs.area("Training")
    bar = area.verticalScrollBar()
    assert bar is not None
    at_work.wait(lambda: bar.maximum() == 0)
    at_work.wait(lambda: dock.progress_panel.plot.canvas.height() >= 200)
    assert is_whole(dock.retrain_panel.stop_button)
    at_work.click(dock.retrain_panel.stop_button)
    at_work.wait(lambda: not at_work.state.is_training)


def drop(target: QWidget, *files: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(file)) for file in files])
    copy, left = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    place = QPointF(target.rect().center())
    none = Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(target, QDragEnterEvent(place.toPoint(), copy, data, left, none))
    QApplication.sendEvent(target, QDropEvent(place, copy, data, left, none))


@pytest.fixture
def opened_by_napari(viewer: Viewer, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note what napari opens, in place of its question for a reader."""
    found: list[str] = []

    def open_(_viewer: object, paths: list[str], **_: object) -> None:
        found.extend(paths)

    monkeypatch.setattr(type(viewer.window._qt_viewer), "_qt_open", open_)
    return found


@pytest.fixture
def dropped(tmp_path: Path, volume: Path) -> Path:
    path = tmp_path / "dropped.tif"
    path.write_bytes(volume.read_bytes())
    return path


@pytest.mark.parametrize("answer", ["Add to workspace", "Open as layers", "Cancel"])
def test_what_is_dropped_onto_the_window_is_offered(
    clicker: Clicker,
    viewer: Viewer,
    qtbot: QtBot,
    dropped: Path,
    answer: str,
    opened_by_napari: list[str],
) -> None:
    qtbot.waitUntil(lambda: clicker.dock.surroundings is not None)
    before = len(viewer.layers)
    drop(viewer.window._qt_viewer, dropped)
    dropping = around(clicker).dropping
    qtbot.waitUntil(lambda: dropping.question is not None and dropping.question.isVisible())
    box = dropping.question
    assert box is not None
    assert "Add dropped.tif to the workspace?" in box.text()
    assert len(viewer.layers) == before
    (button,) = (b for b in box.buttons() if b.text() == answer)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    if answer == "Add to workspace":
        clicker.wait(lambda: len(clicker.state.scans) == 2)
    qtbot.wait(100)
    assert len(clicker.state.scans) == (2 if answer == "Add to workspace" else 1)
    assert opened_by_napari == ([str(dropped)] if answer == "Open as layers" else [])
    assert len(viewer.layers) == before


def test_without_a_workspace_napari_opens_what_is_dropped(
    viewer: Viewer,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    dropped: Path,
    opened_by_napari: list[str],
) -> None:
    clicker = Clicker(viewer, qtbot, monkeypatch)
    qtbot.waitUntil(lambda: clicker.dock.surroundings is not None)
    drop(viewer.window._qt_viewer, dropped)
    assert opened_by_napari == [str(dropped)]


def test_the_zoom_is_kept_from_scan_to_scan(
    clicker: Clicker, viewer: Viewer, dropped: Path, qtbot: QtBot
) -> None:
    clicker.dock.bench.scan_import.add_files([dropped])
    clicker.wait(lambda: len(clicker.state.scans) == 2)
    qtbot.wait(200)  # layers have stepped aside
    camera = camera_of(viewer)
    camera.zoom *= 3
    camera.center = (*camera.center[:-2], 100.0, 700.0)
    seen = (camera.zoom, camera.center[-2:])
    clicker.dock.bench.navigation.go_to(1)
    assert (camera.zoom, camera.center[-2:]) == seen
    other = 1 - clicker.state.scan
    clicker.dock.bench.navigation.choose_scan(other)
    clicker.wait(lambda: clicker.state.scan == other and clicker.state.n_bscans > 0)
    assert camera.zoom == pytest.approx(seen[0])
    assert camera.center[-2:] == pytest.approx(seen[1])


def test_curves_have_a_window_of_their_own_on_request(at_work: Clicker, qtbot: QtBot) -> None:
    panel = at_work.dock.progress_panel
    at_work.dock.tabs.show_tab("Training")
    panel.plot.show()
    at_work.click(panel.plot.larger_button)
    window = panel.window_of_curves
    assert window is not None
    qtbot.waitUntil(window.isVisible)
    assert window.isAncestorOf(panel.plot)
    assert panel.plot.canvas.height() > 350
    assert panel.plot.larger_button.isHidden()
    window.close()
    qtbot.waitUntil(lambda: panel.isAncestorOf(panel.plot))
    assert not panel.plot.larger_button.isHidden()

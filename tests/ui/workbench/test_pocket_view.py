"""Pockets by clicks in a real viewer: real events of the mouse, keys and the wheel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication

from napari_retseg.ui.camera import camera_of
from tests.ui import mouse
from tests.ui.workbench.clicking import Clicker
from tests.ui.workbench.pressing import CENTRE, FLUID, circle, draw_layers, draw_pocket, write_eye

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot

LEFT = Qt.MouseButton.LeftButton
NO_KEY = Qt.KeyboardModifier.NoModifier


class Hand:
    """A hand on mouse and keys over the canvas."""

    def __init__(self, clicker: Clicker, qtbot: QtBot) -> None:
        self.clicker, self._qtbot = clicker, qtbot
        window: Any = clicker.viewer.window
        self.canvas = window._qt_viewer.canvas.native

    @property
    def pockets(self) -> Any:
        return self.clicker.dock.bench.pockets

    @property
    def labels(self) -> Any:
        opened = self.clicker.dock.bench.session.opened
        assert opened is not None
        return opened.labels

    @property
    def plane(self) -> Any:
        return self.labels.data[self.clicker.state.bscan]

    def place(self, row: float, column: float) -> QPoint:
        """Where a pixel of the B-scan in view is on the canvas."""
        world = self.labels.data_to_world((self.clicker.state.bscan, row, column))
        camera = camera_of(self.clicker.viewer)
        down, right = (np.array(world[-2:]) - camera.center[-2:]) * camera.zoom
        middle = self.canvas.rect().center()
        return QPoint(round(middle.x() + right), round(middle.y() + down))

    def click(self, row: float, column: float) -> None:
        self._qtbot.mouseClick(self.canvas, LEFT, pos=self.place(row, column))

    def drag(self, *places: tuple[float, float], key: Any = NO_KEY) -> None:
        points = [self.place(*place) for place in places]
        self._qtbot.mousePress(self.canvas, LEFT, key, pos=points[0])
        for point in points[1:]:
            mouse.move(self.canvas, point)
            self._qtbot.wait(10)  # napari takes a move every few milliseconds
        self._qtbot.mouseRelease(self.canvas, LEFT, key, pos=points[-1])

    def turn(self, notches: int) -> None:
        where = QPointF(self.place(*CENTRE))
        turned = QPoint(0, 120 * notches)
        phase = Qt.ScrollPhase.NoScrollPhase
        button = Qt.MouseButton.NoButton
        event = QWheelEvent(where, where, QPoint(), turned, button, NO_KEY, phase, False)
        QApplication.sendEvent(self.canvas, event)

    def press(self, key: Qt.Key, modifier: Any = NO_KEY) -> None:
        self._qtbot.keyClick(self.canvas, key, modifier)

    def wait(self, until: Callable[[], bool]) -> None:
        self.clicker.wait(until)


@pytest.fixture
def hand(viewer: Viewer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Hand:
    clicker = Clicker(viewer, qtbot, monkeypatch)
    clicker.start(tmp_path / "work", write_eye(tmp_path))
    made = Hand(clicker, qtbot)
    layers = draw_layers()
    rows, columns = np.nonzero(layers)
    where = (np.full(len(rows), clicker.state.bscan), rows, columns)
    made.labels.data_setitem(where, layers[rows, columns])
    made.canvas.setFocus()
    QApplication.processEvents()
    return made


def test_click_wheel_click_remove_and_cut(hand: Hand) -> None:
    layers = hand.plane.copy()
    hand.press(Qt.Key.Key_F, Qt.KeyboardModifier.ShiftModifier)
    assert hand.clicker.state.takes_pockets
    assert hand.clicker.dock.review_panel.tool_row.buttons["pocket"].isChecked()
    hand.click(*CENTRE)
    hand.wait(lambda: hand.pockets.proposal is not None)
    first = hand.pockets.proposal.region
    assert 2 * (first & draw_pocket()).sum() > 0.8 * (first.sum() + draw_pocket().sum())
    zoom = camera_of(hand.clicker.viewer).zoom
    hand.turn(1)
    assert hand.pockets.proposal.region.sum() > first.sum()
    assert camera_of(hand.clicker.viewer).zoom == zoom
    hand.turn(-1)
    hand.click(*CENTRE)
    assert np.array_equal(hand.plane == FLUID, first)
    zoom = camera_of(hand.clicker.viewer).zoom
    hand.drag((20, 48), (25, 48), (35, 48), (50, 48))
    assert not (hand.plane[:, 48] == FLUID).any()
    assert camera_of(hand.clicker.viewer).zoom == zoom
    hand.click(32, 40)
    assert not (hand.plane[:, :48] == FLUID).any()
    assert (hand.plane[:, 49:] == FLUID).any()
    hand.click(32, 56)
    assert not (hand.plane == FLUID).any()
    assert (hand.plane != layers).mean() < 0.002
    for _ in range(4):
        hand.press(Qt.Key.Key_U)
    assert np.array_equal(hand.plane, layers)


def test_a_cut_that_is_over_before_a_move_is_heard_counts(hand: Hand) -> None:
    hand.press(Qt.Key.Key_F, Qt.KeyboardModifier.ShiftModifier)
    hand.click(*CENTRE)
    hand.wait(lambda: hand.pockets.proposal is not None)
    hand.click(*CENTRE)
    assert (hand.plane[:, 48] == FLUID).any()
    hand.drag((20, 48), (50, 48))
    assert not (hand.plane[:, 48] == FLUID).any()


def test_a_line_around_a_pocket(hand: Hand) -> None:
    layers = hand.plane.copy()
    hand.press(Qt.Key.Key_F, Qt.KeyboardModifier.ShiftModifier)
    centre = camera_of(hand.clicker.viewer).center
    hand.drag(*circle(13, 19))
    hand.wait(lambda: hand.pockets.proposal is not None)
    first = hand.pockets.proposal.region
    assert 2 * (first & draw_pocket()).sum() > 0.85 * (first.sum() + draw_pocket().sum())
    hand.turn(1)
    assert hand.pockets.proposal.region.sum() > first.sum()
    hand.turn(-1)
    hand.click(*CENTRE)
    assert np.array_equal(hand.plane == FLUID, first)
    hand.drag(*circle(15, 22), key=Qt.KeyboardModifier.ShiftModifier)
    hand.wait(lambda: hand.pockets.proposal is not None)
    exactly = hand.pockets.proposal.region
    assert abs(exactly.sum() - np.pi * 15 * 22) < 40
    assert camera_of(hand.clicker.viewer).center == centre
    hand.press(Qt.Key.Key_Return)
    assert np.array_equal(hand.plane == FLUID, exactly | first)
    for _ in range(2):
        hand.press(Qt.Key.Key_U)
    assert np.array_equal(hand.plane, layers)


def test_ctrl_moves_the_picture(hand: Hand) -> None:
    hand.press(Qt.Key.Key_F, Qt.KeyboardModifier.ShiftModifier)
    goal = hand.place(30, 40)
    hand.drag((20, 20), (24, 28), (30, 40), key=Qt.KeyboardModifier.ControlModifier)
    assert (hand.place(20, 20) - goal).manhattanLength() <= 4
    assert hand.pockets.proposal is None


def test_keys_take_and_drop(hand: Hand) -> None:
    hand.clicker.click(hand.clicker.dock.review_panel.tool_row.buttons["pocket"])
    hand.click(*CENTRE)
    hand.wait(lambda: hand.pockets.proposal is not None)
    hand.canvas.setFocus()
    number = hand.pockets.proposal.number
    hand.press(Qt.Key.Key_Up)
    assert hand.pockets.proposal.number == number + 1
    hand.press(Qt.Key.Key_Return)
    assert (hand.plane == FLUID).any()
    hand.click(12, 20)
    hand.wait(lambda: hand.pockets.proposal is not None)
    hand.press(Qt.Key.Key_Escape)
    assert hand.pockets.proposal is None
    hand.press(Qt.Key.Key_Escape)
    assert not hand.clicker.state.takes_pockets
    assert not hand.clicker.dock.review_panel.tool_row.buttons["pocket"].isChecked()


def test_the_outline_lies_where_the_pixels_are(hand: Hand) -> None:
    hand.clicker.dock.bench.pockets.toggle()
    hand.click(*CENTRE)
    hand.wait(lambda: hand.pockets.proposal is not None)
    sheet = hand.clicker.dock.pocket_view.sheet
    assert sheet is not None
    place = sheet.find_transform()
    assert place is not None
    for row, column in (CENTRE, (5, 90)):
        seen = place.map(QPointF(column, row)).toPoint()
        assert (seen - hand.place(row, column)).manhattanLength() <= 2
    outline = np.concatenate(hand.pockets.proposal.outlines)
    rows, columns = np.nonzero(hand.pockets.proposal.region)
    assert outline[:, 0].min() == columns.min() - 0.5
    assert outline[:, 1].max() == rows.max() + 0.5
    picture = sheet.grab().toImage()
    inks = {
        picture.pixelColor(x, y).name()
        for x in range(0, picture.width(), 2)
        for y in range(0, picture.height(), 2)
    }
    assert len(inks) > 3
    hand.clicker.viewer.dims.ndisplay = 3
    assert sheet.find_transform() is None

"""Boundaries over a real canvas: where they are drawn is where the mouse takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QColor, QWheelEvent
from qtpy.QtWidgets import QApplication, QWidget

from napari_retseg.ui.camera import camera_of
from napari_retseg.ui.widgets.keys import CURVE_KEYS
from napari_retseg.ui.workbench.curve_view import CurveOverlay
from napari_retseg.ui.workbench.focus import find_canvas
from tests.ui import mouse
from tests.ui.workbench.clicking import LEFT, Clicker

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

SHIFT = Qt.KeyboardModifier.ShiftModifier


class Hand:
    """A mouse over the canvas; places are ``(column, row)`` of the B-scan's pixels."""

    def __init__(self, clicker: Clicker, qtbot: QtBot) -> None:
        self._clicker = clicker
        self.qtbot = qtbot
        canvas = find_canvas(clicker.dock)
        assert canvas is not None
        self.canvas: QWidget = canvas

    @property
    def sheet(self) -> CurveOverlay:
        sheet = self._clicker.dock.curve_view.sheet
        assert sheet is not None
        return sheet

    def at(self, column: float, row: float) -> QPoint:
        place = self.sheet.find_transform()
        assert place is not None
        return place.map(QPointF(column, row)).toPoint()

    def rows_of_a_pixel(self) -> float:
        """How many rows of the B-scan a pixel of the screen is."""
        place = self.sheet.find_transform()
        assert place is not None
        return float(1 / place.m22())

    def move(self, column: float, row: float) -> None:
        mouse.move(self.canvas, self.at(column, row))
        self.qtbot.wait(30)  # napari takes a move every 5 ms

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.move(*start)
        self.qtbot.mousePress(self.canvas, LEFT, SHIFT, self.at(*start))
        self.move(*end)
        self.qtbot.mouseRelease(self.canvas, LEFT, SHIFT, self.at(*end))

    def turn(self, column: float, row: float) -> None:
        place = QPointF(self.at(column, row))
        event = QWheelEvent(
            place,
            QPointF(self.canvas.mapToGlobal(place.toPoint())),
            QPoint(0, 120),
            QPoint(0, 120),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(self.canvas, event)


@pytest.fixture
def hand(clicker: Clicker, qtbot: QtBot) -> Hand:
    opened = clicker.dock.bench.session.opened
    assert opened is not None
    labels = np.zeros((64, 96), np.uint8)
    for value, start in enumerate((10, 18, 26), 1):
        labels[start : start + 8] = value
    rows, columns = np.nonzero(labels)
    opened.labels.data_setitem((np.full(rows.size, 2), rows, columns), labels[rows, columns])
    made = Hand(clicker, qtbot)
    made.canvas.setFocus()
    qtbot.keyClick(made.canvas, CURVE_KEYS["curves"])
    clicker.wait(lambda: clicker.dock.curve_view.sheet is not None)
    clicker.dock.bench.curves.width = 20
    mouse.enter(made.canvas)
    return made


def test_a_drag_moves_what_is_drawn_and_does_not_pan(clicker: Clicker, hand: Hand) -> None:
    curves, camera = clicker.dock.bench.curves, camera_of(clicker.viewer)
    center, zoom = camera.center, camera.zoom
    hand.move(40, 17.5)
    assert curves.is_near
    assert curves.chosen == 1
    hand.drag((40, 17.5), (40, 13.5))
    assert curves.rows is not None
    assert curves.rows[1, 40] == pytest.approx(13.5, abs=1)
    assert clicker.viewer.layers["labels"].data[2, 15, 40] == 2
    hand.turn(40, 13.5)
    assert curves.width == 25
    assert (camera.center, camera.zoom) == (center, zoom)
    hand.turn(40, 60)
    clicker.wait(lambda: bool(camera.zoom != zoom))  # once it is drawn
    assert curves.width == 25


def test_a_drag_that_is_over_before_a_move_is_heard_counts(clicker: Clicker, hand: Hand) -> None:
    curves = clicker.dock.bench.curves
    hand.move(40, 17.5)
    before = curves.rows
    assert before is not None
    hand.qtbot.mousePress(hand.canvas, LEFT, SHIFT, hand.at(40, 17.5))
    hand.qtbot.mouseRelease(hand.canvas, LEFT, SHIFT, hand.at(40, 12.5))
    assert curves.rows is not None
    assert curves.rows[1, 40] == pytest.approx(12.5, abs=2 * hand.rows_of_a_pixel())


@pytest.mark.parametrize(
    ("keys", "is_drawing", "is_free"),
    [
        (Qt.KeyboardModifier.NoModifier, False, False),
        (SHIFT, False, True),
        (Qt.KeyboardModifier.ControlModifier, True, False),
        (SHIFT | Qt.KeyboardModifier.ControlModifier, True, True),
    ],
)
def test_keys_that_are_held_say_what_the_mouse_does(
    clicker: Clicker,
    hand: Hand,
    keys: Qt.KeyboardModifier,
    is_drawing: bool,
    is_free: bool,
) -> None:
    curves = clicker.dock.bench.curves
    hand.move(40, 17.5)
    hand.qtbot.mousePress(hand.canvas, LEFT, keys, hand.at(40, 17.5))
    hand.move(46, 14)
    assert curves.is_held
    assert bool(curves.stroke) == is_drawing
    assert curves.is_free == is_free
    hand.qtbot.mouseRelease(hand.canvas, LEFT, keys, hand.at(46, 14))
    assert not curves.is_held


def test_curves_are_drawn_where_the_pixels_are(clicker: Clicker, hand: Hand) -> None:
    curves = clicker.dock.bench.curves
    picture = hand.sheet.grab().toImage()
    for boundary, row in enumerate((9.5, 17.5, 25.5, 33.5)):
        color = QColor(curves.colors[boundary])
        x, y = hand.at(60, row).x(), hand.at(60, row).y()
        near = [picture.pixelColor(x, y + k) for k in (-2, -1, 0, 1, 2)]
        away = min(abs(one.red() - color.red()) + abs(one.green() - color.green()) for one in near)
        assert away < 160, boundary


def test_the_sheet_follows_the_view_and_goes(clicker: Clicker, hand: Hand) -> None:
    sheet = hand.sheet
    before = hand.at(40, 17.5)
    camera_of(clicker.viewer).zoom *= 2
    assert hand.at(40, 17.5) != before
    hand.drag((48, 25.5), (48, 22.5))
    curves = clicker.dock.bench.curves
    assert curves.rows is not None
    # the mouse counts in pixels of the screen
    assert curves.rows[2, 48] == pytest.approx(22.5, abs=max(0.3, hand.rows_of_a_pixel()))
    clicker.viewer.dims.ndisplay = 3
    assert sheet.find_transform() is None
    clicker.viewer.dims.ndisplay = 2
    assert hand.canvas.rect() == sheet.rect()
    hand.qtbot.keyClick(hand.canvas, CURVE_KEYS["curves"])
    clicker.wait(lambda: clicker.dock.curve_view.sheet is None)
    clicker.wait(lambda: hand.canvas.findChild(CurveOverlay) is None)


def test_keys_lift_take_away_and_bring_back(clicker: Clicker, hand: Hand) -> None:
    curves = clicker.dock.bench.curves
    keys: Any = hand.qtbot.keyClick
    hand.move(40, 17.5)
    keys(hand.canvas, Qt.Key.Key_Up)
    keys(hand.canvas, Qt.Key.Key_Up)
    assert curves.rows is not None
    assert curves.rows[1, 10] == 16.5
    keys(hand.canvas, Qt.Key.Key_Down, SHIFT)
    assert curves.chosen == 2
    keys(hand.canvas, Qt.Key.Key_Right, SHIFT)
    assert curves.width == 25
    hand.move(40, 22)
    keys(hand.canvas, Qt.Key.Key_D, SHIFT)
    assert not (clicker.viewer.layers["labels"].data[2, :, 40] == 2).any()
    keys(hand.canvas, Qt.Key.Key_B, SHIFT)
    assert (clicker.viewer.layers["labels"].data[2, :, 40] == 2).any()


def test_nothing_is_said_of_a_boundary_when_the_mouse_has_left(
    clicker: Clicker, hand: Hand
) -> None:
    curves = clicker.dock.bench.curves
    hand.move(40, 17.5)
    assert curves.is_near
    mouse.leave(hand.canvas)
    assert not curves.is_near

"""The pointer that keys move does what a mouse does, with each tool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QFocusEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget

from napari_retseg.ui.camera import camera_of
from napari_retseg.ui.workbench.focus import find_canvas
from napari_retseg.ui.workbench.key_pointer import PointerSheet
from tests.ui.workbench.clicking import Clicker

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

NONE, SHIFT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier
CTRL = Qt.KeyboardModifier.ControlModifier
Key = Qt.Key
#: Its types know no widgets.
TEST: Any = QTest


class Keys:
    """Keys over the canvas; no mouse."""

    def __init__(self, clicker: Clicker, qtbot: QtBot) -> None:
        self.clicker, self._qtbot = clicker, qtbot
        canvas = find_canvas(clicker.dock)
        assert canvas is not None
        self.canvas: QWidget = canvas
        canvas.setFocus()

    @property
    def sheet(self) -> PointerSheet:
        sheet = self.clicker.dock.key_pointer.sheet
        assert sheet is not None
        return sheet

    @property
    def plane(self) -> Any:
        return self.clicker.viewer.layers["labels"].data[self.clicker.state.bscan]

    def press(self, key: Key, keys: Any = NONE, times: int = 1) -> None:
        for _ in range(times):
            self._qtbot.keyClick(self.canvas, key, keys)
            self._qtbot.wait(15)  # napari takes a move every few milliseconds

    def hold(self, keys: Any = NONE) -> None:
        TEST.keyPress(self.canvas, Key.Key_Space, keys)

    def let_go(self) -> None:
        TEST.keyRelease(self.canvas, Key.Key_Space)


@pytest.fixture
def keys(clicker: Clicker, qtbot: QtBot) -> Keys:
    made = Keys(clicker, qtbot)
    made.press(Key.Key_M, SHIFT)
    return made


def test_arrows_move_it_on_the_bscan_and_no_further(keys: Keys) -> None:
    column, row = keys.sheet.place
    assert abs(column - 47.5) <= 1
    assert abs(row - 31.5) <= 1
    bscan = keys.clicker.state.bscan
    keys.press(Key.Key_Right)
    keys.press(Key.Key_Down, CTRL)
    assert keys.sheet.place[0] > column
    assert keys.sheet.place[1] >= row + 10
    assert keys.clicker.state.bscan == bscan
    keys.press(Key.Key_Right, CTRL, times=15)
    keys.press(Key.Key_Up, CTRL, times=9)
    assert keys.sheet.place == (95, 0)
    keys.press(Key.Key_M, SHIFT)
    assert keys.clicker.dock.key_pointer.sheet is None
    keys.press(Key.Key_Right)
    assert keys.clicker.state.bscan == bscan + 1


def test_the_brush_paints_and_one_stroke_is_one_step(keys: Keys) -> None:
    before = keys.plane.copy()
    keys.press(Key.Key_2)
    keys.press(Key.Key_2, CTRL)
    keys.hold()
    keys.press(Key.Key_Right, CTRL)
    keys.let_go()
    painted = np.flatnonzero((keys.plane == 2).any(axis=0))
    assert np.ptp(painted) >= 10
    keys.press(Key.Key_Right, CTRL)
    assert np.array_equal(np.flatnonzero((keys.plane == 2).any(axis=0)), painted)
    keys.press(Key.Key_U)
    assert np.array_equal(keys.plane, before)


def test_the_button_is_let_go_with_the_focus(keys: Keys) -> None:
    keys.press(Key.Key_2)
    keys.hold()
    keys.press(Key.Key_Right)
    QApplication.sendEvent(keys.canvas, QFocusEvent(QEvent.Type.FocusOut))
    painted = (keys.plane > 0).sum()
    keys.press(Key.Key_Right, CTRL)
    assert (keys.plane > 0).sum() == painted
    assert painted


def test_the_wheel_zooms_and_a_drag_moves_the_picture(keys: Keys, qtbot: QtBot) -> None:
    camera = camera_of(keys.clicker.viewer)
    keys.press(Key.Key_6)
    zoom, center = camera.zoom, camera.center
    place = keys.sheet.place
    keys.press(Key.Key_PageUp)
    qtbot.waitUntil(lambda: bool(camera.zoom > zoom))
    assert keys.sheet.place == place
    keys.hold()
    keys.press(Key.Key_Left, CTRL)
    keys.let_go()
    assert camera.center != center


def test_it_is_seen_and_goes_with_the_scan(keys: Keys) -> None:
    picture = keys.sheet.grab().toImage()
    inks = {
        picture.pixelColor(x, y).name()
        for x in range(picture.width())
        for y in range(picture.height())
    }
    assert "#ffffff" in inks
    keys.clicker.dock.bench.navigation.close_scan()
    assert keys.clicker.dock.key_pointer.sheet is None
    keys.press(Key.Key_M, SHIFT)
    assert keys.clicker.dock.key_pointer.sheet is None
    assert keys.clicker.state.notice.text == "Open a scan first."

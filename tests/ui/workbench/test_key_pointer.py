"""The pointer that keys move does what a mouse does, with each tool."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import QEvent
from qtpy.QtGui import QFocusEvent
from qtpy.QtWidgets import QApplication

from napari_retseg.ui.camera import camera_of
from tests.ui.workbench.clicking import Clicker
from tests.ui.workbench.keyboard import Keys

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


@pytest.fixture
def keys(clicker: Clicker, qtbot: QtBot) -> Keys:
    made = Keys(clicker, qtbot)
    made.rest()
    made.press("Shift+M")
    return made


def test_arrows_move_it_on_the_bscan_and_no_further(keys: Keys) -> None:
    column, row = keys.sheet.place
    assert abs(column - 47.5) <= 1
    assert abs(row - 31.5) <= 1
    bscan = keys.clicker.state.bscan
    keys.press("Right")
    keys.press("Ctrl+Down")
    assert keys.sheet.place[0] > column
    assert keys.sheet.place[1] >= row + 10
    assert keys.clicker.state.bscan == bscan
    keys.press(*15 * ("Ctrl+Right",))
    keys.press(*9 * ("Ctrl+Up",))
    assert keys.sheet.place == (95, 0)
    keys.press("Shift+M")
    assert keys.clicker.dock.key_pointer.sheet is None
    keys.press("Right")
    assert keys.clicker.state.bscan == bscan + 1


def test_the_brush_paints_and_one_stroke_is_one_step(keys: Keys) -> None:
    before = keys.plane.copy()
    keys.press("2")
    keys.press("Ctrl+2")
    keys.press("hold Space")
    keys.press("Ctrl+Right")
    keys.press("let go")
    painted = np.flatnonzero((keys.plane == 2).any(axis=0))
    assert np.ptp(painted) >= 10
    keys.press("Ctrl+Right")
    assert np.array_equal(np.flatnonzero((keys.plane == 2).any(axis=0)), painted)
    keys.press("U")
    assert np.array_equal(keys.plane, before)


def test_the_button_is_let_go_with_the_focus(keys: Keys) -> None:
    keys.press("2")
    keys.press("hold Space")
    keys.press("Right")
    QApplication.sendEvent(keys.canvas, QFocusEvent(QEvent.Type.FocusOut))
    painted = (keys.plane > 0).sum()
    keys.press("Ctrl+Right")
    assert (keys.plane > 0).sum() == painted
    assert painted


def test_the_wheel_zooms_and_a_drag_moves_the_picture(keys: Keys, qtbot: QtBot) -> None:
    camera = camera_of(keys.clicker.viewer)
    keys.press("6")
    zoom, center = camera.zoom, camera.center
    place = keys.sheet.place
    keys.press("PgUp")
    qtbot.waitUntil(lambda: bool(camera.zoom > zoom))
    assert keys.sheet.place == place
    keys.press("hold Space")
    keys.press("Ctrl+Left")
    keys.press("let go")
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
    keys.press("Shift+M")
    assert keys.clicker.dock.key_pointer.sheet is None
    assert keys.clicker.state.notice.text == "Open a scan first."

"""The row of tools: what is in hand is marked, however it was taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import Qt

from napari_retseg.classes import IGNORE
from napari_retseg.ui.widgets.keys import CURVE_KEYS, KEYS, TOOL_KEYS
from napari_retseg.ui.workbench.control.open_scan import OpenScan
from napari_retseg.ui.workbench.focus import find_canvas
from tests.ui.workbench.clicking import Clicker

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


@pytest.fixture
def opened(clicker: Clicker) -> OpenScan:
    found = clicker.dock.bench.session.opened
    assert found is not None
    clicker.dock.tabs.show_tab("Correct")
    return found


def in_hand(clicker: Clicker) -> list[str]:
    buttons = clicker.dock.review_panel.tool_row.buttons
    return [name for name, button in buttons.items() if button.isChecked()]


def test_each_tool_is_taken_by_a_click(clicker: Clicker, opened: OpenScan) -> None:
    for name, button in clicker.dock.review_panel.tool_row.buttons.items():
        clicker.click(button)
        assert in_hand(clicker) == ([name] if name != "ignore" else ["polygon", "ignore"])
        key = {**KEYS, **CURVE_KEYS, **TOOL_KEYS}[name]
        assert button.text().endswith(key.replace("Shift+", "⇧"))
        assert f"[{key}]" in button.toolTip()
        if name in TOOL_KEYS:
            assert opened.labels.mode == name
    # what is left out is drawn with the tool that draws
    assert (opened.labels.mode, opened.labels.selected_label) == ("polygon", IGNORE)
    # a click on what is in hand leaves it there
    clicker.click(clicker.dock.review_panel.tool_row.buttons["polygon"])
    assert in_hand(clicker) == ["polygon", "ignore"]


def test_tools_that_are_taken_by_keys_are_marked(
    clicker: Clicker, opened: OpenScan, qtbot: QtBot
) -> None:
    canvas = find_canvas(clicker.dock)
    assert canvas is not None
    for name, key in TOOL_KEYS.items():
        qtbot.keyClick(canvas, Qt.Key(ord(key)))
        assert opened.labels.mode == name
        assert in_hand(clicker) == [name]
    qtbot.keyClick(canvas, Qt.Key.Key_Q)
    assert in_hand(clicker) == ["paint", "ignore"]


def test_the_brush_has_one_size_here_and_in_napari(clicker: Clicker, opened: OpenScan) -> None:
    row = clicker.dock.review_panel.tool_row
    row.brush_slider.setValue(21)
    assert opened.labels.brush_size == 21
    assert row.brush_text.text() == "21"
    opened.labels.brush_size = 3
    assert (row.brush_slider.value(), row.brush_text.text()) == (3, "3")


def test_without_a_scan_no_tool_can_be_taken(clicker: Clicker, opened: OpenScan) -> None:
    clicker.dock.bench.navigation.close_scan()
    row = clicker.dock.review_panel.tool_row
    assert not any(button.isEnabled() for button in row.buttons.values())
    assert in_hand(clicker) == []
    clicker.dock.bench.tools.take("paint")
    assert clicker.state.notice.text == "Open a scan first."

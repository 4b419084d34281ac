"""The strip: where B-scans are, what their cells show, and what clicks and keys say."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QColor, QMouseEvent
from qtpy.QtWidgets import QApplication, QToolTip, QWidget

from napari_retseg.ui.widgets.theme import BscanStatus, read_look
from napari_retseg.ui.workbench.panels.bscan_strip import BscanStrip, lay_out_columns
from napari_retseg.workspace import StripCell

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

Theme = Callable[[QWidget, str], None]

LEFT = Qt.MouseButton.LeftButton


def cell_of(
    bscan: int,
    status: BscanStatus = "untouched",
    *,
    is_heldout: bool = False,
    uncertainty: float | None = None,
) -> StripCell:
    return StripCell(bscan, status, is_heldout, uncertainty)


def volume(n: int, **changes: StripCell) -> tuple[StripCell, ...]:
    cells = [cell_of(k) for k in range(n)]
    for cell in changes.values():
        cells[cell.bscan] = cell
    return tuple(cells)


@pytest.fixture
def strip(qtbot: QtBot) -> BscanStrip:
    strip = BscanStrip()
    qtbot.addWidget(strip)
    strip.resize(280, 90)
    strip.show()
    return strip


def place(strip: BscanStrip, bscan: int, y: int = 20) -> QPoint:
    width = strip.cells.width()
    columns = lay_out_columns(len(strip.cells.shown), width)
    column = next(c for c in columns if c.first <= bscan <= c.last)
    return QPoint(column.left + column.width // 2, y)


def color_at(strip: BscanStrip, bscan: int, y: int) -> str:
    image = strip.cells.grab().toImage()
    return str(image.pixelColor(place(strip, bscan, y)).name())


@given(n=st.integers(1, 2000), width=st.integers(1, 1500))
def test_columns_cover_all_bscans_and_all_pixels_once(n: int, width: int) -> None:
    columns = lay_out_columns(n, width)
    assert [k for c in columns for k in range(c.first, c.last + 1)] == list(range(n))
    assert [x for c in columns for x in range(c.left, c.left + c.width)] == list(range(width))
    if n <= width:
        assert all(c.first == c.last for c in columns)


@pytest.mark.parametrize("n", [0, -1])
def test_without_bscans_there_are_no_columns(n: int) -> None:
    assert lay_out_columns(n, 280) == []


@pytest.mark.parametrize("n", [1, 7, 61, 244])
def test_every_bscan_can_be_clicked(strip: BscanStrip, qtbot: QtBot, n: int) -> None:
    strip.set_cells(volume(n))
    clicked: list[int] = []
    strip.bscan_clicked.connect(clicked.append)
    for bscan in range(n):
        qtbot.mouseClick(strip.cells, LEFT, pos=place(strip, bscan))
    assert clicked == list(range(n))


def test_dragging_goes_along(strip: BscanStrip, qtbot: QtBot) -> None:
    strip.set_cells(volume(10))
    clicked: list[int] = []
    strip.bscan_clicked.connect(clicked.append)
    qtbot.mousePress(strip.cells, LEFT, pos=place(strip, 2))
    for bscan in (2, 3, 4):
        move(strip, place(strip, bscan), LEFT)
    move(strip, QPoint(5000, 20), LEFT)
    move(strip, QPoint(-20, 20), LEFT)
    qtbot.mouseRelease(strip.cells, LEFT, pos=QPoint(0, 20))
    move(strip, place(strip, 7), Qt.MouseButton.NoButton)
    assert clicked == [2, 3, 4, 9, 0]


def move(strip: BscanStrip, where: QPoint, buttons: Qt.MouseButton) -> None:
    """Move the pointer with a button down, which qtbot cannot."""
    there = QPointF(where)
    event = QMouseEvent(
        QEvent.Type.MouseMove,
        there,
        strip.cells.mapToGlobal(there),
        Qt.MouseButton.NoButton,
        buttons,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(strip.cells, event)


def test_keys_go_to_neighbours_and_ends(strip: BscanStrip, qtbot: QtBot) -> None:
    strip.set_cells(volume(61))
    strip.set_current(30)
    clicked: list[int] = []
    strip.bscan_clicked.connect(clicked.append)
    for key in (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Home, Qt.Key.Key_End):
        qtbot.keyClick(strip.cells, key)
    assert clicked == [29, 31, 0, 60]
    strip.set_current(60)
    qtbot.keyClick(strip.cells, Qt.Key.Key_Right)
    assert clicked[4:] == []


def test_an_empty_strip_takes_clicks_and_keys(strip: BscanStrip, qtbot: QtBot) -> None:
    with qtbot.assertNotEmitted(strip.bscan_clicked):
        qtbot.mouseClick(strip.cells, LEFT)
        qtbot.keyClick(strip.cells, Qt.Key.Key_Right)
    assert strip.legend.text() == ""


def test_hovering_names_the_bscan(strip: BscanStrip, qtbot: QtBot) -> None:
    cell = cell_of(12, "corrected", is_heldout=True, uncertainty=0.41)
    strip.set_cells(volume(244, a=cell))
    move(strip, place(strip, 12), Qt.MouseButton.NoButton)
    assert QToolTip.text() == "B-scan 12 of 0–243: corrected, held out, uncertainty 0.41"
    assert strip.cells.describe(place(strip, 13)) == "B-scan 13 of 0–243: untouched"
    QToolTip.hideText()


def test_bscans_that_share_a_pixel_are_all_named(strip: BscanStrip) -> None:
    strip.set_cells(volume(2 * strip.cells.width()))
    assert strip.cells.describe(QPoint(3, 20)).count("\n") == 1
    assert strip.cells.bscan_at(3) == 6


def test_states_have_their_colors_and_heights(strip: BscanStrip) -> None:
    statuses: tuple[BscanStatus, ...] = ("untouched", "predicted", "corrected", "confirmed")
    strip.set_cells([cell_of(k, status) for k, status in enumerate(statuses)])
    look = read_look(strip)
    for k, status in enumerate(statuses):
        assert color_at(strip, k, 31) == look.status(status)
    # one height more for each: from the bottom of the cell, at 32
    assert [color_at(strip, k, 14) == look.raised for k in range(4)] == [True, True, True, False]
    assert [color_at(strip, k, 24) == look.raised for k in range(4)] == [True, False, False, False]


def test_heldout_uncertainty_and_current_are_marked(strip: BscanStrip) -> None:
    strip.set_cells(
        volume(
            28,
            a=cell_of(3, is_heldout=True),
            b=cell_of(5, "predicted", uncertainty=0.4),
            c=cell_of(6, "predicted", uncertainty=0.1),
        )
    )
    look = read_look(strip)
    assert color_at(strip, 3, 8) == look.text
    assert color_at(strip, 4, 8) != look.text
    assert color_at(strip, 5, 39) == look.uncertain
    assert color_at(strip, 6, 39) != look.uncertain
    assert color_at(strip, 6, 45) == look.uncertain
    strip.set_current(10)
    image = strip.cells.grab().toImage()
    assert image.pixelColor(place(strip, 10, 1)) == QColor(look.text)
    strip.set_current(11)
    assert strip.cells.grab().toImage() != image


def test_bscans_with_many_doubtful_ascans_are_marked(strip: BscanStrip) -> None:
    few, many = replace(cell_of(1), doubtful=0.2), replace(cell_of(3), doubtful=0.21)
    strip.set_cells(volume(28, a=few, b=many))
    look = read_look(strip)
    assert color_at(strip, 3, 34) == look.error
    assert color_at(strip, 1, 34) != look.error
    assert "1 doubtful" in strip.legend.text().replace("&nbsp;", " ")
    told = strip.cells.describe(place(strip, 3))
    assert told == "B-scan 3 of 0–27: untouched, 21% of the A-scans doubtful"


def test_legend_counts_in_words(strip: BscanStrip) -> None:
    strip.set_cells(
        volume(9, a=cell_of(1, "confirmed"), b=cell_of(2, "confirmed", is_heldout=True))
    )
    text = strip.legend.text().replace("&nbsp;", " ")
    assert "2 confirmed" in text
    assert "7 untouched" in text
    assert "1 held out" in text
    assert "corrected" not in text
    assert "uncertainty" not in text


def test_the_theme_colors_cells_and_legend(strip: BscanStrip, theme: Theme) -> None:
    strip.set_cells(volume(4, a=cell_of(1, "corrected")))
    seen = set()
    for name in ("dark", "light"):
        theme(strip, name)
        color = read_look(strip).corrected
        assert color_at(strip, 1, 31) == color
        assert color in strip.legend.text()
        seen.add(color)
    assert len(seen) == 2


def test_a_long_volume_is_painted_quickly(strip: BscanStrip) -> None:
    cells = [cell_of(k, "predicted", uncertainty=k / 300) for k in range(244)]
    began = time.perf_counter()
    for k in range(20):
        strip.set_cells([replace(cells[0], uncertainty=k / 20), *cells[1:]])
        strip.set_current(k)
        strip.cells.repaint()
    assert (time.perf_counter() - began) / 20 < 0.02

"""The table of scores: numbers, dashes, changes and the worst B-scans."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QWidget

from napari_retseg.classes import LabelSet
from napari_retseg.layers import BoundaryErrors, count_boundaries
from napari_retseg.scores import Overlap, ScoreCounter, confusion_matrix
from napari_retseg.ui.scores.rows import count_pixels
from napari_retseg.ui.scores.table import ScoreTable
from napari_retseg.ui.widgets.theme import read_look

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

Theme = Callable[[QWidget, str], None]

LEFT = Qt.MouseButton.LeftButton
CLASSES = LabelSet.from_names(["NFL", "INL", "fluid", "drusen"])
TEXT, TIP = Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole
COLOR, SWATCH = Qt.ItemDataRole.ForegroundRole, Qt.ItemDataRole.DecorationRole


def overlap(predicted: list[int]) -> Overlap:
    reference = np.array([[1, 1, 1, 1, 2, 2, 0, 0]], dtype=np.uint8)
    counter = ScoreCounter(CLASSES)
    matrix = confusion_matrix(reference, np.array([predicted], dtype=np.uint8), len(CLASSES))
    counter.add(matrix, name="eye", group="A")
    return Overlap(counter.scores().classes)


#: NFL 3 of 4, INL right, fluid predicted but not there, drusen in neither.
NOW = overlap([1, 1, 1, 0, 2, 2, 3, 0])
BEFORE = overlap([1, 1, 0, 0, 2, 2, 0, 0])


@pytest.fixture
def table(qtbot: QtBot) -> ScoreTable:
    table = ScoreTable(CLASSES)
    qtbot.addWidget(table)
    table.resize(284, 400)
    table.show()
    return table


def cells(table: ScoreTable, row: int) -> list[str]:
    model = table.model
    return [model.data(model.index(row, k), TEXT) for k in range(model.columnCount())]


def tip(table: ScoreTable, row: int) -> str:
    return str(table.model.data(table.model.index(row, 0), TIP))


def test_without_scores_there_are_dashes(table: ScoreTable) -> None:
    assert cells(table, 0) == ["mean", "–", "–", "", "–"]
    assert cells(table, 4) == ["drusen", "–", "–", "–", "–"]
    table.set_scores(NOW)
    table.set_scores(None)
    assert cells(table, 1) == ["NFL", "–", "–", "–", "–"]


def test_scores_are_shown_with_their_changes(table: ScoreTable) -> None:
    table.set_scores(NOW, before=BEFORE)
    assert cells(table, 1) == ["NFL", "0.857", "0.750", "4", "+0.190"]
    assert cells(table, 2) == ["INL", "1.000", "1.000", "2", "0.000"]
    assert cells(table, 0) == ["mean", "0.929", "0.875", "", "+0.095"]


def test_an_absent_class_has_a_dash_and_a_wrong_one_zero(table: ScoreTable) -> None:
    table.set_scores(NOW)
    assert cells(table, 3) == ["fluid", "0.000", "0.000", "0", "–"]
    assert cells(table, 4) == ["drusen", "–", "–", "0", "–"]
    assert "all predicted pixels are wrong" in tip(table, 3)
    assert "In neither" in tip(table, 4)


def test_tooltips_hold_what_columns_have_no_room_for(table: ScoreTable) -> None:
    table.set_scores(NOW, before=BEFORE)
    assert tip(table, 1) == (
        "NFL: 4 pixels in the reference, 3 predicted\n"
        "Precision 1.000, recall 0.750\nDice before: 0.667"
    )
    header = table.table.horizontalHeader()
    assert header is not None
    for column in range(table.model.columnCount()):
        assert table.model.headerData(column, Qt.Orientation.Horizontal, TIP)


def test_rows_have_the_colors_of_the_layers(table: ScoreTable) -> None:
    for row, one in enumerate(CLASSES.foreground, start=1):
        icon = table.model.data(table.model.index(row, 0), SWATCH)
        assert icon.pixmap(12, 12).toImage().pixelColor(6, 6).name() == one.color


@pytest.mark.parametrize("name", ["dark", "light"])
def test_better_and_worse_have_colors(table: ScoreTable, theme: Theme, name: str) -> None:
    theme(table, name)
    look = read_look(table)
    index = table.model.index(1, 4)
    table.set_scores(NOW, before=BEFORE)
    assert table.model.data(index, COLOR).name() == look.better
    table.set_scores(BEFORE, before=NOW)
    assert table.model.data(index, COLOR).name() == look.error
    assert cells(table, 1)[4] == "-0.190"
    table.set_scores(NOW, before=NOW)
    assert table.model.data(index, COLOR).name() == look.text


@pytest.mark.parametrize("name", ["dark", "light"])
def test_all_rows_and_numbers_are_seen_in_a_narrow_dock(
    table: ScoreTable, theme: Theme, name: str
) -> None:
    theme(table, name)
    table.set_scores(NOW, before=BEFORE)
    view = table.table
    header, viewport, metrics = view.horizontalHeader(), view.viewport(), view.fontMetrics()
    assert header is not None
    assert viewport is not None
    assert table.width() == 284
    assert header.length() <= viewport.width()
    last = view.visualRect(table.model.index(4, 0))
    assert last.bottom() <= viewport.height()
    for column in range(1, 5):
        assert metrics.horizontalAdvance(cells(table, 1)[column]) + 4 <= header.sectionSize(column)
    assert metrics.horizontalAdvance("ONL-ISM") + 16 <= header.sectionSize(0)


def test_scope_is_told_when_it_is_clicked(table: ScoreTable, qtbot: QtBot) -> None:
    assert table.scope == "volume"
    with qtbot.waitSignal(table.scope_changed) as changed:
        qtbot.mouseClick(table.scope_buttons["heldout"], LEFT)
    assert changed.args == ["heldout"]
    with qtbot.assertNotEmitted(table.scope_changed):
        qtbot.mouseClick(table.scope_buttons["heldout"], LEFT)


def test_worst_bscans_are_clicked_and_chosen_by_key(table: ScoreTable, qtbot: QtBot) -> None:
    assert not table.worst.isVisible()
    table.set_worst([(12, 0.412), (3, 0.5)])
    assert table.worst.isVisible()
    item = table.worst.item(0)
    assert item is not None
    assert item.text() == "B-scan 12   0.412"
    where = table.worst.visualItemRect(item).center()
    with qtbot.waitSignal(table.bscan_clicked) as clicked:
        qtbot.mouseClick(table.worst.viewport(), LEFT, pos=where)
    assert clicked.args == [12]
    qtbot.keyClick(table.worst, Qt.Key.Key_Down)
    with qtbot.waitSignal(table.bscan_clicked) as clicked:
        qtbot.keyClick(table.worst, Qt.Key.Key_Return)
    assert clicked.args == [3]


def test_the_same_worst_bscans_keep_the_choice(table: ScoreTable) -> None:
    table.set_worst([(12, 0.412), (3, 0.5)])
    table.worst.setCurrentRow(1)
    table.set_worst([(12, 0.412), (3, 0.5)])
    assert table.worst.currentRow() == 1


def test_notice_shows_and_goes(table: ScoreTable) -> None:
    table.set_notice("Value 12 is no class.")
    assert table.notice.isVisible()
    table.set_notice("")
    assert not table.notice.isVisible()


def test_other_classes_make_other_rows(table: ScoreTable) -> None:
    table.set_classes(LabelSet.from_names(["vessel"]))
    assert table.model.rowCount() == 2
    assert cells(table, 1)[0] == "vessel"
    # scores of classes that the table does not know do no harm
    table.set_scores(NOW)
    assert cells(table, 1)[1] == "–"


def test_a_stroke_changes_numbers_quickly(table: ScoreTable) -> None:
    began = time.perf_counter()
    for k in range(50):
        table.set_scores(NOW if k % 2 else BEFORE, before=BEFORE)
        QApplication.processEvents()
    assert (time.perf_counter() - began) / 50 < 0.01


@pytest.mark.parametrize(
    ("pixels", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.0 k"),
        (12_345, "12.3 k"),
        (99_949, "99.9 k"),
        (99_960, "100 k"),
        (999_499, "999 k"),
        (999_500, "1.0 M"),
        (23_237_632, "23.2 M"),
        (140_000_000, "140 M"),
    ],
)
def test_pixels_are_shortened(pixels: int, text: str) -> None:
    assert count_pixels(pixels) == text


def errors(predicted: list[int]) -> BoundaryErrors:
    """Two A-scans; the second is not predicted."""
    counter = count_boundaries(CLASSES)
    assert counter is not None
    reference = np.array([[0, 1, 1, 1, 2, 2, 0, 0]] * 2, np.uint8).T
    found = np.array([predicted, [0] * 8], np.uint8).T
    counter.add_labels(reference, found, (1, 2, 4))  # drusen lie below the RPE
    return counter.errors()


def boundary_cells(table: ScoreTable, row: int) -> list[str]:
    model = table.boundaries
    return [model.data(model.index(row, k), TEXT) for k in range(model.columnCount())]


def test_boundaries_are_shown_instead_of_classes(table: ScoreTable, qtbot: QtBot) -> None:
    assert not table.boundary_table.isVisible()
    with qtbot.waitSignal(table.measure_changed) as changed:
        qtbot.mouseClick(table.measure_buttons["boundaries"], LEFT)
    assert changed.args == ["boundaries"]
    assert table.boundary_table.isVisible()
    assert not table.table.isVisible()
    assert boundary_cells(table, 1) == ["inner NFL", "–", "–", "–"]
    table.set_boundaries(errors([0, 1, 2, 2, 2, 2, 2, 0]), um_per_px=4)
    assert boundary_cells(table, 0) == ["mean", "1.00", "1.00", ""]
    assert boundary_cells(table, 2) == ["NFL / INL", "2.00", "2.00", "-2.00"]
    assert str(table.boundaries.data(table.boundaries.index(2, 0), TIP)) == (
        "NFL / INL: 1 A-scan\nError 8.0 µm, 95 % 8.0, bias -8.0\nNot predicted in 1 A-scan more"
    )
    qtbot.mouseClick(table.measure_buttons["classes"], LEFT)
    assert table.table.isVisible()


def test_without_layers_there_is_no_choice(table: ScoreTable, qtbot: QtBot) -> None:
    qtbot.mouseClick(table.measure_buttons["boundaries"], LEFT)
    table.set_classes(LabelSet.from_names(["vessel"]))
    assert not table.measure_row.isVisible()
    assert table.table.isVisible()
    assert not table.boundary_table.isVisible()


@pytest.mark.parametrize("name", ["dark", "light"])
def test_all_boundaries_are_seen_in_a_narrow_dock(
    table: ScoreTable, theme: Theme, qtbot: QtBot, name: str
) -> None:
    theme(table, name)
    qtbot.mouseClick(table.measure_buttons["boundaries"], LEFT)
    table.set_boundaries(errors([0, 1, 2, 2, 2, 2, 2, 0]))
    view = table.boundary_table
    header, viewport, metrics = view.horizontalHeader(), view.viewport(), view.fontMetrics()
    assert header is not None
    assert viewport is not None
    assert header.length() <= viewport.width()
    assert view.visualRect(table.boundaries.index(4, 0)).bottom() <= viewport.height()
    for column in range(1, 4):
        text = table.boundaries.headerData(column, Qt.Orientation.Horizontal)
        assert metrics.horizontalAdvance(text) + 4 <= header.sectionSize(column)
    for name in ("GCL-IPL / INL", "outer OS-RPE"):
        assert metrics.horizontalAdvance(name) + 4 <= header.sectionSize(0)

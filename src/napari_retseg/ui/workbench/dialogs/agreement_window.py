"""The window that compares two labels layers: overlap, boundaries, thickness and fluid."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from qtpy.QtCore import QEvent, Signal
from qtpy.QtWidgets import QDialog, QHBoxLayout, QVBoxLayout, QWidget

from napari_retseg.agreement import PairedNumber
from napari_retseg.agreement.cohort import MEAN, Row, list_boundaries, list_overlap
from napari_retseg.agreement.tables import format_tables
from napari_retseg.measures.quantities import SCAN
from napari_retseg.measures.sectors import CENTRE
from napari_retseg.measures.sheet import UNITS, format_number
from napari_retseg.ui.plain import PlainLabel, make_text
from napari_retseg.ui.widgets.number_table import NumberTable
from napari_retseg.ui.widgets.pieces import (
    choose_folder,
    fill_box,
    lay_out_column,
    make_box,
    make_button,
    make_row,
    show_text,
)
from napari_retseg.ui.widgets.theme import GAP, MARGIN
from napari_retseg.ui.workbench.control.agreeing import Agreeing, Compared

_DASH = "–"
_OVERLAP = ("class", "Dice", "IoU", "pixels A", "pixels B")
_OVERLAP_TIPS = (
    "A class; the mean is that of all classes in A or B, without background",
    "Dice: 2 × overlap / (A + B), from 0 to 1",
    "IoU: overlap / union, from 0 to 1",
)
_BOUNDARY_TIPS = (
    "The line between two layers, above the first layer and below the last one",
    "Mean distance of B from A",
    "95 % of the A-scans have at most this distance",
    "Mean difference: positive where B lies deeper",
    "A-scans in which both have this boundary",
)


class AgreementWindow(QDialog):
    """Compares two layers of the viewer; stays beside it."""

    #: A table for the clipboard.
    copied = Signal(str)

    def __init__(self, agreeing: Agreeing, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Compare labels")
        self.setModal(False)
        self._agreeing = agreeing
        self.compared: Compared | None = None
        self._is_closed = False
        self.boxes = (make_box("Reference of the boundaries"), make_box("Compared with A"))
        self.compare_button = make_button("Compare", "Compare the layers as they are now")
        self.notice = make_text()
        self.overlap_table = NumberTable("Overlap of each class")
        self.boundary_table = NumberTable("Boundary error")
        self.sector_box = make_box("Sector of the ETDRS grid, or the whole scan")
        self.measure_table = NumberTable("Thickness and lesions")
        self.notes_text = make_text()
        self.copy_button = make_button("Copy tables", "Copy all numbers, for a spreadsheet")
        self.export_button = make_button(
            "Export…", "Write all numbers as CSV into a folder, as the command compare does"
        )
        self.close_button = make_button("Close", "Close this window")
        self._lay_out()
        self._connect()
        self._offer()
        self._show()

    def _lay_out(self) -> None:
        choice = make_row(
            PlainLabel("A"), self.boxes[0], PlainLabel("B"), self.boxes[1], self.compare_button
        )
        choice.setStretch(1, 1)
        choice.setStretch(3, 1)
        left = _stack(PlainLabel("Overlap"), self.overlap_table)
        left.addWidget(PlainLabel("Boundary error"))
        left.addWidget(self.boundary_table, 1)
        where = make_row(PlainLabel("Thickness and lesions in"), self.sector_box)
        right = QVBoxLayout()
        right.setSpacing(GAP)
        right.addLayout(where)
        right.addWidget(self.measure_table, 1)
        tables = QHBoxLayout()
        tables.setSpacing(2 * MARGIN)
        tables.addLayout(left, 1)
        tables.addLayout(right, 1)
        buttons = make_row(self.copy_button, self.export_button, None, self.close_button)
        column = lay_out_column(
            self, choice, self.notice, tables, self.notes_text, buttons, margin=MARGIN
        )
        column.setStretchFactor(tables, 1)
        self.resize(1000, 680)

    def _connect(self) -> None:
        for box in self.boxes:
            box.activated.connect(lambda _: self.compare())
        self.compare_button.setDefault(True)
        self.compare_button.clicked.connect(self.compare)
        self.sector_box.activated.connect(lambda _: self._show_measures())
        self.copy_button.clicked.connect(self._on_copy)
        self.export_button.clicked.connect(self._on_export)
        self.close_button.clicked.connect(self.close)

    def event(self, event: QEvent | None) -> bool:
        """List the layers again when somebody comes back to this window."""
        if event is not None and event.type() == QEvent.Type.WindowActivate:
            self._offer()
        return bool(super().event(event))

    def done(self, result: int) -> None:
        """Take nothing any more that was asked for."""
        self._is_closed = True
        super().done(result)

    # What is compared.

    def _offer(self) -> None:
        """List the layers; two that are chosen stay chosen."""
        chosen = [box.currentText() for box in self.boxes]
        names = [layer.name for layer in self._agreeing.list_layers()]
        for k, box in enumerate(self.boxes):
            fallback = k if k < len(names) else -1
            number = names.index(chosen[k]) if chosen[k] in names else fallback
            fill_box(box, names, number, empty="No labels layer")
        self.compare_button.setEnabled(len(names) > 1)

    def compare(self) -> None:
        """Compare the chosen layers."""
        self._offer()
        layers = self._agreeing.list_layers()
        numbers = [box.currentIndex() for box in self.boxes]
        if len(layers) < 2 or -1 in numbers:
            self._fail("Two labels layers are needed. Segment, or open labels of this scan.")
            return
        self.compared = None
        self._show("Comparing…")
        first, second = (layers[number] for number in numbers)
        self._agreeing.compare(first, second, self._take, self._fail)

    def _take(self, compared: Compared) -> None:
        if not self._is_closed:
            self.compared = compared
            self._show()

    def _fail(self, text: str) -> None:
        if not self._is_closed:
            self.compared = None
            self._show(text)

    # What is shown.

    def _show(self, text: str = "") -> None:
        found = self.compared
        show_text(self.notice, text or self._sum_up())
        has_found = found is not None
        for widget in (self.copy_button, self.export_button):
            widget.setEnabled(has_found)
        scores = None if found is None else found.cohort.scores
        overlap = [] if scores is None else list_overlap(scores, "", "")
        _show_with_mean(
            self.overlap_table, _OVERLAP, overlap, "class", ("dice", "iou", "pixels_a", "pixels_b")
        )
        unit = "um" if found is None else found.cohort.unit
        boundaries = [] if scores is None else list_boundaries(scores, "", "", unit)
        shown = UNITS.get(unit, unit)
        head = ("boundary", f"error {shown}", "95 %", "bias", "A-scans")
        _show_with_mean(
            self.boundary_table, head, boundaries, "boundary", ("mean", "p95", "bias", "ascans")
        )
        notes = () if found is None else found.eye.notes
        show_text(self.notes_text, "\n".join(f"{note[0].upper()}{note[1:]}." for note in notes))
        sectors = list(dict.fromkeys(one.sector for one in self._numbers()))
        before = self.sector_box.currentText()
        first = next((s for s in (before, CENTRE, SCAN) if s in sectors), None)
        chosen = -1 if first is None else sectors.index(first)
        fill_box(self.sector_box, sectors, chosen, empty="nothing measured")
        self._show_measures()

    def _sum_up(self) -> str:
        if self.compared is None:
            return ""
        first, second = self.compared.names
        return f"A: {first}. B: {second}. Only what both have counts."

    def _numbers(self) -> Iterator[PairedNumber]:
        """What is shown of all that is measured."""
        for one in () if self.compared is None else self.compared.eye.numbers:
            is_kept = one.measure in ("mean thickness", "pixels", "area in the B-scan")
            if is_kept or one.unit == "nl":
                yield one

    def _show_measures(self) -> None:
        sector = self.sector_box.currentText()
        rows = [_say_number(one) for one in self._numbers() if one.sector == sector]
        self.measure_table.show_rows(("", "A", "B", "B − A", "unit"), rows)

    # What comes out.

    def _on_copy(self) -> None:
        if self.compared is not None:
            self.copied.emit(format_tables(self.compared.cohort))

    def _on_export(self) -> None:
        if self.compared is not None:
            take = partial(self._agreeing.export, self.compared)
            choose_folder(self, "Choose a folder for the tables", take)


def _stack(title: QWidget, table: QWidget) -> QVBoxLayout:
    column = QVBoxLayout()
    column.setSpacing(GAP)
    column.addWidget(title)
    column.addWidget(table, 1)
    return column


def _show_with_mean(
    table: NumberTable, head: tuple[str, ...], rows: list[Row], name: str, keys: tuple[str, ...]
) -> None:
    """Show rows, the mean first and bold."""
    ordered = [*(row for row in rows if row[name] == MEAN), *(r for r in rows if r[name] != MEAN)]
    texts = [[str(row[name]), *(_say(row[key], key) for key in keys)] for row in ordered]
    tips = _OVERLAP_TIPS if name == "class" else _BOUNDARY_TIPS
    table.show_rows(head, texts, tips=tips, marked=(0,) if rows and rows[-1][name] == MEAN else ())


def _say(value: str | int | float | None, key: str) -> str:
    if value is None:
        return _DASH
    if key == "bias":
        return format_signed(float(value), f"{abs(float(value)):.2f}")
    if isinstance(value, float):
        return f"{value:.3f}" if key in ("dice", "iou") else f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else value


def _say_number(one: PairedNumber) -> list[str]:
    is_length = one.measure == "mean thickness"
    name = one.structure if is_length else f"{one.structure}, {one.measure}"

    def say(value: float) -> str:
        return f"{value:.1f}" if is_length else format_number(value, one.unit)

    difference = one.second - one.first
    shown = format_signed(difference, say(abs(difference)))
    return [name, say(one.first), say(one.second), shown, UNITS.get(one.unit, one.unit)]


def format_signed(value: float, size: str) -> str:
    """Write a difference with its sign; one that rounds to nothing has none."""
    if float(size) == 0:
        return size
    return f"+{size}" if value > 0 else f"−{size}"

"""Scores of each class as a table, and the worst B-scans."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from qtpy.QtCore import QAbstractTableModel, QSize, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QButtonGroup,
    QHeaderView,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QTableView,
    QWidget,
)

from napari_retseg.classes import LabelSet
from napari_retseg.layers import BoundaryErrors
from napari_retseg.scores import Overlap
from napari_retseg.ui.numbering import name_bscan
from napari_retseg.ui.plain import PlainLabel, make_text, make_tip
from napari_retseg.ui.scores.boundary_rows import BIAS, ERROR, P95, BoundaryModel, list_boundaries
from napari_retseg.ui.scores.rows import CHANGE, CLASS, DICE, IOU, PIXELS, ScoreModel
from napari_retseg.ui.scores.scoring_state import Measure, Scope
from napari_retseg.ui.widgets.pieces import lay_out_column, make_button, make_row, show_text
from napari_retseg.ui.widgets.theme import (
    TIGHT,
    ThemedWidget,
    color_text,
    read_look,
)

SCOPES: dict[Scope, tuple[str, str]] = {
    "bscan": ("This B-scan", "Scores of the B-scan in view"),
    "volume": ("This volume", "Scores of all B-scans of this scan together"),
    "heldout": ("Held out", "Scores of the held-out B-scans, which no training uses"),
}

MEASURES: dict[Measure, tuple[str, str]] = {
    "classes": ("Classes", "Dice and IoU of each class"),
    "boundaries": ("Boundaries", "How far the boundaries of the layers lie from the reference"),
}

_Choice = TypeVar("_Choice", Scope, Measure)
_WORST_ROWS = 5
#: The widest text that a column of numbers shows.
_WIDEST = {DICE: "0.000", IOU: "0.000", PIXELS: "00.0 k", CHANGE: "+0.000"}
_WIDEST_BOUNDARY = {ERROR: "error px", P95: "000.00", BIAS: "+000.00"}


class ScoreTable(ThemedWidget):
    """The scores of a B-scan, a volume or the held-out scans, and a list of the worst B-scans.

    Where the classes are layers, the errors of their boundaries can be shown instead.
    """

    scope_changed = Signal(str)
    measure_changed = Signal(str)
    bscan_clicked = Signal(int)

    def __init__(self, classes: LabelSet) -> None:
        super().__init__()
        self.theme_changed.connect(self.follow_theme)
        self._classes = classes
        self.model = ScoreModel(classes)
        self.boundaries = BoundaryModel(classes)
        self.scope: Scope = "volume"
        self.measure: Measure = "classes"
        self.scope_buttons = _make_choice(self, SCOPES, self.scope, self._on_scope_clicked)
        self.measure_buttons = _make_choice(self, MEASURES, self.measure, self._on_measure_clicked)
        self.table = _make_view(self.model)
        self.boundary_table = _make_view(self.boundaries)
        self.notice = make_text()
        self.worst_title = PlainLabel("Worst B-scans")
        self.worst_title.setToolTip("Lowest mean foreground Dice first; click a B-scan to see it")
        self.worst = QListWidget()
        self.worst.setAccessibleName("Worst B-scans")
        self.worst.itemClicked.connect(self._on_worst_activated)
        self.worst.itemActivated.connect(self._on_worst_activated)
        self._lay_out()
        self.set_worst(())
        self.set_notice("")

    def _lay_out(self) -> None:
        scopes = make_row(*self.scope_buttons.values(), spacing=TIGHT)
        self.measure_row = QWidget()
        buttons = make_row(*self.measure_buttons.values(), spacing=TIGHT)
        lay_out_column(self.measure_row, buttons)
        tables = (self.table, self.boundary_table)
        below = (self.notice, self.worst_title, self.worst, None)
        lay_out_column(self, scopes, self.measure_row, *tables, *below)
        self._show_measure()
        self._fit()

    def set_classes(self, classes: LabelSet) -> None:
        """Show other classes."""
        if classes != self._classes:
            self._classes = classes
            self.model.set_classes(classes)
            self.boundaries.set_classes(classes)
            self._show_measure()
            self._fit()

    def set_scores(self, scores: Overlap | None, *, before: Overlap | None = None) -> None:
        """Show scores of the chosen scope; None where there are none."""
        self.model.set_scores(scores, before)

    def set_boundaries(
        self, errors: BoundaryErrors | None, *, um_per_px: float | None = None
    ) -> None:
        """Show boundary errors of the chosen scope; None where there are none."""
        self.boundaries.set_errors(errors, um_per_px=um_per_px)

    def set_notice(self, text: str) -> None:
        """Show a sentence below the table, such as which values are no classes."""
        show_text(self.notice, text)

    def set_worst(self, worst: Sequence[tuple[int, float]]) -> None:
        """List B-scans and their mean foreground Dice, lowest first."""
        if self._listed() != list(worst):
            self.worst.clear()
            for bscan, dice in worst:
                item = QListWidgetItem(f"{name_bscan(bscan)}   {dice:.3f}")
                item.setData(Qt.ItemDataRole.UserRole, (bscan, dice))
                item.setToolTip(make_tip(f"Jump to {name_bscan(bscan)}"))
                self.worst.addItem(item)
        for widget in (self.worst_title, self.worst):
            widget.setVisible(bool(worst))
        rows = min(len(worst), _WORST_ROWS)
        height = max(self.worst.sizeHintForRow(0), self.fontMetrics().height())
        self.worst.setFixedHeight(max(1, rows) * height + 2 * self.worst.frameWidth() + 4)

    def _listed(self) -> list[tuple[int, float]]:
        items = [self.worst.item(k) for k in range(self.worst.count())]
        return [item.data(Qt.ItemDataRole.UserRole) for item in items if item is not None]

    def follow_theme(self) -> None:
        """Colour numbers and notice, and fit the theme's font."""
        look = read_look(self)
        self.model.set_look(look)
        color_text(self.notice, look.warning)
        self._fit()

    def _fit(self) -> None:
        """Make all rows and numbers seen without scrolling."""
        _fit_view(self.table, _WIDEST)
        _fit_view(self.boundary_table, _WIDEST_BOUNDARY)

    def _show_measure(self) -> None:
        """Show one of the two tables; without layers there is no choice."""
        has_boundaries = bool(list_boundaries(self._classes))
        self.measure_row.setVisible(has_boundaries)
        is_boundary = has_boundaries and self.measure == "boundaries"
        self.table.setVisible(not is_boundary)
        self.boundary_table.setVisible(is_boundary)

    def _on_scope_clicked(self, scope: Scope) -> None:
        if scope != self.scope:
            self.scope = scope
            self.scope_changed.emit(scope)

    def _on_measure_clicked(self, measure: Measure) -> None:
        if measure != self.measure:
            self.measure = measure
            self._show_measure()
            self.measure_changed.emit(measure)

    def _on_worst_activated(self, item: QListWidgetItem) -> None:
        bscan, _ = item.data(Qt.ItemDataRole.UserRole)
        self.bscan_clicked.emit(bscan)


def _make_choice(
    parent: QWidget,
    choices: Mapping[_Choice, tuple[str, str]],
    chosen: _Choice,
    on_click: Callable[[_Choice], None],
) -> dict[_Choice, QPushButton]:
    """Make buttons of which one is down."""
    buttons: dict[_Choice, QPushButton] = {}
    group = QButtonGroup(parent)
    for choice, (name, tip) in choices.items():
        button = make_button(name, tip)
        button.setCheckable(True)
        button.setChecked(choice == chosen)
        button.clicked.connect(partial(_pass_on, on_click, choice))
        group.addButton(button)
        buttons[choice] = button
    return buttons


def _pass_on(on_click: Callable[[_Choice], None], choice: _Choice, _is_down: bool) -> None:
    on_click(choice)


def _make_view(model: QAbstractTableModel) -> QTableView:
    table = QTableView()
    table.setModel(model)
    table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
    table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    table.setShowGrid(False)
    table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    table.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    table.setIconSize(QSize(10, 10))
    table.setWordWrap(False)
    rows, columns = _headers(table)
    rows.hide()
    columns.setHighlightSections(False)
    columns.setMinimumSectionSize(10)
    columns.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
    columns.setSectionResizeMode(CLASS, QHeaderView.ResizeMode.Stretch)
    return table


def _fit_view(table: QTableView, widest: Mapping[int, str]) -> None:
    """Give each column its widest text, and the table the height of its rows."""
    metrics = table.fontMetrics()
    rows, columns = _headers(table)
    rows.setDefaultSectionSize(metrics.height() + 5)
    for column, text in widest.items():
        columns.resizeSection(column, metrics.horizontalAdvance(text) + 10)
    height = columns.sizeHint().height() + rows.length() + 2 * table.frameWidth() + 6
    table.setFixedHeight(height)


def _headers(table: QTableView) -> tuple[QHeaderView, QHeaderView]:
    rows, columns = table.verticalHeader(), table.horizontalHeader()
    assert rows is not None
    assert columns is not None
    return rows, columns

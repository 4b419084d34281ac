"""Scores of each class as a table, and the worst B-scans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QButtonGroup,
    QHeaderView,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QTableView,
)

from napari_retseg.classes import LabelSet
from napari_retseg.scores import Overlap
from napari_retseg.ui.numbering import name_bscan
from napari_retseg.ui.plain import PlainLabel, make_text, make_tip
from napari_retseg.ui.scores.rows import CHANGE, CLASS, DICE, IOU, PIXELS, ScoreModel
from napari_retseg.ui.widgets.pieces import lay_out_column, make_button, make_row, show_text
from napari_retseg.ui.widgets.theme import (
    TIGHT,
    ThemedWidget,
    color_text,
    read_look,
)

Scope = Literal["bscan", "volume", "heldout"]
SCOPES: dict[Scope, tuple[str, str]] = {
    "bscan": ("This B-scan", "Scores of the B-scan in view"),
    "volume": ("This volume", "Scores of all B-scans of this scan together"),
    "heldout": ("Held out", "Scores of the held-out B-scans, which no training uses"),
}

_WORST_ROWS = 5
#: The widest text that a column of numbers shows.
_WIDEST = {DICE: "0.000", IOU: "0.000", PIXELS: "00.0 k", CHANGE: "+0.000"}


class ScoreTable(ThemedWidget):
    """The scores of a B-scan, a volume or the held-out scans, and a list of the worst B-scans."""

    scope_changed = Signal(str)
    bscan_clicked = Signal(int)

    def __init__(self, classes: LabelSet) -> None:
        super().__init__()
        self.theme_changed.connect(self.follow_theme)
        self._classes = classes
        self.model = ScoreModel(classes)
        self.scope: Scope = "volume"
        self._make_scopes()
        self._make_table()
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

    def _make_scopes(self) -> None:
        self.scope_buttons: dict[Scope, QPushButton] = {}
        group = QButtonGroup(self)
        for scope, (name, tip) in SCOPES.items():
            button = make_button(name, tip)
            button.setCheckable(True)
            button.setChecked(scope == self.scope)
            button.clicked.connect(lambda _=False, s=scope: self._on_scope_clicked(s))
            group.addButton(button)
            self.scope_buttons[scope] = button

    def _make_table(self) -> None:
        table = QTableView()
        table.setModel(self.model)
        table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        table.setShowGrid(False)
        table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        table.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        table.setIconSize(QSize(10, 10))
        table.setWordWrap(False)
        rows, columns = table.verticalHeader(), table.horizontalHeader()
        assert rows is not None
        assert columns is not None
        rows.hide()
        columns.setHighlightSections(False)
        columns.setMinimumSectionSize(10)
        columns.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        columns.setSectionResizeMode(CLASS, QHeaderView.ResizeMode.Stretch)
        self.table = table

    def _lay_out(self) -> None:
        scopes = make_row(*self.scope_buttons.values(), spacing=TIGHT)
        lay_out_column(self, scopes, self.table, self.notice, self.worst_title, self.worst, None)
        self._fit()

    def set_classes(self, classes: LabelSet) -> None:
        """Show other classes."""
        if classes != self._classes:
            self._classes = classes
            self.model.set_classes(classes)
            self._fit()

    def set_scores(self, scores: Overlap | None, *, before: Overlap | None = None) -> None:
        """Show scores of the chosen scope; None where there are none."""
        self.model.set_scores(scores, before)

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
        table, metrics = self.table, self.table.fontMetrics()
        rows, columns = table.verticalHeader(), table.horizontalHeader()
        assert rows is not None
        assert columns is not None
        rows.setDefaultSectionSize(metrics.height() + 5)
        for column, widest in _WIDEST.items():
            columns.resizeSection(column, metrics.horizontalAdvance(widest) + 10)
        height = columns.sizeHint().height() + rows.length() + 2 * table.frameWidth() + 6
        table.setFixedHeight(height)

    def _on_scope_clicked(self, scope: Scope) -> None:
        if scope != self.scope:
            self.scope = scope
            self.scope_changed.emit(scope)

    def _on_worst_activated(self, item: QListWidgetItem) -> None:
        bscan, _ = item.data(Qt.ItemDataRole.UserRole)
        self.bscan_clicked.emit(bscan)

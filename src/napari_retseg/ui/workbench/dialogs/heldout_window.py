"""The window that shows who is held out and why, and lets the user choose."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QDialog,
    QHeaderView,
    QSpinBox,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from napari_retseg.dataset import Side
from napari_retseg.plaintext import make_visible
from napari_retseg.ui.plain import PlainLabel, make_text, make_tip
from napari_retseg.ui.widgets.pieces import lay_out_column, make_button, make_row
from napari_retseg.ui.widgets.theme import MARGIN

_HINT = (
    "Held-out patients are never used for training. They give the scores that show whether a new "
    "model is better. Check the patients to hold out. All other patients with confirmed B-scans "
    "are used for training."
)
_ALONE = (
    "This workspace has only one patient, so some of the B-scans are held out. Their neighbours "
    "are used neither for training nor for scores. Scores on the same eye say little about other "
    "eyes."
)
_USES = {
    "train": "training",
    "val": "held out",
    "test": "test",
    "both": "training, some B-scans held out",
    "none": "no confirmed B-scan",
}
_COLUMNS = ("patient", "scans", "trained", "held out", "use", "why")


class HeldoutWindow(QDialog):
    """Lists the patients; emits whom to hold out, or which B-scans of the only one.

    Parameters
    ----------
    sides
        How the next training uses each patient.
    n_bscans
        Of the open scan, whose B-scans can be held out where there is one patient only.
    can_change
        Whether the workspace can be written.
    """

    groups_chosen = Signal(object)
    bscans_chosen = Signal(int, int)
    names_wanted = Signal()

    def __init__(
        self,
        sides: Sequence[Side],
        *,
        n_bscans: int,
        can_change: bool,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Held-out patients")
        self._sides = tuple(sides)
        self.is_alone = len(sides) == 1
        self.hint = make_text(_ALONE if self.is_alone else _HINT)
        self.tree = _make_tree(self._sides, can_be_checked=not self.is_alone)
        self.first, self.last = (_make_number(n_bscans) for _ in range(2))
        self.first.setValue(max(0, n_bscans - max(1, n_bscans // 5)))
        self.last.setValue(max(0, n_bscans - 1))
        self.take_button = make_button("Hold out", "Hold out these, and no others")
        self.names_button = make_button(
            "Split automatically",
            "Go back to the automatic split, which is made from patient names and seed",
        )
        self.close_button = make_button("Close", "Close without a change")
        for button in (self.take_button, self.names_button):
            button.setEnabled(can_change)
        self._lay_out(n_bscans)
        self.take_button.clicked.connect(self._on_take_clicked)
        self.names_button.clicked.connect(self._on_names_clicked)
        self.close_button.clicked.connect(self.close)
        self.tree.itemChanged.connect(self._show_button)
        self._can_change = can_change
        self._show_button()

    def _lay_out(self, n_bscans: int) -> None:
        self.places = QWidget()
        before, between, after = map(PlainLabel, ("Hold out B-scans", "to", "of the open scan"))
        lay_out_column(self.places, make_row(before, self.first, between, self.last, after, None))
        self.places.setVisible(self.is_alone and n_bscans > 1)
        buttons = make_row(self.names_button, None, self.take_button, self.close_button)
        lay_out_column(self, self.hint, self.tree, self.places, buttons, margin=MARGIN)
        self.resize(680, 340)

    def checked(self) -> list[str]:
        """The patients that are checked."""
        rows = [self.tree.topLevelItem(row) for row in range(self.tree.topLevelItemCount())]
        return [
            side.group
            for side, row in zip(self._sides, rows, strict=True)
            if row is not None and row.checkState(0) == Qt.CheckState.Checked
        ]

    def _show_button(self) -> None:
        number = len(self.checked())
        open_to_choice = sum(side.use != "test" for side in self._sides)
        fits = self.is_alone or 0 < number < open_to_choice
        self.take_button.setEnabled(self._can_change and fits)

    def _on_take_clicked(self) -> None:
        if self.is_alone:
            self.bscans_chosen.emit(self.first.value(), self.last.value())
        else:
            self.groups_chosen.emit(self.checked())
        self.close()

    def _on_names_clicked(self) -> None:
        self.names_wanted.emit()
        self.close()


def _make_number(n_bscans: int) -> QSpinBox:
    box = QSpinBox()
    box.setRange(0, max(0, n_bscans - 1))
    return box


def _make_tree(sides: Sequence[Side], *, can_be_checked: bool) -> QTreeWidget:
    tree = QTreeWidget()
    tree.setRootIsDecorated(False)
    tree.setHeaderLabels(list(_COLUMNS))
    tree.setAccessibleName("Patients")
    for side in sides:
        row = QTreeWidgetItem(
            [
                make_visible(side.group),
                str(side.scans),
                str(side.training),
                str(side.heldout),
                _USES[side.use],
                make_visible(side.reason),
            ]
        )
        row.setData(len(_COLUMNS) - 1, Qt.ItemDataRole.ToolTipRole, make_tip(side.reason))
        if can_be_checked and side.use != "test":
            is_held = side.use in ("val", "both")
            row.setCheckState(0, Qt.CheckState.Checked if is_held else Qt.CheckState.Unchecked)
        tree.addTopLevelItem(row)
    header = tree.header()
    assert header is not None
    header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    header.setStretchLastSection(True)
    return tree

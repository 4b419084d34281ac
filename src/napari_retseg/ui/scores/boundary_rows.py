"""What the table of boundary errors shows: their mean, and a row for each boundary."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtGui import QFont

from napari_retseg.classes import LabelSet
from napari_retseg.layers import BoundaryError, BoundaryErrors, layer_order, name_boundaries
from napari_retseg.plaintext import make_visible
from napari_retseg.plural import count_noun
from napari_retseg.ui.plain import make_tip
from napari_retseg.ui.scores.rows import DASH, align_cell

_HEADERS = ("boundary", "error px", "95 %", "bias")
_TIPS = (
    "The line between two layers, above the first layer and below the last one",
    "Mean distance of the prediction from the reference, in pixels",
    "95 % of the A-scans have at most this distance, in pixels",
    "Mean difference in pixels: positive where the prediction lies deeper",
)
NAME, ERROR, P95, BIAS = range(4)
_MEAN_TIP = "Mean of the boundaries below"

_ROOT = QModelIndex()


def list_boundaries(classes: LabelSet) -> list[str]:
    """Name the boundaries of the layers among some classes; none where fewer than two are."""
    order = layer_order(classes)
    return name_boundaries([classes.names[k] for k in order]) if len(order) > 1 else []


class BoundaryModel(QAbstractTableModel):
    """The table's content; a change of numbers only repaints cells."""

    def __init__(self, classes: LabelSet) -> None:
        super().__init__()
        self._errors: BoundaryErrors | None = None
        self._um_per_px: float | None = None
        self.set_classes(classes)

    def set_classes(self, classes: LabelSet) -> None:
        """Show the boundaries of these classes, without numbers."""
        self.beginResetModel()
        self._names = list_boundaries(classes)
        self._errors = None
        self.endResetModel()

    def set_errors(self, errors: BoundaryErrors | None, *, um_per_px: float | None) -> None:
        """Show errors; where the axial pixel size is known the tooltips have them in um, too."""
        self._errors, self._um_per_px = errors, um_per_px
        last = self.index(self.rowCount() - 1, self.columnCount() - 1)
        self.dataChanged.emit(self.index(0, 0), last)

    def rowCount(self, parent: QModelIndex = _ROOT) -> int:  # noqa: N802 - Qt's name
        """Boundaries, and their mean."""
        return 0 if parent.isValid() else len(self._names) + 1

    def columnCount(self, parent: QModelIndex = _ROOT) -> int:  # noqa: N802 - Qt's name
        """Always the same."""
        return 0 if parent.isValid() else len(_HEADERS)

    def headerData(  # noqa: N802 - Qt's name
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Short names of the columns; their tooltips say what they are."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return _HEADERS[section]
        if role == Qt.ItemDataRole.ToolTipRole:
            return _TIPS[section]
        return align_cell(section) if role == Qt.ItemDataRole.TextAlignmentRole else None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, alignment, weight and tooltip of a cell."""
        name = self._names[index.row() - 1] if index.row() else ""
        if role == Qt.ItemDataRole.DisplayRole:
            return self._show(name, index.column())
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return align_cell(index.column())
        if role == Qt.ItemDataRole.ToolTipRole:
            return make_tip(self._describe(name))
        if role == Qt.ItemDataRole.FontRole and not name:
            bold = QFont()
            bold.setBold(True)
            return bold
        return None

    def _find(self, name: str) -> BoundaryError | None:
        return None if self._errors is None else self._errors.boundaries.get(name)

    def _show(self, name: str, column: int) -> str:
        if column == NAME:
            return make_visible(_shorten(name)) or "mean"
        if name:
            own = self._find(name)
            values = (None,) * 3 if own is None else (own.mean_px, own.p95_px, own.bias_px)
        elif column == BIAS:
            return ""
        else:
            errors = self._errors
            values = (None,) * 3 if errors is None else (errors.mean_px, errors.p95_px, None)
        value = values[column - 1]
        if value is None:
            return DASH
        return f"{value:+.2f}" if column == BIAS else f"{value:.2f}"

    def _describe(self, name: str) -> str:
        """What the columns have no room for."""
        if not name:
            return _MEAN_TIP
        own = self._find(name)
        lines = [name]
        if own is not None and own.mean_px is not None:
            lines[0] += f": {count_noun(own.ascans, 'A-scan')}"
            lines += self._in_um(own)
        if own is not None and own.missing:
            lines.append(f"Not predicted in {count_noun(own.missing, 'A-scan')} more")
        return "\n".join(lines)

    def _in_um(self, own: BoundaryError) -> list[str]:
        um = self._um_per_px
        if um is None or own.mean_px is None or own.p95_px is None or own.bias_px is None:
            return []
        return [f"Error {own.mean_px * um:.1f} µm, 95 % {own.p95_px * um:.1f}, bias "
                f"{own.bias_px * um:+.1f}"]  # fmt: skip


def _shorten(name: str) -> str:
    """Fit the first and the last boundary into a narrow dock; their tooltips have the full name."""
    for side in ("inner", "outer"):
        if name.startswith(f"{side} boundary of "):
            return name.replace(" boundary of", "", 1)
    return name

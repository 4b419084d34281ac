"""What the table of scores shows: a row for each class, and their mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtGui import QColor, QFont

from napari_retseg.classes import LabelClass, LabelSet
from napari_retseg.plaintext import make_visible
from napari_retseg.scores import ClassScores, Overlap
from napari_retseg.ui.plain import make_tip
from napari_retseg.ui.widgets.theme import Look, make_look, make_swatch

_MEAN = "mean"
DASH = "–"
_HEADERS = ("class", "Dice", "IoU", "pixels", "± Dice")
_TIPS = (
    "A class of the reference, in the colour of its layer",
    "Dice: 2 × overlap / (reference + prediction), from 0 to 1; a dash if the class is in neither",
    "IoU: overlap / union, from 0 to 1; a dash if the class is in neither",
    "Annotated pixels of this class in the reference",
    "Dice now minus Dice before",
)
CLASS, DICE, IOU, PIXELS, CHANGE = range(5)
#: Smaller changes of Dice show as none.
_LEAST_CHANGE = 0.0005

# one object, as a default argument and for the rows of a flat table
_ROOT = QModelIndex()


@dataclass(frozen=True, slots=True)
class Row:
    """What a row of the table shows; `label_class` is None in the row of the mean."""

    label_class: LabelClass | None
    dice: float | None = None
    iou: float | None = None
    pixels: int | None = None
    change: float | None = None
    tip: str = ""


def make_rows(classes: LabelSet, scores: Overlap | None, before: Overlap | None) -> list[Row]:
    """Lay out the scores: the foreground's mean first, then each class of the foreground."""
    if scores is None:
        return [Row(None), *(Row(c) for c in classes.foreground)]
    old_mean = None if before is None else before.mean_foreground_dice
    dice = scores.mean_foreground_dice
    tip = "Mean over the classes in the reference, without background"
    rows = [
        Row(
            None,
            dice,
            scores.mean_foreground_iou,
            None,
            _subtract(dice, old_mean),
            _tip(tip, old_mean),
        )
    ]
    for one in classes.foreground:
        own = scores.classes.get(one.name)
        if own is None:
            rows.append(Row(one))
            continue
        old = None if before is None else before.classes.get(one.name)
        old_dice = None if old is None else old.dice
        change = _subtract(own.dice, old_dice)
        tip = _tip(_describe(one, own), old_dice)
        rows.append(Row(one, own.dice, own.iou, own.reference_pixels, change, tip))
    return rows


class ScoreModel(QAbstractTableModel):
    """The table's content; a change of numbers only repaints cells."""

    def __init__(self, classes: LabelSet) -> None:
        super().__init__()
        self._look = make_look("#ffffff", "#000000")
        self._rows: list[Row] = []
        self.set_classes(classes)

    def set_classes(self, classes: LabelSet) -> None:
        """Show these classes, without scores."""
        self.beginResetModel()
        self._classes = classes
        self._rows = make_rows(classes, None, None)
        self._make_swatches()
        self.endResetModel()

    def set_scores(self, scores: Overlap | None, before: Overlap | None) -> None:
        """Show scores, and how they changed."""
        self._rows = make_rows(self._classes, scores, before)
        self._tell_all()

    def set_look(self, look: Look) -> None:
        """Take the colours of a theme."""
        self._look = look
        self._make_swatches()
        self._tell_all()

    def rowCount(self, parent: QModelIndex = _ROOT) -> int:  # noqa: N802 - Qt's name
        """Classes of the foreground, and their mean."""
        return 0 if parent.isValid() else len(self._rows)

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
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return align_cell(section)
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, swatch, alignment, colour, weight and tooltip of a cell."""
        row, column = self._rows[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return _show(row, column)
        if role == Qt.ItemDataRole.DecorationRole and column == CLASS:
            return self._swatches[index.row()]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return align_cell(column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return make_tip(row.tip)
        if role == Qt.ItemDataRole.ForegroundRole:
            return QColor(self._color(row, column))
        if role == Qt.ItemDataRole.FontRole and row.label_class is None:
            bold = QFont()
            bold.setBold(True)
            return bold
        return None

    def _color(self, row: Row, column: int) -> str:
        if column == CHANGE and row.change is not None and abs(row.change) >= _LEAST_CHANGE:
            return self._look.better if row.change > 0 else self._look.error
        return self._look.text

    def _make_swatches(self) -> None:
        frame = self._look.faint
        self._swatches = [None, *(make_swatch(c.color, frame) for c in self._classes.foreground)]

    def _tell_all(self) -> None:
        last = self.index(len(self._rows) - 1, len(_HEADERS) - 1)
        self.dataChanged.emit(self.index(0, 0), last)


def count_pixels(pixels: int) -> str:
    """Shorten a number of pixels to three digits: 987, 12.3 k, 360 k, 4.5 M."""
    if pixels < 1000:
        return str(pixels)
    shown, unit = (pixels / 1e3, "k") if pixels < 999_500 else (pixels / 1e6, "M")
    return f"{shown:.0f} {unit}" if shown >= 99.95 else f"{shown:.1f} {unit}"


def _show(row: Row, column: int) -> str:
    if column == CLASS:
        return _MEAN if row.label_class is None else make_visible(row.label_class.name)
    if column == PIXELS:
        if row.label_class is None:
            return ""
        return DASH if row.pixels is None else count_pixels(row.pixels)
    if column == CHANGE:
        if row.change is None:
            return DASH
        return f"{row.change:+.3f}" if abs(row.change) >= _LEAST_CHANGE else "0.000"
    value = row.dice if column == DICE else row.iou
    return DASH if value is None else f"{value:.3f}"


def align_cell(column: int) -> int:
    """Names to the left, numbers to the right."""
    side = Qt.AlignmentFlag.AlignLeft if column == CLASS else Qt.AlignmentFlag.AlignRight
    return int(side | Qt.AlignmentFlag.AlignVCenter)


def _describe(one: LabelClass, own: ClassScores) -> str:
    """What the columns have no room for."""
    lines = [
        f"{one.name}: {own.reference_pixels:,} pixels in the reference, "
        f"{own.predicted_pixels:,} predicted"
    ]
    if not own.is_present and not own.predicted_pixels:
        lines.append("In neither reference nor prediction: no score")
    elif not own.is_present:
        lines.append("Not in the reference: all predicted pixels are wrong")
    if own.precision is not None and own.recall is not None:
        lines.append(f"Precision {own.precision:.3f}, recall {own.recall:.3f}")
    return "\n".join(lines)


def _tip(text: str, old_dice: float | None) -> str:
    return text if old_dice is None else f"{text}\nDice before: {old_dice:.3f}"


def _subtract(new: float | None, old: float | None) -> float | None:
    return None if new is None or old is None else new - old

"""A strip with one cell for each B-scan of a volume: what is done, and how unsure the model is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import QPoint, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_retseg.events import POOR
from napari_retseg.ui.numbering import name_bscan
from napari_retseg.ui.plain import make_rich_text, make_tip
from napari_retseg.ui.widgets.pieces import lay_out_column, make_row
from napari_retseg.ui.widgets.theme import (
    GAP,
    STATUSES,
    TIGHT,
    Look,
    ThemedWidget,
    read_look,
)
from napari_retseg.workspace import StripCell

# rows of the strip from the top, in pixels
_MARKER, _HELDOUT, _CELL, _DOUBT, _UNCERTAIN = 7, 3, 20, 3, 10
_CELL_TOP = _MARKER + _HELDOUT + 2
_DOUBT_TOP = _CELL_TOP + _CELL + 1
_UNCERTAIN_TOP = _DOUBT_TOP + _DOUBT + 1
_HEIGHT = _UNCERTAIN_TOP + _UNCERTAIN

#: From this width on, cells are separated by a pixel.
_APART = 4


@dataclass(frozen=True, slots=True)
class Column:
    """Pixels of the strip and the B-scans that they show, `first` to `last`."""

    left: int
    width: int
    first: int
    last: int


def lay_out_columns(n_bscans: int, width: int) -> list[Column]:
    """Share `width` pixels out to B-scans; where there are more of these, some share a pixel."""
    if n_bscans <= 0 or width <= 0:
        return []
    n = min(n_bscans, width)
    columns = []
    for k in range(n):
        left, right = k * width // n, (k + 1) * width // n
        first, end = k * n_bscans // n, (k + 1) * n_bscans // n
        columns.append(Column(left, right - left, first, end - 1))
    return columns


class BscanStrip(ThemedWidget):
    """Cells to click, and below them how many B-scans there are of each state.

    Parameters
    ----------
    before, behind
        Stand beside the states; without these, they wrap.
    """

    bscan_clicked = Signal(int)

    def __init__(self, before: Sequence[QWidget] = (), behind: Sequence[QWidget] = ()) -> None:
        super().__init__()
        self.theme_changed.connect(self.follow_theme)
        self.cells = StripCells()
        self.legend = make_rich_text()
        row = make_row(*behind)
        below = make_row(*before, self.legend, spacing=3 * GAP)
        below.addLayout(row)
        below.setStretchFactor(self.legend, 1)
        self.legend.setWordWrap(not before)
        lay_out_column(self, self.cells, below, spacing=TIGHT)
        self.cells.bscan_clicked.connect(self.bscan_clicked)

    def set_cells(self, cells: Sequence[StripCell]) -> None:
        """Show these: all B-scans of a volume, from index 0."""
        shown = tuple(cells)
        if shown != self.cells.shown:
            self.cells.show_cells(shown)
            self._show_legend()

    def set_current(self, bscan: int) -> None:
        """Mark the B-scan that is in view."""
        self.cells.mark(bscan)

    def follow_theme(self) -> None:
        """Colour the words below the strip."""
        self._show_legend()

    def _show_legend(self) -> None:
        self.legend.setText(_describe_cells(self.cells.shown, read_look(self)))


class StripCells(QWidget):
    """The painted part of the strip. Left and Right go to the next B-scan, Home and End, too."""

    bscan_clicked = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.shown: tuple[StripCell, ...] = ()
        self.current = -1
        self._told = -1
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName("B-scans and their states")
        self.setFixedHeight(_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_cells(self, cells: tuple[StripCell, ...]) -> None:
        """Show these."""
        self.shown = cells
        self.update()

    def mark(self, bscan: int) -> None:
        """Mark the B-scan that is in view."""
        if bscan != self.current:
            self.current = bscan
            self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Wide enough for a volume of the usual sizes."""
        return QSize(280, _HEIGHT)

    def bscan_at(self, x: float) -> int:
        """Index of the B-scan at a place, the first of those that share a pixel; -1: none."""
        return next((c.first for c in self._columns() if c.left <= x < c.left + c.width), -1)

    def _columns(self) -> list[Column]:
        return lay_out_columns(len(self.shown), self.width())

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802 - Qt's name
        """Tell which B-scan was clicked."""
        assert event is not None
        if event.button() == Qt.MouseButton.LeftButton:
            self._told = -1
            self._tell(self._nearest(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802 - Qt's name
        """Name the B-scan below the pointer; go along with it while the button is down."""
        assert event is not None
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._tell(self._nearest(event.position().x()))
        where = event.position().toPoint()
        tip = make_tip(self.describe(where))
        QToolTip.showText(self.mapToGlobal(QPoint(where.x(), _HEIGHT)), tip, self)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802 - Qt's name
        """Go to a neighbour, or to the first or last."""
        assert event is not None
        last = len(self.shown) - 1
        goals = {
            Qt.Key.Key_Left: max(0, self.current - 1),
            Qt.Key.Key_Right: min(last, self.current + 1),
            Qt.Key.Key_Home: 0,
            Qt.Key.Key_End: last,
        }
        goal = goals.get(Qt.Key(event.key()))
        if goal is None or last < 0:
            super().keyPressEvent(event)
            return
        self._told = self.current
        self._tell(goal)

    def describe(self, where: QPoint) -> str:
        """Say in words what lies at a place, in a line for each B-scan there."""
        x = where.x()
        for column in self._columns():
            if column.left <= x < column.left + column.width:
                cells = self.shown[column.first : column.last + 1]
                return "\n".join(_describe_cell(cell, len(self.shown)) for cell in cells)
        return ""

    def _nearest(self, x: float) -> int:
        return self.bscan_at(min(max(x, 0), self.width() - 1))

    def _tell(self, bscan: int) -> None:
        if bscan >= 0 and bscan != self._told:
            self._told = bscan
            self.bscan_clicked.emit(bscan)

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802 - Qt's name
        """Paint."""
        painter = QPainter(self)
        _paint(painter, self, self._columns(), read_look(self))
        painter.end()


def _paint(painter: QPainter, strip: StripCells, columns: list[Column], look: Look) -> None:
    known = [c.uncertainty for c in strip.shown if c.uncertainty is not None]
    most = max(known, default=0.0)
    for column in columns:
        cells = strip.shown[column.first : column.last + 1]
        gap = 1 if column.width >= _APART else 0
        left, width = column.left, column.width - gap
        if any(cell.is_heldout for cell in cells):
            # without a gap, so that held-out B-scans in a row make one line
            painter.fillRect(left, _MARKER, column.width, _HELDOUT, QColor(look.text))
        painter.fillRect(left, _CELL_TOP, width, _CELL, QColor(look.raised))
        # higher is further: readable without colours, too
        level = max(STATUSES.index(cell.status) for cell in cells)
        height = _CELL * (level + 1) // len(STATUSES)
        color = QColor(look.status(STATUSES[level]))
        painter.fillRect(left, _CELL_TOP + _CELL - height, width, height, color)
        if any(cell.doubtful > POOR for cell in cells):
            painter.fillRect(left, _DOUBT_TOP, width, _DOUBT, QColor(look.error))
        worst = max((c.uncertainty for c in cells if c.uncertainty is not None), default=None)
        if worst is not None and most > 0:
            high = max(1, round(_UNCERTAIN * worst / most))
            below = _UNCERTAIN_TOP + _UNCERTAIN - high
            painter.fillRect(left, below, width, high, QColor(look.uncertain))
    if known:
        painter.fillRect(0, _HEIGHT - 1, strip.width(), 1, QColor(look.uncertain))
    current = next((c for c in columns if c.first <= strip.current <= c.last), None)
    if current is not None:
        _paint_marker(painter, current, look)
    if strip.hasFocus():
        painter.setPen(QColor(look.accent))
        painter.drawRect(0, _CELL_TOP - 1, strip.width() - 1, _CELL + 1)


def _paint_marker(painter: QPainter, column: Column, look: Look) -> None:
    """A triangle above the cell, and a frame around it that is seen at one pixel's width, too."""
    middle = column.left + column.width / 2
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(look.text))
    corners = [(middle - 5, 0), (middle + 5, 0), (middle, _MARKER - 1)]
    painter.drawPolygon(QPolygonF([QPointF(*corner) for corner in corners]))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    painter.setPen(QColor(look.text))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    left = column.left - 1
    painter.drawRect(QRectF(left, _CELL_TOP - 1, column.width + 1, _HEIGHT - _CELL_TOP))


def _describe_cell(cell: StripCell, n_bscans: int) -> str:
    parts = [f"{name_bscan(cell.bscan, n_bscans)}: {cell.status}"]
    if cell.is_heldout:
        parts.append("held out")
    if cell.uncertainty is not None:
        parts.append(f"uncertainty {cell.uncertainty:.2f}")
    if cell.doubtful:
        parts.append(f"{cell.doubtful:.0%} of the A-scans doubtful")
    return ", ".join(parts)


def _describe_cells(cells: Sequence[StripCell], look: Look) -> str:
    """Count the states, each with its colour; what does not occur is left out."""
    counts = Counter(cell.status for cell in cells)
    parts = [
        f'<span style="color:{look.status(status)}">■</span>&nbsp;{counts[status]}&nbsp;{status}'
        for status in reversed(STATUSES)
        if counts[status]
    ]
    n_heldout = sum(cell.is_heldout for cell in cells)
    if n_heldout:
        parts.append(f"━&nbsp;{n_heldout}&nbsp;held&nbsp;out")
    n_doubtful = sum(cell.doubtful > POOR for cell in cells)
    if n_doubtful:
        parts.append(f'<span style="color:{look.error}">━</span>&nbsp;{n_doubtful}&nbsp;doubtful')
    if any(cell.uncertainty is not None for cell in cells):
        parts.append(f'<span style="color:{look.uncertain}">■</span>&nbsp;uncertainty')
    return "&ensp; ".join(parts)

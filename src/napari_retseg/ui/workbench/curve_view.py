"""The boundaries over the canvas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QFont, QPainter, QPaintEvent, QPolygonF, QTransform
from qtpy.QtWidgets import QWidget

from napari_retseg.plaintext import make_visible
from napari_retseg.plural import count_noun
from napari_retseg.ui.workbench.canvas_sheet import DARK, CanvasSheet, make_pen
from napari_retseg.ui.workbench.focus import find_canvas

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_retseg.ui.workbench.control.controller import Workbench
    from napari_retseg.ui.workbench.control.curve_editing import CurveEditing
    from napari_retseg.ui.workbench.control.session import Session

#: Widths on the screen: of the part of a boundary that a drag reaches, and of the dark below it.
_THICK, _SHADOW = 2.6, 4.6
#: Other lines are one pixel wide and drawn twice, so far apart: Qt draws only lines of one pixel
#: fast, nine of 768 A-scans in 0.6 ms and not in 9 ms.
_THIN, _APART = 1.0, 0.6
_FAR = 14  # pixels from the pointer to what is said of a boundary


class CurveView(QObject):
    """Lays a sheet with the boundaries over the canvas of a viewer, as long as they are edited."""

    def __init__(self, dock: QWidget, viewer: Viewer, bench: Workbench) -> None:
        super().__init__(dock)
        self._dock = dock
        self._viewer = viewer
        self._editing, self._session = bench.curves, bench.session
        self.sheet: CurveOverlay | None = None
        bench.state.events.shows_curves.connect(self._on_shows)

    def close(self) -> None:
        """Take the sheet away for good."""
        self._session.state.events.shows_curves.disconnect(self._on_shows)
        self._remove()

    def _on_shows(self, shows: bool) -> None:
        self._remove()
        canvas = find_canvas(self._dock)
        if shows and canvas is not None:
            self.sheet = CurveOverlay(canvas, self._viewer, self._editing, self._session)
            self.sheet.show()

    def _remove(self) -> None:
        sheet, self.sheet = self.sheet, None
        if sheet is not None:
            sheet.end()


class CurveOverlay(CanvasSheet):
    """The boundaries of the B-scan in view, where its pixels are on the canvas."""

    def __init__(
        self, canvas: QWidget, viewer: Viewer, editing: CurveEditing, session: Session
    ) -> None:
        super().__init__(canvas, viewer, session, editing.changed)
        self._editing = editing
        self._lines: list[tuple[NDArray[np.float32], list[QPolygonF]]] = []

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802
        """Draw all boundaries, and what is said of the chosen one."""
        editing, place = self._editing, self.find_transform()
        rows = editing.rows
        if rows is None or place is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._follow(rows)
        for shift in (-_APART / 2, _APART / 2):
            painter.setTransform(place * QTransform.fromTranslate(0, shift))
            self._paint_thin(painter)
        painter.setTransform(place)
        if editing.chosen >= 0 and (editing.is_near or editing.is_held):
            self._paint_chosen(painter, rows)
        if editing.stroke:
            painter.setPen(make_pen(QColor("white"), _THICK))
            painter.drawPolyline(QPolygonF([QPointF(x, y) for x, y in editing.stroke]))
        if editing.is_near or editing.is_held:
            painter.resetTransform()
            self._paint_name(painter, place.map(QPointF(*editing.pointer)))
        painter.end()

    def _paint_thin(self, painter: QPainter) -> None:
        for color, (_, runs) in zip(self._editing.colors, self._lines, strict=True):
            painter.setPen(make_pen(QColor(color), _THIN))
            for run in runs:
                painter.drawPolyline(run)

    def _paint_chosen(self, painter: QPainter, rows: NDArray[np.float32]) -> None:
        """Draw the part of the chosen boundary that a drag reaches, or all that is drawn along."""
        editing = self._editing
        row, at = rows[editing.chosen], round(editing.pointer[0])
        reach = 0 if editing.stroke else editing.width
        for width, color in ((_SHADOW, DARK), (_THICK, QColor(editing.colors[editing.chosen]))):
            painter.setPen(make_pen(color, width))
            for run in list_runs(row, at - reach, at + reach):
                painter.drawPolyline(run)

    def _paint_name(self, painter: QPainter, where: QPointF) -> None:
        editing = self._editing
        name = make_visible(editing.names[editing.chosen])
        reach = "" if editing.stroke else f" · ± {count_noun(editing.width, 'A-scan')}"
        font = QFont(self.font())
        font.setBold(True)
        painter.setFont(font)
        text = f"{name}{reach}"
        size = painter.fontMetrics().boundingRect(text).size()
        box = QRectF(0, 0, size.width() + 14, size.height() + 6)
        left = min(max(where.x() + _FAR, 2), self.width() - box.width() - 2)
        top = where.y() - _FAR - box.height()
        box.moveTo(left, top if top > 2 else where.y() + _FAR)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(0, 0, 0, 190))
        painter.drawRoundedRect(box, 4, 4)
        painter.setPen(QColor("white"))
        painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), text)

    def _follow(self, rows: NDArray[np.float32]) -> None:
        """Make the lines again of the boundaries that have moved."""
        known = self._lines if len(self._lines) == len(rows) else [(rows[0], [])] * len(rows)
        is_new = known is not self._lines
        self._lines = [
            line if not is_new and np.array_equal(line[0], row, equal_nan=True) else make_line(row)
            for line, row in zip(known, rows, strict=True)
        ]


def make_line(row: NDArray[np.float32]) -> tuple[NDArray[np.float32], list[QPolygonF]]:
    """Return a boundary with its lines."""
    return row.copy(), list(list_runs(row, 0, len(row) - 1))


def list_runs(row: NDArray[np.float32], first: int, last: int) -> Iterator[QPolygonF]:
    """Return a line for each run of A-scans in which a boundary is there."""
    first, last = max(first, 0), min(last, len(row) - 1)
    known = np.isfinite(row[first : last + 1])
    ends = np.flatnonzero(np.diff(known, prepend=False, append=False)).reshape(-1, 2) + first
    for start, end in ends.tolist():
        values = row[start:end].tolist()
        yield QPolygonF([QPointF(x, y) for x, y in zip(range(start, end), values, strict=True)])

"""The proposed pocket, and the line that is drawn, over the canvas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QPointF
from qtpy.QtGui import QColor, QPainter, QPainterPath, QPaintEvent, QPolygonF
from qtpy.QtWidgets import QWidget

from napari_retseg.ui.workbench.canvas_sheet import DARK, CanvasSheet, make_pen
from napari_retseg.ui.workbench.focus import find_canvas

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_retseg.ui.workbench.control.controller import Workbench
    from napari_retseg.ui.workbench.control.pocket_clicking import PocketClicking
    from napari_retseg.ui.workbench.control.session import Session

#: Widths on the screen: of a line, and of the dark below it.
_LINE, _SHADOW = 2.0, 4.5
_WASH = 60  # alpha of the class's colour within the outline


class PocketView(QObject):
    """Lays a sheet with the proposal over a viewer's canvas, as long as pockets are clicked."""

    def __init__(self, dock: QWidget, viewer: Viewer, bench: Workbench) -> None:
        super().__init__(dock)
        self._dock = dock
        self._viewer = viewer
        self._bench = bench
        self.sheet: PocketSheet | None = None
        bench.state.events.takes_pockets.connect(self._on_takes)

    def close(self) -> None:
        """Take the sheet away for good."""
        self._bench.state.events.takes_pockets.disconnect(self._on_takes)
        self._remove()

    def _on_takes(self, takes: bool) -> None:
        self._remove()
        canvas = find_canvas(self._dock)
        if takes and canvas is not None:
            self.sheet = PocketSheet(canvas, self._viewer, self._bench.pockets, self._bench.session)
            self.sheet.show()

    def _remove(self) -> None:
        sheet, self.sheet = self.sheet, None
        if sheet is not None:
            sheet.end()


class PocketSheet(CanvasSheet):
    """The outline of the proposed pocket, and the line that is drawn."""

    def __init__(
        self, canvas: QWidget, viewer: Viewer, clicking: PocketClicking, session: Session
    ) -> None:
        super().__init__(canvas, viewer, session, clicking.changed)
        self._clicking = clicking

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802 - Qt's name
        """Draw the outline in its class's colour, and the line."""
        proposal, path, place = self._clicking.proposal, self._clicking.path, self.find_transform()
        if place is None or (proposal is None and not path):
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setTransform(place)
        if proposal is not None:
            outline = QPainterPath()
            for line in proposal.outlines:
                outline.addPolygon(_to_polygon(line))
            color = QColor(self._clicking.color)
            wash = QColor(color)
            wash.setAlpha(_WASH)
            painter.fillPath(outline, wash)
            _draw(painter, outline, color.lighter(140))
        if path:
            trace = QPainterPath()
            trace.addPolygon(_to_polygon(np.array(path)[:, ::-1]))
            _draw(painter, trace, QColor("white"))
        painter.end()


def _to_polygon(places: NDArray[np.float64]) -> QPolygonF:
    return QPolygonF([QPointF(x, y) for x, y in places.tolist()])


def _draw(painter: QPainter, path: QPainterPath, color: QColor) -> None:
    for width, ink in ((_SHADOW, DARK), (_LINE, color)):
        painter.strokePath(path, make_pen(ink, width))

"""The A-scan that was gone to on the map, as a line over the canvas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QPointF
from qtpy.QtGui import QColor, QPainter, QPaintEvent
from qtpy.QtWidgets import QWidget

from napari_retseg.ui.camera import camera_of
from napari_retseg.ui.workbench.canvas_sheet import DARK, CanvasSheet, make_pen
from napari_retseg.ui.workbench.focus import find_canvas

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_retseg.ui.workbench.control.controller import Workbench
    from napari_retseg.ui.workbench.control.measuring import Measuring
    from napari_retseg.ui.workbench.control.session import Session

_LINE, _SHADOW = 1.0, 3.0
_COLOR = QColor("#f0e442")


class AscanView(QObject):
    """Lays a sheet with the line over a viewer's canvas, as long as there is one to show."""

    def __init__(self, dock: QWidget, viewer: Viewer, bench: Workbench) -> None:
        super().__init__(dock)
        self._dock = dock
        self._viewer = viewer
        self._bench = bench
        self.sheet: AscanSheet | None = None
        bench.measuring.marked.connect(self._on_marked)

    def close(self) -> None:
        """Take the sheet away for good."""
        self._bench.measuring.marked.disconnect(self._on_marked)
        self._remove()

    def _on_marked(self) -> None:
        measuring = self._bench.measuring
        if not (measuring.is_watched and measuring.ascan >= 0):
            self._remove()
            return
        canvas = find_canvas(self._dock)
        if self.sheet is None and canvas is not None:
            self.sheet = AscanSheet(canvas, self._viewer, measuring, self._bench.session)
            self.sheet.show()
        if self.sheet is not None:
            self.sheet.bring_into_view()

    def _remove(self) -> None:
        sheet, self.sheet = self.sheet, None
        if sheet is not None:
            sheet.end()


class AscanSheet(CanvasSheet):
    """A line along one A-scan."""

    def __init__(
        self, canvas: QWidget, viewer: Viewer, measuring: Measuring, session: Session
    ) -> None:
        super().__init__(canvas, viewer, session, measuring.marked)
        self._measuring = measuring

    def find_line(self) -> tuple[QPointF, QPointF] | None:
        """Return where the A-scan begins and ends on the canvas; None where it is not seen."""
        place, opened = self.find_transform(), self._session.opened
        if place is None or opened is None or self._measuring.ascan < 0:
            return None
        ascan, depth = float(self._measuring.ascan), opened.loaded.labels.shape[-2]
        return place.map(QPointF(ascan, -0.5)), place.map(QPointF(ascan, depth - 0.5))

    def bring_into_view(self) -> None:
        """Move the picture so far to the side that the A-scan is seen."""
        line = self.find_line()
        if line is None or 0 <= line[0].x() <= self.width():
            return
        camera = camera_of(self._viewer)
        centre = list(camera.center)
        centre[-1] += (line[0].x() - self.width() / 2) / float(camera.zoom)
        camera.center = tuple(centre)

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802 - Qt's name
        """Draw the line."""
        line = self.find_line()
        if line is None:
            return
        painter = QPainter(self)
        for width, ink in ((_SHADOW, DARK), (_LINE, _COLOR)):
            painter.setPen(make_pen(ink, width))
            painter.drawLine(*line)
        painter.end()

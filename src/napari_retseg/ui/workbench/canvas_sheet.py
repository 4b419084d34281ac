"""A sheet over the canvas, on which a tool draws: crisp at any zoom, and no layer to manage.

Napari would draw its whole scene for each move of the mouse; a widget of its own above the canvas
costs half of that where no GPU helps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psygnal import SignalInstance
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QColor, QPen, QTransform
from qtpy.QtWidgets import QWidget

from napari_retseg.ui.camera import camera_of, grid_of

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_retseg.ui.workbench.control.session import Session

#: The dark below a line, so that it is seen on bright tissue.
DARK = QColor(0, 0, 0, 150)


class CanvasSheet(QWidget):
    """Knows where the pixels of the B-scan in view are; the mouse goes through it to the canvas.

    Parameters
    ----------
    canvas
        What it lies on, as large as it.
    viewer, session
        Show the open scan.
    changed
        Tells that it is to be drawn again.
    """

    def __init__(
        self, canvas: QWidget, viewer: Viewer, session: Session, changed: SignalInstance
    ) -> None:
        super().__init__(canvas)
        self._viewer = viewer
        self._session = session
        self._changed = changed
        for attribute in ("WA_TransparentForMouseEvents", "WA_NoSystemBackground"):
            self.setAttribute(getattr(Qt.WidgetAttribute, attribute))
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setGeometry(canvas.rect())
        canvas.installEventFilter(self)
        changed.connect(self._repaint)
        for event in self._view_events():
            event.connect(self._repaint)

    def end(self) -> None:
        """Follow the tool and the viewer no longer, and go."""
        self._changed.disconnect(self._repaint)
        for event in self._view_events():
            event.disconnect(self._repaint)
        self.hide()
        self.setParent(None)
        self.deleteLater()

    def _view_events(self) -> tuple[Any, ...]:
        camera, dims = camera_of(self._viewer).events, self._viewer.dims.events
        return camera.zoom, camera.center, dims.ndisplay, dims.order, grid_of(self._viewer).events

    def _repaint(self, _event: object = None) -> None:
        self.update()

    def eventFilter(self, canvas: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Be as large as the canvas."""
        if event is not None and event.type() == QEvent.Type.Resize and isinstance(canvas, QWidget):
            self.setGeometry(canvas.rect())
        return False

    def find_transform(self) -> QTransform | None:
        """Return the way from pixels of the labels to the canvas; None where they are not seen."""
        opened, dims = self._session.opened, self._viewer.dims
        front = tuple(range(dims.ndim))[-2:]
        if opened is None or tuple(dims.displayed) != front or grid_of(self._viewer).enabled:
            return None
        (scale_y, scale_x), (shift_y, shift_x) = (
            opened.labels.scale[-2:],
            opened.labels.translate[-2:],
        )
        camera = camera_of(self._viewer)
        zoom = float(camera.zoom)
        middle_y, middle_x = camera.center[-2:]
        across = self.width() / 2 + zoom * (shift_x - middle_x)
        down = self.height() / 2 + zoom * (shift_y - middle_y)
        return QTransform(zoom * scale_x, 0, 0, zoom * scale_y, across, down)


def make_pen(color: QColor, width: float) -> QPen:
    """Return a pen as wide as said on the screen, at any zoom."""
    pen = QPen(color, width)
    pen.setCosmetic(True)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    return pen

"""A thin bar at the top of the canvas, along A-scans in which the evidence for the layers is poor.

It lies above the canvas and is no layer: there is nothing to manage, hide or save.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent
from qtpy.QtWidgets import QWidget

from napari_retseg.events import Runs
from napari_retseg.ui.camera import camera_of, grid_of
from napari_retseg.ui.widgets.theme import read_look

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Labels

_HEIGHT = 6
#: A run that is seen from far away is this wide at least.
_LEAST_PX = 2.0


def place_runs(
    runs: Runs, layer: Labels, viewer: ViewerModel, width: int
) -> list[tuple[float, float]]:
    """Return where runs of A-scans lie on the canvas, from the left edge, in its pixels.

    Nothing where A-scans are not the columns of what is seen: in 3D, in a grid, with turned axes.

    Parameters
    ----------
    runs
        Each from its first A-scan to the one behind its last.
    layer
        Labels of the scan.
    viewer
        Shows them.
    width
        Of the canvas.
    """
    dims = viewer.dims
    is_upright = tuple(dims.displayed) == (dims.ndim - 2, dims.ndim - 1)
    if dims.ndisplay != 2 or not is_upright or grid_of(viewer).enabled:
        return []
    scale, start = float(layer.scale[-1]), float(layer.translate[-1])
    camera = camera_of(viewer)
    zoom, middle = float(camera.zoom), float(camera.center[-1])

    def find(ascan: int) -> float:
        # a pixel's place is its middle
        return width / 2 + (start + (ascan - 0.5) * scale - middle) * zoom

    found = []
    for first, stop in runs:
        left, right = find(first), find(min(stop, layer.data.shape[-1]))
        if right > 0 and left < width and right > left:
            found.append((max(left, 0.0), min(max(right, left + _LEAST_PX), float(width))))
    return found


class DoubtBar(QWidget):
    """Follows the camera; clicks go through it to the canvas.

    Parameters
    ----------
    canvas
        What it lies on, and goes with.
    viewer
        Whose camera it follows.
    find
        Gives the layer of labels, and the runs of the B-scan in view; None: no scan is open.
    """

    def __init__(
        self,
        canvas: QWidget,
        viewer: ViewerModel,
        find: Callable[[], tuple[Labels, Runs] | None],
    ) -> None:
        super().__init__(canvas)
        self._viewer = viewer
        self._find = find
        self.places: list[tuple[float, float]] = []
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName("Doubtful A-scans")
        self.hide()
        canvas.installEventFilter(self)
        for event in self._events():
            event.connect(self.follow)

    def _events(self) -> tuple[Any, ...]:
        viewer = self._viewer
        return camera_of(viewer).events, viewer.dims.events, grid_of(viewer).events

    def end(self) -> None:
        """Follow the viewer no longer, and go."""
        for event in self._events():
            event.disconnect(self.follow)
        self.hide()
        self.deleteLater()

    def follow(self, _event: Any = None) -> None:
        """Lie where the A-scans are seen now."""
        canvas, found = self.parentWidget(), self._find()
        if canvas is None:
            return
        width = canvas.width()
        places = [] if found is None else place_runs(found[1], found[0], self._viewer, width)
        if places != self.places or self.width() != width:
            self.places = places
            self.setGeometry(0, 0, width, _HEIGHT)
            self.setVisible(bool(places))
            self.raise_()
            self.update()

    def eventFilter(self, _watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Be as wide as the canvas."""
        if event is not None and event.type() == QEvent.Type.Resize:
            self.follow()
        return False

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802 - Qt's name
        """Paint."""
        painter = QPainter(self)
        color = QColor(read_look(self).error)
        for left, right in self.places:
            painter.fillRect(QRectF(left, 0, right - left, _HEIGHT), color)
        painter.end()

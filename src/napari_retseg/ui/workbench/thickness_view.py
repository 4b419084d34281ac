"""The thickness map over the fundus, with the ETDRS grid, the B-scan in view and a colour bar."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import (
    QColor,
    QFontMetricsF,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
)
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_retseg.measures.pictures import list_middles
from napari_retseg.measures.sectors import Place, Sectors
from napari_retseg.ui.widgets.theme import GAP, read_look
from napari_retseg.ui.workbench.control.map_picture import Extent, MapPicture

#: How much of the fundus the map covers.
_OPACITY = 0.8
_CURRENT = QColor("#ffffff")
_SHADOW = QColor(0, 0, 0, 170)
_GRID = QColor(0, 0, 0, 200)
_PLATE = QColor(255, 255, 255, 190)
_BAR = 10
_SIDE, _LEAST = 280, 160
#: Qt's own limit.
_HIGHEST = 16_777_215
_MOVES = {
    Qt.Key.Key_Down: (1, 0),
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Right: (0, 1),
    Qt.Key.Key_Left: (0, -1),
}


class ThicknessView(QWidget):
    """Shows a `MapPicture` as the fundus is seen."""

    #: Place on the map that was clicked, and that with Shift.
    clicked = Signal(float, float)
    centre_clicked = Signal(float, float)
    #: Steps to go on by: downwards and to the right, as they are seen.
    stepped = Signal(int, int)
    #: The grid is wanted where one is.
    centre_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.picture: MapPicture | None = None
        self.bscan = -1
        self.mark: Place | None = None
        self._map, self._front = QPixmap(), QPixmap()
        self.setMinimumSize(_LEAST, _LEAST)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        # a click leaves the keys with the canvas
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName("Thickness map")

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """As wide as a dock."""
        return QSize(_SIDE, _SIDE)

    def show_picture(self, picture: MapPicture | None) -> None:
        """Show another map."""
        before, self.picture = self.picture, picture
        image = None if picture is None else picture.image
        self._map = QPixmap() if image is None else _to_pixmap(image)
        front = None if picture is None else picture.front
        if front is None:
            self._front = QPixmap()
        elif before is None or before.front is not front:
            self._front = _to_pixmap(front.image)
        self._fit()
        self.update()

    def show_place(self, bscan: int, mark: Place | None) -> None:
        """Mark the B-scan in view, and the place on it that was gone to."""
        if (bscan, mark) != (self.bscan, self.mark):
            self.bscan, self.mark = bscan, mark
            self.update()

    # Where things are.

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802 - Qt's name
        """Be no higher than the map needs at this width."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        highest = _HIGHEST
        if self.picture is not None and self.picture.front is not None:
            left, right, bottom, top = self.picture.extent
            highest = math.ceil(self.width() * (bottom - top) / (right - left) + self._below())
        self.setMinimumHeight(min(_LEAST, highest))
        self.setMaximumHeight(highest)

    def _below(self) -> float:
        """Height of the colour bar with its numbers."""
        return _BAR + 2 * GAP + self._text_height()

    def frame(self) -> QRectF:
        """Where the map is drawn: as large as there is room, in its true shape if it has one."""
        room = QRectF(0, 0, self.width(), self.height() - self._below())
        if self.picture is None or self.picture.front is None:
            return room
        left, right, bottom, top = self.picture.extent
        scale = min(room.width() / (right - left), room.height() / (bottom - top))
        size = (right - left) * scale, (bottom - top) * scale
        return QRectF((room.width() - size[0]) / 2, 0, *size)

    def place_of(self, x: float, y: float) -> QPointF:
        """Where a place of the map is drawn."""
        assert self.picture is not None
        frame, (left, right, bottom, top) = self.frame(), self.picture.extent
        return QPointF(
            frame.x() + (x - left) / (right - left) * frame.width(),
            frame.y() + (y - top) / (bottom - top) * frame.height(),
        )

    def _rect_of(self, extent: Extent) -> QRectF:
        left, right, bottom, top = extent
        return QRectF(self.place_of(left, top), self.place_of(right, bottom))

    def _text_height(self) -> float:
        return QFontMetricsF(self.font()).height()

    # What the user does.

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802 - Qt's name
        """Go to the place, or lay the grid there with Shift."""
        self._tell(event)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802 - Qt's name
        """Go along with the pointer while the button is down."""
        if event is not None and not event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self._tell(event)

    def _tell(self, event: QMouseEvent | None) -> None:
        picture, frame = self.picture, self.frame()
        if event is None or picture is None or picture.image is None or frame.isEmpty():
            return
        if not event.buttons() & Qt.MouseButton.LeftButton:
            return
        left, right, bottom, top = picture.extent
        at = event.position()
        x = left + (at.x() - frame.x()) / frame.width() * (right - left)
        y = top + (at.y() - frame.y()) / frame.height() * (bottom - top)
        is_centre = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        (self.centre_clicked if is_centre else self.clicked).emit(x, y)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802 - Qt's name
        """Go on by arrow keys; Enter lays the grid there."""
        if event is None:
            return
        if event.key() in _MOVES:
            self.stepped.emit(*_MOVES[Qt.Key(event.key())])
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.centre_wanted.emit()
        else:
            super().keyPressEvent(event)

    # What is drawn.

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802 - Qt's name
        """Paint."""
        picture = self.picture
        if picture is None or picture.image is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        frame = self.frame()
        painter.fillRect(frame, QColor(128, 128, 128))
        painter.setClipRect(frame)
        if picture.front is not None:
            area = self._rect_of(picture.front.extent)
            painter.drawPixmap(area, self._front, QRectF(self._front.rect()))
        painter.setOpacity(_OPACITY if picture.front is not None else 1.0)
        painter.drawPixmap(frame, self._map, QRectF(self._map.rect()))
        painter.setOpacity(1.0)
        self._draw_place(painter, picture.lines)
        if picture.sectors is not None:
            self._draw_grid(painter, picture.sectors, picture.means)
        painter.setClipping(False)
        if self.hasFocus():
            painter.setPen(QPen(QColor(read_look(self).accent), 2))
            painter.drawRect(frame.adjusted(1, 1, -1, -1))
        self._draw_bar(painter, frame)
        painter.end()

    def _draw_place(self, painter: QPainter, lines: NDArray[np.float64]) -> None:
        if not 0 <= self.bscan < len(lines):
            return
        x0, y0, x1, y1 = (float(one) for one in lines[self.bscan])
        for width, ink in ((4.0, _SHADOW), (2.0, _CURRENT)):
            painter.setPen(QPen(ink, width))
            painter.drawLine(self.place_of(x0, y0), self.place_of(x1, y1))
        if self.mark is not None:
            painter.setPen(QPen(_SHADOW, 1))
            painter.setBrush(_CURRENT)
            painter.drawEllipse(self.place_of(*self.mark), 4, 4)
            painter.setBrush(Qt.BrushStyle.NoBrush)

    def _draw_grid(self, painter: QPainter, sectors: Sectors, means: dict[str, str]) -> None:
        assert self.picture is not None
        left, right = self.picture.extent[:2]
        scale = self.frame().width() / (right - left)
        centre = self.place_of(*sectors.centre_mm)
        radii = [diameter / 2 for diameter in sectors.diameters_mm]
        painter.setPen(QPen(_GRID, 1))
        for radius in radii:
            painter.drawEllipse(centre, radius * scale, radius * scale)
        for angle in np.pi / 4 + np.pi / 2 * np.arange(4):
            way = QPointF(float(np.cos(angle)), float(np.sin(angle))) * scale
            painter.drawLine(centre + way * radii[0], centre + way * radii[-1])
        metrics = QFontMetricsF(self.font())
        for name, (x, y) in list_middles(sectors, radii):
            text = means.get(name, "")
            at = centre + QPointF(x, y) * scale
            if not text or not self.frame().contains(at):
                continue
            box = metrics.boundingRect(text).adjusted(-2, 0, 2, 0)
            box.moveCenter(at)
            box = keep_inside(box, self.frame())
            painter.fillRect(box, _PLATE)
            painter.setPen(QColor("black"))
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)

    def _draw_bar(self, painter: QPainter, frame: QRectF) -> None:
        assert self.picture is not None
        least, greatest = self.picture.least, self.picture.greatest
        if least is None or greatest is None:
            return
        bar = QRectF(0, frame.bottom() + GAP, self.width(), _BAR)
        colours = _to_pixmap(self.picture.colours[np.newaxis])
        painter.drawPixmap(bar, colours, QRectF(colours.rect()))
        painter.setPen(QColor(read_look(self).text))
        below = QRectF(0, bar.bottom(), self.width(), self._text_height() + 2)
        middle = (least + greatest) / 2
        for value, side in (
            (f"{least:.0f}", Qt.AlignmentFlag.AlignLeft),
            (f"{middle:.0f} {self.picture.unit}", Qt.AlignmentFlag.AlignHCenter),
            (f"{greatest:.0f}", Qt.AlignmentFlag.AlignRight),
        ):
            painter.drawText(below, side | Qt.AlignmentFlag.AlignVCenter, value)


def keep_inside(box: QRectF, frame: QRectF) -> QRectF:
    """Move a box by as little as brings all of it into a frame."""
    left = min(max(box.left(), frame.left()), max(frame.right() - box.width(), frame.left()))
    top = min(max(box.top(), frame.top()), max(frame.bottom() - box.height(), frame.top()))
    return QRectF(left, top, box.width(), box.height())


def _to_pixmap(image: NDArray[np.uint8]) -> QPixmap:
    """Return a grey (down, across) or coloured (down, across, 4) picture as Qt has it."""
    height, width = image.shape[:2]
    is_grey = image.ndim == 2
    kind = QImage.Format.Format_Grayscale8 if is_grey else QImage.Format.Format_RGBA8888
    data = np.ascontiguousarray(image).tobytes()
    line = width if is_grey else 4 * width
    return QPixmap.fromImage(QImage(data, width, height, line, kind).copy())

"""Pictures of the tools, drawn on a square of 20 units with the painter's pen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPainterPath, QPen, QPixmap, QPolygonF

#: Draws a tool with the pen of its painter.
DrawTool = Callable[[QPainter], None]

SIZE = 20
#: Pixels for each unit, so that a picture is sharp on every screen.
_SHARP = 3


def make_icon(draw: DrawTool, ink: str) -> QIcon:
    """Return a tool's picture in a colour."""
    pixmap = QPixmap(SIZE * _SHARP, SIZE * _SHARP)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.scale(_SHARP, _SHARP)
    pen = QPen(QColor(ink), 1.6)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.setPen(pen)
    draw(painter)
    painter.end()
    return QIcon(pixmap)


def _points(*places: tuple[float, float]) -> QPolygonF:
    return QPolygonF([QPointF(x, y) for x, y in places])


def _fill(painter: QPainter, places: Sequence[tuple[float, float]]) -> None:
    painter.setBrush(painter.pen().color())
    painter.drawPolygon(_points(*places))
    painter.setBrush(Qt.BrushStyle.NoBrush)


def draw_move(painter: QPainter) -> None:
    """Four arrows."""
    painter.drawLine(QPointF(10, 2.5), QPointF(10, 17.5))
    painter.drawLine(QPointF(2.5, 10), QPointF(17.5, 10))
    for x, y in ((0, -1), (0, 1), (-1, 0), (1, 0)):
        tip = QPointF(10 + 7.5 * x, 10 + 7.5 * y)
        for side in (-1, 1):
            painter.drawLine(tip, tip - QPointF(2.6 * x + 2.6 * side * y, 2.6 * y + 2.6 * side * x))


def draw_brush(painter: QPainter) -> None:
    """A brush and a dab."""
    painter.drawLine(QPointF(17, 3), QPointF(9.5, 10.5))
    painter.drawLine(QPointF(15, 2.2), QPointF(8, 9.6))
    _fill(painter, [(8, 10), (10, 12), (8.6, 15), (3, 17), (5.2, 14.2), (6, 11.4)])


def draw_eraser(painter: QPainter) -> None:
    """A block, half of it used."""
    painter.drawPolygon(_points((11, 3), (17, 9), (9, 17), (6, 17), (3, 13.5), (3, 11)))
    _fill(painter, [(7, 7), (13, 13), (9, 17), (6, 17), (3, 13.5), (3, 11)])
    painter.drawLine(QPointF(9, 17), QPointF(17, 17))


def draw_fill(painter: QPainter) -> None:
    """A bucket, and a drop of paint."""
    painter.drawPolygon(_points((9, 3), (16, 10), (9, 17), (2, 10)))
    _fill(painter, [(3, 10.5), (15, 10.5), (9, 16.5)])
    painter.setBrush(painter.pen().color())
    painter.drawEllipse(QRectF(15.5, 12.5, 3, 4.5))
    painter.setBrush(Qt.BrushStyle.NoBrush)


def draw_polygon(painter: QPainter) -> None:
    """An outline with its corners."""
    corners = [(4.0, 5.0), (15.5, 3.5), (16.5, 13.0), (8.5, 16.5), (3.5, 12.0)]
    painter.drawPolygon(_points(*corners))
    painter.setBrush(painter.pen().color())
    for x, y in corners:
        painter.drawEllipse(QPointF(x, y), 1.3, 1.3)
    painter.setBrush(Qt.BrushStyle.NoBrush)


def draw_left_out(painter: QPainter) -> None:
    """A hatched area, struck through."""
    painter.drawRoundedRect(QRectF(3, 3, 14, 14), 2, 2)
    for k in (7, 11, 15):
        painter.drawLine(QPointF(3.5, k), QPointF(k, 3.5))
    for k in (6, 10, 14):
        painter.drawLine(QPointF(k, 16.5), QPointF(16.5, k))


def draw_curves(painter: QPainter) -> None:
    """Two boundaries, one of them with a handle."""
    for top in (6.0, 13.0):
        path = QPainterPath(QPointF(2.5, top + 1))
        path.cubicTo(QPointF(7, top + 1), QPointF(7, top - 3), QPointF(10, top - 3))
        path.cubicTo(QPointF(13, top - 3), QPointF(13, top + 1), QPointF(17.5, top + 1))
        painter.drawPath(path)
    painter.setBrush(painter.pen().color())
    painter.drawEllipse(QPointF(10, 10), 2.2, 2.2)
    painter.setBrush(Qt.BrushStyle.NoBrush)


def draw_pocket(painter: QPainter) -> None:
    """A pocket that is added."""
    path = QPainterPath(QPointF(2.5, 15))
    path.cubicTo(QPointF(4, 6), QPointF(16, 6), QPointF(17.5, 15))
    path.closeSubpath()
    painter.drawPath(path)
    painter.drawLine(QPointF(10, 2), QPointF(10, 6.5))
    painter.drawLine(QPointF(7.8, 4.2), QPointF(12.2, 4.2))

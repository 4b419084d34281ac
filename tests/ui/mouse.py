"""A mouse whose moves a widget gets at once: those of the screen's pointer come when they come."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QEnterEvent, QMouseEvent
from qtpy.QtWidgets import QApplication, QWidget

_NONE = Qt.MouseButton.NoButton


def enter(widget: QWidget) -> None:
    """Come to the middle of a widget."""
    place = QPointF(widget.rect().center())
    QApplication.sendEvent(widget, QEnterEvent(place, place, place))


def move(widget: QWidget, place: QPoint) -> None:
    """Move to a place of a widget."""
    where, on_screen = QPointF(place), QPointF(widget.mapToGlobal(place))
    kind, keys = QEvent.Type.MouseMove, Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(widget, QMouseEvent(kind, where, on_screen, _NONE, _NONE, keys))


def leave(widget: QWidget) -> None:
    """Go away from a widget."""
    QApplication.sendEvent(widget, QEvent(QEvent.Type.Leave))

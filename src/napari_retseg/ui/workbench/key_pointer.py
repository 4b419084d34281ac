"""A pointer that the arrow keys move over the B-scan: a mouse for who has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, QPoint, QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QWheelEvent
from qtpy.QtWidgets import QApplication, QWidget

from napari_retseg.ui.workbench.canvas_sheet import DARK, CanvasSheet, make_pen
from napari_retseg.ui.workbench.focus import find_canvas

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_retseg.ui.workbench.control.controller import Workbench

_WAYS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}
_NOTCHES = {Qt.Key.Key_PageUp: 1, Qt.Key.Key_PageDown: -1}
#: Pixels by which an arrow moves it with Ctrl.
_FAR = 10
#: Of the cross, in pixels of the screen.
_GAP, _ARM, _LINE, _SHADOW = 5, 14, 2.0, 4.5
_NOTCH = 120
_NONE, _LEFT = Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton
_PLAIN = Qt.KeyboardModifier.NoModifier
_SHIFT, _CTRL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier
_HINT = (
    "Arrow keys move the pointer, with Ctrl further. Space is the button of the mouse: hold it "
    "to drag. Page Up and Page Down turn the wheel."
)


class KeyPointer(QObject):
    """Lays the pointer over a viewer's canvas while it is wanted.

    Each tool takes the pointer for the mouse: the canvas gets the events that a mouse would send.
    """

    def __init__(self, dock: QWidget, viewer: Viewer, bench: Workbench) -> None:
        super().__init__(dock)
        self._dock = dock
        self._viewer = viewer
        self._bench = bench
        self.sheet: PointerSheet | None = None
        bench.state.events.n_bscans.connect(self._on_count)

    def close(self) -> None:
        """Take the pointer away for good."""
        self._bench.state.events.n_bscans.disconnect(self._on_count)
        self._remove()

    def toggle(self) -> None:
        """Show the pointer in the middle of what is seen, or take it away."""
        canvas = find_canvas(self._dock)
        if self.sheet is not None or canvas is None:
            self._remove()
        elif self._bench.session.opened is None:
            self._bench.session.notify("Open a scan first.")
        else:
            self.sheet = PointerSheet(canvas, self._viewer, self._bench)
            self.sheet.show()
            self._bench.session.notify(_HINT)

    def _on_count(self, n_bscans: int) -> None:
        if not n_bscans:
            self._remove()

    def _remove(self) -> None:
        sheet, self.sheet = self.sheet, None
        if sheet is not None:
            sheet.let_go()
            sheet.end()


class PointerSheet(CanvasSheet):
    """A cross on a pixel of the B-scan; takes the keys that move it before napari does."""

    def __init__(self, canvas: QWidget, viewer: Viewer, bench: Workbench) -> None:
        super().__init__(canvas, viewer, bench.session, bench.session.changed)
        self._canvas = canvas
        self._bench = bench
        self._held: Qt.KeyboardModifier | None = None
        #: A-scan and row.
        self.place = (0.0, 0.0)
        transform = self.find_transform()
        if transform is not None:
            middle = transform.inverted()[0].map(QPointF(self.rect().center()))
            self._go(round(middle.x()), round(middle.y()))

    def eventFilter(self, canvas: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Take arrows, Space and Page keys from the canvas."""
        if isinstance(event, QKeyEvent) and self.find_transform() is not None:
            if event.type() == QEvent.Type.KeyPress:
                return self._press(event)
            if event.type() == QEvent.Type.KeyRelease and event.key() == Qt.Key.Key_Space:
                if not event.isAutoRepeat():
                    self.let_go()
                return True
        elif event is not None and event.type() == QEvent.Type.FocusOut:
            self.let_go()
        return super().eventFilter(canvas, event)

    def _press(self, event: QKeyEvent) -> bool:
        key, modifiers = Qt.Key(event.key()), event.modifiers()
        way = _WAYS.get(key)
        is_far = bool(modifiers & _CTRL)
        if way is not None and modifiers & _SHIFT:
            return self._choose(way[1])
        if way is not None and not self._grows(way[1]):
            self._step(*way, pixels=_FAR if is_far else 1)
        elif key in _NOTCHES:
            self._turn(_NOTCHES[key])
        elif key == Qt.Key.Key_Space:
            if not event.isAutoRepeat():
                self._take(modifiers)
        else:
            return False
        return True

    def _choose(self, step: int) -> bool:
        """Go to the boundary above or below."""
        curves = self._bench.curves
        if not curves.is_on or not step:
            return False
        curves.choose(step)
        self._go(*curves.pointer)
        self._send(QEvent.Type.MouseMove, _NONE)
        return True

    def _grows(self, step: int) -> bool:
        """Let a proposed pocket grow or shrink instead."""
        pockets = self._bench.pockets
        if pockets.proposal is None or not step:
            return False
        pockets.grow(-step)
        return True

    def _step(self, across: int, down: int, *, pixels: int) -> None:
        transform = self.find_transform()
        assert transform is not None
        # a step is at least a pixel of the screen, which is all that a mouse can tell
        wide, high = max(1, round(1 / transform.m11())), max(1, round(1 / transform.m22()))
        column, row = self.place
        self._go(column + across * pixels * wide, row + down * pixels * high)
        self._send(QEvent.Type.MouseMove, _NONE)

    def _go(self, column: float, row: float) -> None:
        """Move to a pixel that is on the B-scan, and on the screen."""
        opened, transform = self._bench.session.opened, self.find_transform()
        assert opened is not None
        assert transform is not None
        height, width = opened.labels.data.shape[-2:]
        seen = transform.inverted()[0].mapRect(QRectF(self.rect()).adjusted(2, 2, -2, -2))
        left, right = max(seen.left(), 0), min(seen.right(), width - 1)
        top, bottom = max(seen.top(), 0), min(seen.bottom(), height - 1)
        self.place = (max(min(column, right), left), max(min(row, bottom), top))
        self._repaint()

    # The mouse.

    def _take(self, modifiers: Qt.KeyboardModifier) -> None:
        self._held = modifiers
        self._send(QEvent.Type.MouseMove, _NONE)
        self._send(QEvent.Type.MouseButtonPress, _LEFT)

    def let_go(self) -> None:
        """Let the button go, where it is held."""
        if self._held is not None:
            self._send(QEvent.Type.MouseButtonRelease, _LEFT)
            self._held = None
            self._repaint()

    def _send(self, kind: QEvent.Type, button: Qt.MouseButton) -> None:
        where = self._find_pixel()
        held = _NONE if self._held is None or kind == QEvent.Type.MouseButtonRelease else _LEFT
        keys = _PLAIN if self._held is None else self._held
        there = QPointF(self._canvas.mapToGlobal(where))
        event = QMouseEvent(kind, QPointF(where), there, button, held, keys)
        QApplication.sendEvent(self._canvas, event)

    def _turn(self, notches: int) -> None:
        where, turned = self._find_pixel(), QPoint(0, _NOTCH * notches)
        there = QPointF(self._canvas.mapToGlobal(where))
        phase = Qt.ScrollPhase.NoScrollPhase
        event = QWheelEvent(QPointF(where), there, QPoint(), turned, _NONE, _PLAIN, phase, False)
        QApplication.sendEvent(self._canvas, event)

    def _find_pixel(self) -> QPoint:
        transform = self.find_transform()
        assert transform is not None
        return transform.map(QPointF(*self.place)).toPoint()

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802 - Qt's name
        """Draw a cross that leaves the pixel itself free; with a dot while the button is held."""
        if self.find_transform() is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.translate(QPointF(self._find_pixel()))
        for width, color in ((_SHADOW, DARK), (_LINE, QColor("white"))):
            painter.setPen(make_pen(color, width))
            for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                painter.drawLine(QPointF(x * _GAP, y * _GAP), QPointF(x * _ARM, y * _ARM))
            if self._held is not None:
                painter.drawEllipse(QPointF(0, 0), _GAP, _GAP)
        painter.end()

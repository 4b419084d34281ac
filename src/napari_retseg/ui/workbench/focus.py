"""Keys belong to the canvas: the focus goes back there after each action in a dock."""

from __future__ import annotations

from functools import partial
from typing import Any

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtGui import QGuiApplication, QKeyEvent
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QMenu,
    QPlainTextEdit,
    QTabBar,
    QTextEdit,
    QWidget,
)

from napari_retseg.ui.workbench.dialogs.closing import find_window

#: What widgets emit when they were used.
_USED: tuple[tuple[type[QWidget], tuple[str, ...]], ...] = (
    (QMenu, ("aboutToHide",)),
    (QAbstractButton, ("clicked",)),
    (QComboBox, ("activated",)),
    (QAbstractSpinBox, ("editingFinished",)),
    (QLineEdit, ("returnPressed",)),
    (QAbstractSlider, ("sliderReleased",)),
    (QAbstractItemView, ("clicked", "activated")),
    (QTabBar, ("tabBarClicked",)),
)

#: What a user types into; it keeps the focus until it is done.
_TYPED = (QLineEdit, QAbstractSpinBox, QPlainTextEdit, QTextEdit)


class FocusKeeper(QObject):
    """Gives the focus back to the canvas when something in a dock was used.

    A click takes it from there only for text, until Enter or Escape. With Tab each widget can be
    reached, and after it was used the focus goes back, too; Escape leaves it unused.

    Parameters
    ----------
    dock
        Whatever is in it by now, and comes later. This goes with it.
    """

    def __init__(self, dock: QWidget) -> None:
        super().__init__(dock)
        self._dock = dock
        self._known: set[int] = set()
        self._is_owed = False
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self._give_back)
        application = QApplication.instance()
        if isinstance(application, QApplication):
            application.focusChanged.connect(self._on_focus)
        self.learn()

    def learn(self) -> None:
        """Look after what has come into the dock since the last time."""
        for widget in self._dock.findChildren(QWidget):
            if id(widget) not in self._known:
                self._known.add(id(widget))
                widget.destroyed.connect(partial(self._forget, id(widget)))
                self._connect(widget)

    def _forget(self, key: int, _widget: object = None) -> None:
        self._known.discard(key)

    def give_back(self, *_: Any) -> None:
        """Give the focus to the canvas, once what goes on is done."""
        self._soon.start()

    def _give_back(self) -> None:
        canvas, window = find_canvas(self._dock), self._dock.window()
        if canvas is None or window is None or canvas.window() is not window:
            return
        self._is_owed = not window.isActiveWindow()
        if self._is_owed:
            return  # a window or a list of its own is open: given back once that is closed
        focused = window.focusWidget()
        if focused in (None, window, self._dock) or self._dock.isAncestorOf(focused):
            canvas.setFocus(Qt.FocusReason.OtherFocusReason)

    def _connect(self, widget: QWidget) -> None:
        for signal in _find_signals(widget):
            signal.connect(self.give_back)
        if not isinstance(widget, _TYPED):
            widget.installEventFilter(self)
        if not isinstance(widget, _TYPED) and widget.focusPolicy() != Qt.FocusPolicy.NoFocus:
            widget.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def eventFilter(self, _watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Notice Escape, and a click, also on widgets that are painted here without a signal."""
        is_left = isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape
        if event is not None and (is_left or event.type() == QEvent.Type.MouseButtonRelease):
            self.give_back()
        return False

    def _on_focus(self, _old: QWidget | None, new: QWidget | None) -> None:
        """Meet what is new in the dock, and what was clicked without being typed into."""
        if self._is_owed:
            self.give_back()
        if new is None or not self._dock.isAncestorOf(new):
            return
        self.learn()
        is_clicked = QGuiApplication.mouseButtons() != Qt.MouseButton.NoButton
        if is_clicked and not isinstance(new, _TYPED):
            self.give_back()


def find_canvas(dock: QWidget) -> QWidget | None:
    """Return the widget of the canvas beside a dock, which hears the viewer's keys."""
    window = find_window(dock)
    center = None if window is None else window.centralWidget()
    return None if center is None else center.findChild(QOpenGLWidget)


def _find_signals(widget: QWidget) -> list[Any]:
    """Return what a widget emits when it was used."""
    for kind, names in _USED:
        if isinstance(widget, kind):
            return [getattr(widget, name) for name in names]
    return []

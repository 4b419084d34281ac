"""A user who has a keyboard only."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from pytestqt.exceptions import TimeoutError as QtBotTimeoutError
from qtpy.QtGui import QKeySequence
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QDialog, QWidget

from napari_retseg.ui.workbench.focus import find_canvas
from napari_retseg.ui.workbench.key_pointer import PointerSheet
from napari_retseg.ui.workbench.panels.review_panel import ReviewPanel
from tests.ui.workbench.clicking import Clicker

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

#: Its types know no widgets.
TEST: Any = QTest
_MOST_TABS = 150
_TIMEOUT_MS = 20_000


class Keys:
    """Hands on a keyboard, and what is seen."""

    def __init__(self, clicker: Clicker, qtbot: QtBot) -> None:
        self.clicker, self.dock, self._qtbot = clicker, clicker.dock, qtbot
        self.bench, self.state = clicker.dock.bench, clicker.state
        canvas = find_canvas(clicker.dock)
        assert canvas is not None
        self.canvas: QWidget = canvas
        self.seen: Any = None

    @property
    def review(self) -> ReviewPanel:
        return self.dock.review_panel

    @property
    def sheet(self) -> PointerSheet:
        """The pointer."""
        sheet = self.dock.key_pointer.sheet
        assert sheet is not None
        return sheet

    @property
    def opened(self) -> Any:
        return self.bench.session.opened

    @property
    def labels(self) -> Any:
        return self.opened.labels

    @property
    def plane(self) -> Any:
        return self.labels.data[self.state.bscan]

    @property
    def popup(self) -> Any:
        return QApplication.activePopupWidget()

    def read(self) -> dict[str, Any]:
        """All that Undo has to bring back."""
        loaded = self.opened.loaded
        return {
            "labels": loaded.labels.copy(),
            "prediction": loaded.prediction.copy(),
            "states": dict(self.bench.correcting.states),
        }

    def is_as(self, before: dict[str, Any]) -> bool:
        return all(np.array_equal(value, before[name]) for name, value in self.read().items())

    def press(self, *texts: str) -> None:
        """Press what has the keyboard: ``Ctrl+Right``, ``hold Shift+Space`` or ``let go``."""
        for text in texts:
            self._press(text)

    def _press(self, text: str) -> None:
        target = self.popup or QApplication.focusWidget() or self.canvas
        if text == "let go":
            TEST.keyRelease(target, _read_key("Space")[0])
        elif text.startswith("hold "):
            TEST.keyPress(target, *_read_key(text.removeprefix("hold ")))
        else:
            TEST.keyClick(target, *_read_key(text))
        self._qtbot.wait(15)  # napari takes a move every few milliseconds

    def tab_to(self, widget: QWidget) -> None:
        """Press Tab until a widget has the keyboard."""
        for _ in range(_MOST_TABS):
            if QApplication.focusWidget() is widget:
                return
            self.press("Tab")
        raise AssertionError(f"Tab does not come to {widget.toolTip()}")

    def find_window(self) -> QDialog | None:
        """The window beside the viewer's."""
        windows = [w for w in QApplication.topLevelWidgets() if isinstance(w, QDialog)]
        return next((window for window in windows if window.isVisible()), None)

    def rest(self) -> None:
        """Have the keys on the canvas, the mouse's tool in hand, and no pointer."""
        while (window := self.find_window()) is not None:
            window.close()
            QApplication.processEvents()
        main = self.dock.window()
        assert main is not None

        def is_focused() -> bool:
            """Ask again: the window of another test on this screen may have come to the front."""
            if not self.canvas.hasFocus():
                main.activateWindow()
                self.canvas.setFocus()
            return bool(self.canvas.hasFocus())

        self.wait(is_focused)
        if self.dock.key_pointer.sheet is not None:
            self.press("Shift+M")
        if self.state.shows_curves:
            self.press("W")
        if self.state.takes_pockets:
            self.press("Shift+F")
        self.press("6")

    def wait(self, until: Callable[[], bool]) -> None:
        self._qtbot.waitUntil(until, timeout=_TIMEOUT_MS)

    def wait_for(self, name: str, until: Callable[[], bool]) -> None:
        """Wait until something is so, and name it where it is never."""
        try:
            self.wait(until)
        except QtBotTimeoutError as error:
            raise AssertionError(f"{name}: {self.state.notice.text}") from error


def _read_key(text: str) -> tuple[Any, Any]:
    sequence: Any = QKeySequence(text)
    first = sequence[0]
    return first.key(), first.keyboardModifiers()

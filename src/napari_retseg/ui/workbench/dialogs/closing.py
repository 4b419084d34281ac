"""The end of the workbench, with its dock or its viewer: nothing is lost without a question."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QEventLoop, QObject, Qt, QTimer
from qtpy.QtWidgets import (
    QMainWindow,
    QProgressDialog,
    QWidget,
)

from napari_retseg.plural import count_noun
from napari_retseg.ui.widgets.pieces import ask
from napari_retseg.ui.workbench.docks import find_dock

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_retseg.ui.workbench.control.controller import Workbench

#: How long a training may take for its last step, and the disk for the last strokes.
_STOP_SECONDS, _SAVE_SECONDS = 60.0, 15.0
_TICK_MS = 30
#: What takes less is not worth a window that says so.
_QUIET_MS = 400
_SIDES = {
    Qt.DockWidgetArea.LeftDockWidgetArea: "left",
    Qt.DockWidgetArea.TopDockWidgetArea: "top",
    Qt.DockWidgetArea.BottomDockWidgetArea: "bottom",
}


class Closing(QObject):
    """Watches how a dock goes: by the close button of its frame, or with the viewer's window.

    napari takes a dock out of its frame when its close button is pressed, and cannot be asked to
    leave it there. So one that shall stay is put back.

    Parameters
    ----------
    dock
        The workbench's widget; this goes with it.
    bench
        Is closed with it.
    viewer
        Takes the dock back.
    end
        Called before the workbench is closed while the viewer stays.
    """

    def __init__(
        self, dock: QWidget, bench: Workbench, viewer: Viewer, *, end: Callable[[], None]
    ) -> None:
        super().__init__(dock)
        self._dock = dock
        self._bench = bench
        self._viewer = viewer
        self._end = end
        self._name, self._side = "", "right"
        self._is_ended = False
        self._has_asked = False
        dock.installEventFilter(self)

    def watch_window(self) -> None:
        """Hear when the window that the dock is in is about to close."""
        window = find_window(self._dock)
        if window is not None:
            window.installEventFilter(self)  # a second time does no harm

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Ask before the window closes; notice when the dock is taken out of its frame."""
        kind = None if event is None else event.type()
        if kind == QEvent.Type.Close and isinstance(watched, QMainWindow):
            assert event is not None
            if not self._is_ended and not is_torn_down(watched):
                return self._decide_on_window(watched, event)
        elif kind == QEvent.Type.ParentAboutToChange and watched is self._dock:
            self._note_place()
        elif kind == QEvent.Type.ParentChange and watched is self._dock and self._is_out():
            # not in the middle of what napari does; the partial keeps the dock until then
            QTimer.singleShot(0, partial(_decide, self._dock, self))
        return False

    def _decide_on_window(self, window: QMainWindow, event: QEvent) -> bool:
        """Say whether a window's event is taken: it stays open, or closes without another question.

        napari asks only where the event comes from outside, and one answer is enough.
        """
        self._has_asked = False
        if not self.may_close():
            event.ignore()
            return True
        if self._has_asked and event.spontaneous():
            event.ignore()
            QTimer.singleShot(0, window.close)
            return True
        return False

    def _is_out(self) -> bool:
        return self._dock.parentWidget() is None

    def _note_place(self) -> None:
        frame, window = find_dock(self._dock), find_window(self._dock)
        if frame is not None and window is not None:
            self._name = frame.objectName()
            self._side = _SIDES.get(window.dockWidgetArea(frame), "right")

    def decide(self) -> None:
        """End the workbench that was taken out of its frame, or put it back."""
        if self._is_ended or not self._is_out():
            return
        if not self.may_close():
            self._viewer.window.add_dock_widget(self._dock, name=self._name, area=self._side)
            self._dock.show()
            return
        self._is_ended = True
        self._end()
        self._bench.leave()
        self._bench.close()
        self._dock.deleteLater()

    def may_close(self) -> bool:
        """Stop what runs and write what is painted; ask where something would be lost."""
        return self._stop_training() and self._save()

    def _stop_training(self) -> bool:
        state, training = self._bench.state, self._bench.training
        if not state.is_training:
            return True
        if not self._ask(
            "A training is running",
            "A training is running. Stop it and close?",
            "Progress is saved; press Resume next time.",
            yes="Stop and close",
            no="Keep training",
        ):
            return False

        def has_stopped() -> bool:
            if training.is_running and not state.is_stopping:
                training.stop()
            return not state.is_training

        wait_until(has_stopped, "Stopping the training…", seconds=_STOP_SECONDS, parent=self._dock)
        return True

    def _save(self) -> bool:
        """Have the last strokes written; ask where they cannot be."""
        unsaved = self._flush()
        return not unsaved or self._ask(
            "Labels not saved",
            f"The last strokes on {count_noun(unsaved, 'B-scan')} could not be saved to "
            f"{self._bench.state.folder}. Close and lose them?",
            "To keep them, free some disk space or reconnect the drive, and close again.",
            yes="Close and lose them",
            no="Keep open",
        )

    def _flush(self) -> int:
        """Write the last strokes; return how many B-scans have some that could not be."""
        self._bench.correcting.check()
        saver = self._bench.session.saver
        if saver is None:
            return 0
        ended: list[bool] = []
        self._bench.session.submit(saver.flush, ended.append, failed=lambda _: ended.append(False))
        wait_until(lambda: bool(ended), "Saving…", seconds=_SAVE_SECONDS, parent=self._dock)
        return saver.pending

    def _ask(self, title: str, text: str, more: str, *, yes: str, no: str) -> bool:
        self._has_asked = True
        return ask(self._dock, title, text, more, yes=yes, no=no)


def _decide(_dock: QWidget, closing: Closing) -> None:
    closing.decide()


def find_window(widget: QWidget) -> QMainWindow | None:
    """Return the main window that a widget is in, floating or not."""
    parent: QWidget | None = widget.parentWidget()
    while parent is not None and not isinstance(parent, QMainWindow):
        parent = parent.parentWidget()
    return parent


def is_torn_down(window: QMainWindow) -> bool:
    """Whether a program closes the viewer, which takes its content away before it closes.

    No question would change that any more, and events that a question lets through would be about
    widgets that are gone.
    """
    center = window.centralWidget()
    direct = Qt.FindChildOption.FindDirectChildrenOnly
    content = [] if center is None else center.findChildren(QWidget, options=direct)
    return all(widget.isHidden() for widget in content)


def wait_until(until: Callable[[], bool], text: str, *, seconds: float, parent: QWidget) -> bool:
    """Wait for something while the viewer goes on drawing, and takes no clicks.

    Returns
    -------
    bool
        Whether it has come; False after so many seconds.
    """
    end = time.monotonic() + seconds
    note = QProgressDialog(text, "", 0, 0, parent)
    note.setCancelButton(None)
    note.setMinimumDuration(_QUIET_MS)
    note.setWindowModality(Qt.WindowModality.ApplicationModal)
    loop = QEventLoop()
    try:
        while not until():
            if time.monotonic() >= end:
                return False
            QTimer.singleShot(_TICK_MS, loop.quit)
            loop.exec(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)
        return True
    finally:
        note.close()
        note.deleteLater()

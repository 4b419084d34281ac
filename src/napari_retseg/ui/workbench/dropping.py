"""What is dropped onto the viewer's window is offered to the workspace."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from qtpy.QtCore import QEvent, QMimeData, QObject, QPointF, Qt, QTimer, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication, QLineEdit, QMainWindow, QMessageBox, QWidget

from napari_retseg.plural import count_noun
from napari_retseg.ui.plain import make_question


class Dropping(QObject):
    """Asks where files go that are dropped beside the dock; without a workspace napari opens them.

    Parameters
    ----------
    window
        The viewer's.
    take
        Adds files to the open workspace.
    is_wanted
        Tells whether there is a workspace that files can be added to.
    """

    def __init__(
        self,
        window: QMainWindow,
        take: Callable[[list[Path]], None],
        is_wanted: Callable[[], bool],
    ) -> None:
        super().__init__(window)
        self._take = take
        self._is_wanted = is_wanted
        self._is_passed = False
        self.question: QMessageBox | None = None
        center = window.centralWidget()
        for widget in [] if center is None else [center, *center.findChildren(QWidget)]:
            if widget.acceptDrops() and not isinstance(widget, QLineEdit):
                widget.installEventFilter(self)

    def end(self) -> None:
        """Let napari open all again."""
        self.deleteLater()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Take files that are dropped, and ask about them once the drop has ended."""
        if not isinstance(event, QDropEvent) or event.type() != QEvent.Type.Drop:
            return False
        files = list_files(event)
        if self._is_passed or not files or not self._is_wanted():
            return False
        event.acceptProposedAction()
        assert isinstance(watched, QWidget)
        QTimer.singleShot(0, partial(self._ask, watched, files))
        return True

    def _ask(self, target: QWidget, files: list[Path]) -> None:
        """Ask where files shall go; the viewer goes on meanwhile."""
        what = files[0].name if len(files) == 1 else count_noun(len(files), "file")
        box = make_question(
            target.window(),
            "Dropped files",
            f"Add {what} to the workspace?",
            "Labels or pictures that are only to be looked at can be opened as layers.",
        )
        add = box.addButton("Add to workspace", QMessageBox.ButtonRole.AcceptRole)
        layers = box.addButton("Open as layers", QMessageBox.ButtonRole.ActionRole)
        box.addButton("Cancel", QMessageBox.ButtonRole.RejectRole)
        assert add is not None
        assert layers is not None
        box.setDefaultButton(add)
        add.clicked.connect(lambda: self._take(files))
        layers.clicked.connect(lambda: self._pass_on(target, files))
        box.finished.connect(box.deleteLater)
        self.question = box
        box.open()

    def _pass_on(self, target: QWidget, files: list[Path]) -> None:
        """Let napari open files, as it does with any that are dropped."""
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(file)) for file in files])
        place = target.rect().center()
        how = (
            Qt.DropAction.CopyAction,
            data,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
        self._is_passed = True
        try:
            QApplication.sendEvent(target, QDragEnterEvent(place, *how))
            QApplication.sendEvent(target, QDropEvent(QPointF(place), *how))
        finally:
            self._is_passed = False


def list_files(event: QDropEvent) -> list[Path]:
    """Return the files and folders of this computer that are dropped."""
    data = event.mimeData()
    urls = [] if data is None else data.urls()
    return [Path(url.toLocalFile()) for url in urls if url.isLocalFile()]

"""A user at the workbench's dock in a real viewer, with real files and worker processes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFileDialog, QListWidget, QWidget

from napari_retseg.ui.workbench.control.open_scan import OpenScan
from napari_retseg.workspace import RestorePoint, Workspace
from tests.ui.workbench.clicking import LEFT, Clicker, fill_new_window, workers

if TYPE_CHECKING:
    import pytest
    from napari import Viewer
    from pytestqt.qtbot import QtBot

Window = TypeVar("Window", bound=QWidget)

#: The classes of the models that the tests make.
CLASSES = ("NFL", "INL", "fluid")


class User(Clicker):
    """What a user does with the dock, and what is shown."""

    def __init__(self, viewer: Viewer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(viewer, qtbot, monkeypatch)
        self.qtbot = qtbot

    @property
    def opened(self) -> OpenScan:
        opened = self.dock.bench.session.opened
        assert opened is not None
        return opened

    @property
    def workspace(self) -> Workspace:
        workspace = self.dock.bench.session.workspace
        assert workspace is not None
        return workspace

    @property
    def notice(self) -> str:
        """The sentence that is seen."""
        return self.dock.notice.text() if self.dock.notice.isVisible() else ""

    def choose_folder(self, folder: Path) -> None:
        """Answer the next questions for a folder with this one."""
        answer = lambda *_, **__: str(folder)  # noqa: E731 - stands in for a dialog
        self._monkeypatch.setattr(QFileDialog, "getExistingDirectory", answer)

    def press_new(self, folder: Path) -> None:
        self.click(self.dock.scan_panel.new_button)
        fill_new_window(self.dock.scan_panel, folder)

    def make_workspace(self, folder: Path, classes: Sequence[str] = CLASSES) -> None:
        self.press_new(folder)
        self.wait(lambda: self.state.folder is not None)
        self.dock.scan_panel.classes_given.emit(list(classes))
        self.wait(lambda: self.workspace.classes.names[1:] == tuple(classes))

    def open_workspace(self, folder: Path) -> None:
        self.choose_folder(folder)
        self.click(self.dock.scan_panel.open_button)

    def add(self, *scans: Path) -> None:
        names = lambda *_, **__: ([str(scan) for scan in scans], "")  # noqa: E731 - as above
        self._monkeypatch.setattr(QFileDialog, "getOpenFileNames", names)
        panel, before = self.dock.scan_panel, len(self.state.scans)
        panel.add_menu.aboutToShow.emit()
        panel.add_menu.actions()[0].trigger()
        self.wait(lambda: len(self.state.scans) == before + len(scans))
        self.wait(lambda: self.state.n_bscans > 0)

    def choose_scan(self, index: int) -> None:
        box = self.dock.scan_panel.scan_box
        box.setCurrentIndex(index)
        box.activated.emit(index)
        name = self.state.scans[index].name
        self.wait(lambda: self.state.n_bscans > 0 and self.opened.name == name)

    def choose_model(self, name: str) -> None:
        box = self.dock.model_panel.model_box
        box.setCurrentText(name)
        assert box.currentText() == name
        box.activated.emit(box.currentIndex())

    def wait_for_model(self) -> None:
        """Wait until the worker process that predicts is there."""
        self.wait(lambda: len(workers("predict")) == 1)

    def segment(self) -> None:
        """Press the button that segments all, which a single B-scan has not."""
        panel = self.dock.model_panel
        is_volume = self.state.n_bscans > 1
        self.click(panel.volume_button if is_volume else panel.bscan_button)
        self.wait(lambda: self.state.work is None)
        assert self.notice.startswith("Segmented"), self.notice

    def accept_volume(self) -> None:
        self.dock.review_panel.accept_menu.actions()[0].trigger()

    def go_to(self, bscan: int) -> None:
        self.dock.strip_panel.strip.bscan_clicked.emit(bscan)
        self.wait(lambda: self.state.bscan == bscan)

    def paint(self, bscan: int, rows: slice, value: int) -> None:
        """Paint a band as a stroke does: through the layer."""
        self.go_to(bscan)
        shape = self.opened.labels.data.shape[-2:]
        places = np.indices(shape)[:, rows].reshape(2, -1)
        self.opened.labels.data_setitem((np.full(places.shape[1], bscan), *places), value)

    def press(self, key: Qt.Key, modifier: Any = Qt.KeyboardModifier.NoModifier) -> None:
        """Press a key over the picture."""
        canvas = self.viewer.window._qt_viewer.canvas.native
        self.qtbot.keyClick(canvas, key, modifier)

    def find_window(self, kind: type[Window]) -> Window:
        """Wait for a window of this kind."""

        def list_windows() -> list[Window]:
            windows = QApplication.topLevelWidgets()
            return [w for w in windows if isinstance(w, kind) and w.isVisible()]

        self.wait(lambda: len(list_windows()) == 1)
        return list_windows()[0]

    def click_row(self, rows: QListWidget, row: int) -> None:
        place = rows.visualItemRect(rows.item(row)).center()
        self.qtbot.mouseClick(rows.viewport(), LEFT, pos=place)
        assert rows.currentRow() == row

    def list_points(self) -> list[RestorePoint]:
        """The restore points, in the order of the window."""
        points = self.dock.bench.session.points
        assert points is not None
        found: list[RestorePoint] = points.list()
        return found

    def wait_until_saved(self) -> None:
        """Wait for the files, without hurrying them."""
        saver = self.dock.bench.session.saver
        assert saver is not None
        self.dock.bench.correcting.check()
        done: list[bool] = []
        self.dock.bench.session.submit(lambda: None, lambda _: done.append(True))
        self.wait(lambda: bool(done) and saver.pending == 0)

    def states(self) -> dict[int, str]:
        """The states on disk of the open scan."""
        return dict(self.workspace.states(self.opened.name))

    def stored(self) -> NDArray[np.uint8]:
        """The labels on disk of the open scan."""
        found: NDArray[np.uint8] = self.workspace.read_labels(self.opened.name)
        return found

"""The workbench's dock in a real viewer, and what a user does with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_retseg.ui.widgets.section import CollapsibleSection
from napari_retseg.ui.workbench.panels.bench_tabs import BenchTabs
from napari_retseg.ui.workbench.panels.scan_panel import ScanPanel
from napari_retseg.ui.workbench.workbench_dock import WorkbenchDock

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot

    from napari_retseg.engine.jobs import Lane

TIMEOUT_MS = 90_000
LEFT = Qt.MouseButton.LeftButton
QUICK = {"iterations": 4, "score_every": 2, "batch_size": 2, "crop": "32x32", "augment": "none"}


class Clicker:
    """The dock and what a user does with it."""

    def __init__(self, viewer: Viewer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
        _, widget = viewer.window.add_plugin_dock_widget("napari-retseg", "Retseg workbench")
        assert isinstance(widget, WorkbenchDock)
        self.dock = widget
        self.viewer = viewer
        self.state = widget.bench.state
        self._qtbot = qtbot
        self._monkeypatch = monkeypatch

    def click(self, button: Any) -> None:
        show_section(button)
        self.wait(lambda: bool(button.isVisible()) and bool(button.isEnabled()))
        self._qtbot.mouseClick(button, LEFT)

    def wait(self, until: Callable[[], bool]) -> None:
        self._qtbot.waitUntil(until, timeout=TIMEOUT_MS)

    def start(self, folder: Path, scan: Path) -> None:
        panel = self.dock.scan_panel
        self.click(panel.new_button)
        fill_new_window(panel, folder)
        self.wait(lambda: self.state.folder is not None)
        self._monkeypatch.setattr(
            QFileDialog, "getOpenFileNames", lambda *_, **__: ([str(scan)], "")
        )
        panel.add_menu.aboutToShow.emit()
        panel.add_menu.actions()[0].trigger()
        self.wait(lambda: self.state.n_bscans > 0)
        box = self.dock.model_panel.model_box
        box.setCurrentText("tiny")
        box.activated.emit(box.currentIndex())

    def segment_all(self) -> None:
        self.click(self.dock.model_panel.volume_button)
        self.wait(lambda: self.state.work is None)
        assert self.state.notice.text.startswith("Segmented")

    def check_prediction(self, expected: Path) -> None:
        """Compare what is shown with class indices in a file; the values are those of the set."""
        shown = self.viewer.layers["prediction"].data
        np.testing.assert_array_equal(shown, np.array([0, 1, 3, 8])[np.load(expected)])

    def confirm(self, *bscans: int) -> None:
        for bscan in bscans:
            self.dock.strip_panel.strip.bscan_clicked.emit(bscan)
            opened = self.dock.bench.session.opened
            assert opened is not None
            rows, columns = np.mgrid[20:40, :96].reshape(2, -1)
            opened.labels.data_setitem((np.full(len(rows), bscan), rows, columns), 3)
            self.click(self.dock.review_panel.confirm_button)
        self.wait(lambda: len(self.saved()) == len(bscans))

    def saved(self) -> list[int]:
        workspace = self.dock.bench.session.workspace
        assert workspace is not None
        return [b for b, s in workspace.states("eye").items() if s == "confirmed"]

    @property
    def iterations(self) -> list[float]:
        """Those that the curves show."""
        found: list[float] = self.dock.bench.training.curves.iterations.tolist()
        return found

    def retrain(self, **values: Any) -> None:
        self.dock.retrain_panel.form.set_values({**QUICK, **values})
        self.dock.retrain_panel.form.changed.emit()
        self.wait(lambda: not self.state.round_problem and bool(self.state.round_text))
        self.click(self.dock.retrain_panel.retrain_button)
        assert self.state.is_training


def show_section(widget: QWidget) -> None:
    """Open the tab and the sections that a widget lies in, as one has to before one can click."""
    parent = widget.parentWidget()
    while parent is not None:
        if isinstance(parent, CollapsibleSection):
            parent.set_open(True)
        elif isinstance(parent, BenchTabs):
            for title in parent.titles:
                if parent.area(title).isAncestorOf(widget):
                    parent.show_tab(title)
        parent = parent.parentWidget()


def fill_new_window(panel: ScanPanel, folder: Path) -> None:
    """Say in the window of New… where the workspace shall be, and make it."""
    window = panel.new_window
    window.folder_edit.value = folder.parent
    window.name_edit.value = folder.name
    assert window.take_button.isEnabled(), window.notice.text()
    window.take_button.click()


def workers(lane: Lane) -> list[psutil.Process]:
    """Return the worker processes of a lane that this one has started."""
    own = f'"resources": {{"{lane}": 1}}'
    return [p for p in psutil.Process().children() if own in " ".join(p.cmdline())]

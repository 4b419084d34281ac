"""What the workbench has in the viewer's window beside its own dock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QMainWindow

from napari_retseg.ui.workbench.dropping import Dropping
from napari_retseg.ui.workbench.focus import find_canvas
from napari_retseg.ui.workbench.layer_docks import LayerDocks
from napari_retseg.ui.workbench.panels.doubt_bar import DoubtBar
from napari_retseg.ui.workbench.strip_dock import StripDock

if TYPE_CHECKING:
    from napari_retseg.events import Runs
    from napari_retseg.ui.workbench.control.labels_layer import Labels
    from napari_retseg.ui.workbench.workbench_dock import WorkbenchDock

_LAID_OUT_MS = 30


class Surroundings:
    """The strip along the bottom, the bar above the B-scan, and room for the canvas.

    Parameters
    ----------
    dock
        The workbench's.
    window
        Holds it.
    """

    def __init__(self, dock: WorkbenchDock, window: QMainWindow) -> None:
        self._bench = dock.bench
        self.strip_dock = StripDock(window, dock.strip_panel)
        self.layer_docks = LayerDocks(
            window, dock.review_panel.layers_button.setChecked, dock.viewer.reset_view
        )
        self.dropping = Dropping(window, dock.bench.scan_import.add_files, self._can_add)
        # once the window has laid out what has just come into it
        QTimer.singleShot(_LAID_OUT_MS, self.layer_docks.settle)
        canvas = find_canvas(dock)
        self.doubt_bar = (
            None if canvas is None else DoubtBar(canvas, dock.viewer, self._find_doubtful)
        )
        events = self._bench.state.events
        for event in (events.bscan, events.strip):
            event.connect(self._show_doubtful)
        self._bench.session.changed.connect(self._show_doubtful)

    def end(self) -> None:
        """Leave the window as it was without the workbench."""
        events = self._bench.state.events
        for event in (events.bscan, events.strip):
            event.disconnect(self._show_doubtful)
        self._bench.session.changed.disconnect(self._show_doubtful)
        window = self.strip_dock.parentWidget()
        if isinstance(window, QMainWindow):
            window.removeDockWidget(self.strip_dock)
        self.strip_dock.deleteLater()
        self.layer_docks.end()
        self.dropping.end()
        if self.doubt_bar is not None:
            self.doubt_bar.end()

    def _can_add(self) -> bool:
        state = self._bench.state
        return state.folder is not None and not state.is_read_only

    def _find_doubtful(self) -> tuple[Labels, Runs] | None:
        """Return the labels layer, and the doubtful A-scans of the B-scan in view."""
        opened = self._bench.session.opened
        if opened is None:
            return None
        return opened.labels, opened.loaded.doubtful.get(self._bench.state.bscan, ())

    def _show_doubtful(self) -> None:
        if self.doubt_bar is not None:
            self.doubt_bar.follow()

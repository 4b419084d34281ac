"""The Segment dock: wires panel, controller, engine and viewer."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QApplication, QVBoxLayout, QWidget

from napari_retseg.engine import Engine
from napari_retseg.ui.leaving import close_at_exit
from napari_retseg.ui.postbox import Postbox
from napari_retseg.ui.segmenter import Segmenter
from napari_retseg.ui.segmentpanel import SegmentPanel
from napari_retseg.ui.squares import connect_square_button
from napari_retseg.ui.widgets.tabs import join
from napari_retseg.ui.workbench.control.docks import find_dock_of

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_retseg.ui.workbench.control.controller import Workbench

_REFRESH_MS = 100


class SegmentDock(QWidget):
    """Segment B-scans and volumes of the viewer, in another process.

    The engine is started by the first job and ends with the dock, at the latest with the viewer.

    Parameters
    ----------
    napari_viewer
        The viewer that the dock belongs to.
    engine
        Runs the jobs; by default processes on this machine. The dock closes it.
    """

    def __init__(self, napari_viewer: Viewer, *, engine: Engine | None = None) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._placed_by: Workbench | None = None
        postbox = Postbox()
        self.segmenter = Segmenter(napari_viewer, engine=engine or Engine(), post=postbox.post)
        self.panel = SegmentPanel(self.segmenter.state)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.panel)
        self.setMinimumWidth(280)
        self._connect()
        self._close_with_viewer()

    def _connect(self) -> None:
        panel, segmenter = self.panel, self.segmenter
        panel.scan_chosen.connect(segmenter.choose_scan)
        panel.model_chosen.connect(segmenter.choose_model)
        panel.model_browsed.connect(segmenter.add_model)
        panel.segment_bscan_pressed.connect(segmenter.segment_bscan)
        panel.segment_volume_pressed.connect(segmenter.segment_volume)
        panel.cancel_pressed.connect(segmenter.cancel)
        panel.save_pressed.connect(self._save)
        connect_square_button(panel.square_button, self._viewer)
        timer = QTimer(self)
        timer.setInterval(_REFRESH_MS)
        timer.timeout.connect(segmenter.refresh_labels)
        timer.timeout.connect(self._share_place)
        timer.start()

    def _share_place(self, *, is_newer: bool = False) -> None:
        """Share the place of a workbench once, as tabs, whichever opens first; the newer in front.

        Below each other, neither would have the height that it needs.
        """
        other = find_dock_of(self._viewer)
        if other is not None and other.bench is not self._placed_by and other.isVisible():
            self._placed_by = other.bench
            pair = (self, other) if is_newer else (other, self)
            # the viewer adds a dock to its window only after it is shown
            QTimer.singleShot(0, partial(join, *pair))

    def _save(self) -> None:
        from napari_retseg.ui.savewindow import open_save_window

        open_save_window(
            self._viewer,
            parent=self,
            notify=self.segmenter.notify,
            best=self.segmenter.find_labels(),
        )

    def _close_with_viewer(self) -> None:
        # a partial, because Qt holds methods weakly, and this widget is gone by then
        self.destroyed.connect(partial(self.segmenter.close))
        application = QApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.segmenter.close)
        close_at_exit(self.segmenter)

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802 - Qt's name
        """List the models again, load the chosen one meanwhile, and share the workbench's place."""
        super().showEvent(event)
        self._share_place(is_newer=True)
        self.segmenter.refresh_models()
        self.segmenter.load_chosen()

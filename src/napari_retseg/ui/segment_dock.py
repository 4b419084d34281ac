"""The Segment dock: wires panel, controller, engine and viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QWidget

from napari_retseg.engine import Engine
from napari_retseg.ui.leaving import close_with
from napari_retseg.ui.postbox import Postbox
from napari_retseg.ui.segment_panel import SegmentPanel
from napari_retseg.ui.segmenter import Segmenter
from napari_retseg.ui.squares import connect_square_button
from napari_retseg.ui.widgets.pieces import lay_out_column, start_timer
from napari_retseg.ui.workbench.docks import Neighbour

if TYPE_CHECKING:
    from napari.viewer import Viewer

_REFRESH_MS = 100


class SegmentDock(QWidget):
    """Segment B-scans and volumes of the viewer, in another process.

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
        self._neighbour = Neighbour(self, self._viewer)
        self.segmenter = Segmenter(napari_viewer, engine=engine or Engine(), post=Postbox().post)
        close_with(self, self.segmenter)
        self.panel = SegmentPanel(self.segmenter.state)
        lay_out_column(self, self.panel)
        self.setMinimumWidth(280)
        self._connect()

    def _connect(self) -> None:
        panel, segmenter = self.panel, self.segmenter
        panel.scan_chosen.connect(segmenter.choose_scan)
        panel.model_chosen.connect(segmenter.choose_model)
        panel.model_browsed.connect(segmenter.add_model)
        panel.bscan_button.clicked.connect(segmenter.segment_bscan)
        panel.volume_button.clicked.connect(segmenter.segment_volume)
        panel.cancel_button.clicked.connect(segmenter.cancel)
        panel.save_button.clicked.connect(self._save)
        connect_square_button(panel.square_button, self._viewer)
        start_timer(self, _REFRESH_MS, segmenter.refresh_labels, self._neighbour.find)

    def _save(self) -> None:
        from napari_retseg.ui.save_window import open_save_window

        segmenter = self.segmenter
        open_save_window(
            self._viewer, parent=self, notify=segmenter.notify, best=segmenter.find_labels()
        )

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802 - Qt's name
        """List the models again, load the chosen one meanwhile, and share the workbench's place."""
        super().showEvent(event)
        self._neighbour.find(is_newer=True)
        self.segmenter.refresh_models()
        self.segmenter.load_chosen()

"""The whole volume along the bottom of the window."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtWidgets import QWidget

from napari_retseg.ui.numbering import describe_bscan
from napari_retseg.ui.plain import PlainLabel
from napari_retseg.ui.widgets.pieces import lay_out_column
from napari_retseg.ui.widgets.theme import TIGHT
from napari_retseg.ui.workbench.control.bench_state import BenchState
from napari_retseg.ui.workbench.panels.bscan_strip import BscanStrip


class StripPanel(QWidget):
    """The strip of B-scans, and which one is in view.

    Parameters
    ----------
    state
        What is shown.
    buttons
        Stand at the end of the words.
    """

    def __init__(self, state: BenchState, buttons: Sequence[QWidget] = ()) -> None:
        super().__init__()
        self._state = state
        self._files: tuple[str, ...] = ()
        self.place_text = PlainLabel()
        self.strip = BscanStrip((self.place_text,), buttons)
        column = lay_out_column(self, self.strip)
        column.setContentsMargins(2 * TIGHT, TIGHT, 2 * TIGHT, TIGHT)
        events = state.events
        for event in (events.strip, events.folder):
            event.connect(self._show_strip)
        for event in (events.bscan, events.n_bscans, events.scan, events.scans):
            event.connect(self._show_place)
        self._show_strip()

    def set_files(self, files: Sequence[str]) -> None:
        """Take the names of the B-scans' files, where each has one."""
        self._files = tuple(files)
        self._show_place()

    def _show_strip(self) -> None:
        state, cells = self._state, self.strip.cells
        self.strip.set_cells(state.strip)
        # between two scans it stays, so that the canvas keeps its height
        cells.setVisible(bool(state.strip) or (state.folder is not None and not cells.isHidden()))
        self._show_place()

    def _show_place(self) -> None:
        state = self._state
        self.strip.set_current(state.bscan)
        scan = state.open_scan
        place = describe_bscan(state.bscan, state.n_bscans, self._files)
        names = [] if scan is None else [scan.name, place]
        self.place_text.setText(", ".join(name for name in names if name) or "No scan is open.")

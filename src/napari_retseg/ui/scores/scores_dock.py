"""The Scores dock: which two layers are compared, and how well they agree."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QWidget

from napari_retseg.ui.plain import PlainLabel, make_text
from napari_retseg.ui.postbox import Postbox
from napari_retseg.ui.scores.scoring import Scoring
from napari_retseg.ui.scores.table import ScoreTable
from napari_retseg.ui.widgets.pieces import (
    fill_box,
    lay_out_column,
    make_box,
    make_form,
    start_timer,
)
from napari_retseg.ui.widgets.theme import MARGIN
from napari_retseg.ui.workbench.docks import Neighbour

if TYPE_CHECKING:
    from napari.viewer import Viewer

_REFRESH_MS = 50


class ScoresDock(QWidget):
    """Scores of each class, or of each boundary, between two labels layers while one is painted on.

    Parameters
    ----------
    napari_viewer
        The viewer that the dock belongs to.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._neighbour = Neighbour(self, napari_viewer)
        postbox = Postbox()
        self.scoring = Scoring(napari_viewer, post=postbox.post)
        self.reference_box = make_box("Reference: labels made by hand")
        self.predicted_box = make_box("Labels to score")
        self.table = ScoreTable(self.scoring.state.classes)
        self.model_name = make_text()
        self.model_row = PlainLabel("by model")
        form = make_form(
            (PlainLabel("reference"), self.reference_box),
            (PlainLabel("predicted"), self.predicted_box),
            (self.model_row, self.model_name),
        )
        lay_out_column(self, form, self.table, margin=MARGIN)
        self.setMinimumWidth(300)
        self._is_due = True
        self._connect()
        self.destroyed.connect(partial(self.scoring.close))

    def _connect(self) -> None:
        self.reference_box.activated.connect(self._on_chosen)
        self.predicted_box.activated.connect(self._on_chosen)
        self.table.scope_changed.connect(self.scoring.choose_scope)
        self.table.measure_changed.connect(self.scoring.choose_measure)
        self.table.bscan_clicked.connect(self.scoring.go_to)
        self.scoring.state.events.connect(self._on_changed)
        start_timer(self, _REFRESH_MS, self._refresh)
        self._refresh()

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802 - Qt's name
        """Go beside the workbench."""
        super().showEvent(event)
        self.scoring.look_for(self._neighbour.find(is_newer=True))

    def _on_chosen(self) -> None:
        self.scoring.choose(
            reference=self.reference_box.currentIndex(),
            predicted=self.predicted_box.currentIndex(),
        )

    def _on_changed(self, *_: object) -> None:
        self._is_due = True

    def _refresh(self) -> None:
        """Show what has changed since the last time, at most twenty times a second."""
        self.scoring.look_for(self._neighbour.find())
        self.scoring.check()
        if not self._is_due:
            return
        self._is_due = False
        state = self.scoring.state
        fill_box(self.reference_box, state.layers, state.reference, empty="no labels")
        fill_box(self.predicted_box, state.layers, state.predicted, empty="no labels")
        self.model_name.setText(state.model)
        for widget in (self.model_row, self.model_name):
            widget.setVisible(bool(state.model))
        self.table.set_classes(state.classes)
        self.table.set_scores(state.scores, before=state.before)
        self.table.set_boundaries(state.boundaries, um_per_px=state.um_per_px)
        self.table.set_worst(state.worst)
        self.table.set_notice(state.notice)

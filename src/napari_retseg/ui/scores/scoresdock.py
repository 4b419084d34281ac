"""The Scores dock: which two layers are compared, and how well they agree."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QFormLayout, QVBoxLayout, QWidget

from napari_retseg.ui.plain import PlainLabel, make_text
from napari_retseg.ui.postbox import Postbox
from napari_retseg.ui.scores.scoring import Scoring
from napari_retseg.ui.scores.table import ScoreTable
from napari_retseg.ui.widgets.pieces import fill_box, make_box
from napari_retseg.ui.widgets.tabs import join
from napari_retseg.ui.widgets.theme import GAP, MARGIN
from napari_retseg.ui.workbench.control.docks import find_dock_of, find_workbench

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_retseg.ui.workbench.control.controller import Workbench

_REFRESH_MS = 50


class ScoresDock(QWidget):
    """Dice and IoU of each class, between any two labels layers, while they are painted on.

    Parameters
    ----------
    napari_viewer
        The viewer that the dock belongs to.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        postbox = Postbox()
        self.scoring = Scoring(
            napari_viewer, post=postbox.post, bench=find_workbench(napari_viewer)
        )
        self.reference_box = make_box("Reference: labels made by hand")
        self.predicted_box = make_box("Labels to score")
        self.table = ScoreTable(self.scoring.state.classes)
        form = QFormLayout()
        form.setSpacing(GAP)
        form.addRow("reference", self.reference_box)
        form.addRow("predicted", self.predicted_box)
        self.model_name = make_text()
        self.model_row = PlainLabel("by model")
        form.addRow(self.model_row, self.model_name)
        column = QVBoxLayout(self)
        column.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        column.setSpacing(GAP)
        column.addLayout(form)
        column.addWidget(self.table)
        self.setMinimumWidth(300)
        self._is_due = True
        self._placed_by: Workbench | None = None
        self._connect()
        self.destroyed.connect(partial(self.scoring.close))

    def _connect(self) -> None:
        self.reference_box.activated.connect(self._on_chosen)
        self.predicted_box.activated.connect(self._on_chosen)
        self.table.scope_changed.connect(self.scoring.choose_scope)
        self.table.bscan_clicked.connect(self.scoring.go_to)
        self.scoring.state.events.connect(self._on_changed)
        timer = QTimer(self)
        timer.setInterval(_REFRESH_MS)
        timer.timeout.connect(self._refresh)
        timer.start()
        self._refresh()

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802 - Qt's name
        """Go beside the workbench."""
        super().showEvent(event)
        self._follow(is_newer=True)

    def _follow(self, *, is_newer: bool = False) -> None:
        """Follow the workbench that is open now, and share its place once; the newer in front."""
        dock = find_dock_of(self._viewer)
        self.scoring.look_for(None if dock is None else dock.bench)
        if dock is not None and dock.bench is not self._placed_by and dock.isVisible():
            self._placed_by = dock.bench
            # the viewer adds a dock to its window only after it is shown
            pair = (self, dock) if is_newer else (dock, self)
            QTimer.singleShot(0, partial(join, *pair))

    def _on_chosen(self) -> None:
        self.scoring.choose(
            reference=self.reference_box.currentIndex(),
            predicted=self.predicted_box.currentIndex(),
        )

    def _on_changed(self, *_: object) -> None:
        self._is_due = True

    def _refresh(self) -> None:
        """Show what has changed since the last time, at most twenty times a second."""
        self._follow()
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
        self.table.set_worst(state.worst)
        self.table.set_notice(state.notice)

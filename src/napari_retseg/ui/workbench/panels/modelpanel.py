"""Section "Model": choose one, see what it is worth, segment with it."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFileDialog, QProgressBar, QVBoxLayout, QWidget

from napari_retseg.plural import count_noun
from napari_retseg.ui.dockstate import ModelChoice, Work
from napari_retseg.ui.modelbox import show_bad_models
from napari_retseg.ui.plain import make_text, make_tip
from napari_retseg.ui.progress import show_progress
from napari_retseg.ui.widgets.keys import KEYS
from napari_retseg.ui.widgets.pieces import (
    fill_box,
    make_box,
    make_button,
    make_row,
)
from napari_retseg.ui.widgets.theme import GAP
from napari_retseg.ui.workbench.control.benchstate import BenchState


class ModelPanel(QWidget):
    """Choose a model and segment; progress with the time left, and Cancel."""

    model_chosen = Signal(int)
    model_browsed = Signal(object)
    card_wanted = Signal()
    bscan_pressed = Signal()
    volume_pressed = Signal()
    cancel_pressed = Signal()

    def __init__(self, state: BenchState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = state
        self.model_box = make_box("Model to segment with; Retrain starts from it")
        self.browse_button = make_button("Browse…", "Choose a model folder or a run folder")
        self.card_button = make_button(
            "Card", "Show the model card: network, training data and scores"
        )
        self.score_text = make_text()
        self.bscan_button = make_button(
            "Segment B-scan", "Segment the B-scan in view", key=KEYS["segment"]
        )
        self.volume_button = make_button("Segment volume", "Segment all B-scans")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.cancel_button = make_button("Cancel", "Stop; finished B-scans are kept")
        self.work_text = make_text()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        column.addLayout(make_row(self.model_box, self.browse_button, self.card_button))
        column.addWidget(self.score_text)
        column.addLayout(make_row(self.bscan_button, self.volume_button))
        column.addLayout(make_row(self.bar, self.cancel_button))
        column.addWidget(self.work_text)
        self._connect()
        self._show_models()
        self._show_work()

    def _connect(self) -> None:
        self.model_box.activated.connect(self.model_chosen)
        self.browse_button.clicked.connect(self._on_browse_clicked)
        self.card_button.clicked.connect(self.card_wanted)
        self.bscan_button.clicked.connect(self.bscan_pressed)
        self.volume_button.clicked.connect(self.volume_pressed)
        self.cancel_button.clicked.connect(self.cancel_pressed)
        events = self._state.events
        for event in (events.models, events.model, events.bad_models):
            event.connect(self._show_models)
        for event in (events.work, events.n_bscans):
            event.connect(self._show_work)

    def _show_models(self) -> None:
        names = [choice.name for choice in self._state.models]
        fill_box(self.model_box, names, self._state.model, empty="no model")
        for row, choice in enumerate(self._state.models):
            tip = make_tip(str(choice.folder))
            self.model_box.setItemData(row, tip, Qt.ItemDataRole.ToolTipRole)
        show_bad_models(self.model_box, self._state.bad_models, after=len(names))
        chosen = self._state.chosen_model
        self.card_button.setEnabled(chosen is not None)
        self.score_text.setText("" if chosen is None else describe_scores(chosen))
        self._show_work()

    def _show_work(self) -> None:
        state, work = self._state, self._state.work
        for widget in (self.bar, self.cancel_button, self.work_text):
            widget.setVisible(work is not None)
        self.volume_button.setVisible(state.n_bscans > 1)
        self.volume_button.setText(f"Segment all {state.n_bscans}")
        for button in (self.bscan_button, self.volume_button):
            button.setEnabled(state.can_segment)
        if work is not None:
            show_progress(self.bar, work.done, work.total)
            self.work_text.setText(describe_work(work))

    def _on_browse_clicked(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose a model folder")
        if folder:
            self.model_browsed.emit(Path(folder))


def describe_scores(choice: ModelChoice) -> str:
    """Say in a line what a model is worth, and on what it was measured."""
    info = choice.info
    dice = info.mean_dice
    if dice is None or info.scores is None:
        return f"{count_noun(len(info.classes.foreground), 'class')}; not scored on held-out scans"
    bscans = info.scores["n_bscans"]
    kind = "simulated " if info.trained_on is not None and info.trained_on.simulated else ""
    return f"mean Dice {dice:.3f} on {count_noun(bscans, f'held-out {kind}B-scan')}"


def describe_work(work: Work) -> str:
    """Say how far a segmentation is and how long it still takes."""
    text = f"{work.done} of {count_noun(work.total, 'B-scan')}"
    if work.seconds_left is None:
        return text
    seconds = round(work.seconds_left)
    left = f"{seconds // 60} min {seconds % 60:02d} s" if seconds >= 60 else f"{seconds} s"
    return f"{text}, about {left} left"

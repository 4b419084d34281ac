"""What every dock that segments has: a box of models, buttons, and how far a segmentation is."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QStandardItemModel
from qtpy.QtWidgets import QComboBox, QProgressBar, QWidget

from napari_retseg.plaintext import make_visible
from napari_retseg.plural import count_noun
from napari_retseg.ui.dock_state import BadModel, ModelChoice, PredictState, Work
from napari_retseg.ui.plain import make_text, make_tip
from napari_retseg.ui.widgets.pieces import (
    choose_folder,
    fill_box,
    make_box,
    make_button,
    show_progress,
)


class SegmentControls(QWidget):
    """Choose a model and segment with it; progress with the time left, and Cancel.

    Panels lay these widgets out, and add their own.

    Parameters
    ----------
    state
        What is shown; this never changes it.
    tip
        What the model is for.
    key
        Segments the B-scan in view, too.
    """

    model_chosen = Signal(int)
    model_browsed = Signal(object)
    #: The chosen model, or None, is another or has changed.
    model_shown = Signal(object)

    def __init__(self, state: PredictState, *, tip: str, key: str = "") -> None:
        super().__init__()
        self._state = state
        self.model_box = make_box(tip)
        self.browse_button = make_button("Browse…", "Choose a model folder or a run folder")
        self.bscan_button = make_button("Segment B-scan", "Segment the B-scan in view", key=key)
        self.volume_button = make_button(
            "Segment volume", "Segment all B-scans; the first results appear at once"
        )
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.cancel_button = make_button("Cancel", "Stop; finished B-scans are kept")
        self.work_text = make_text()
        self.model_box.activated.connect(self.model_chosen)
        self.browse_button.clicked.connect(self._on_browse_clicked)
        events = state.events
        for event in (events.models, events.model, events.bad_models):
            event.connect(self._show_models)
        for event in (events.work, events.n_bscans):
            event.connect(self._show_work)

    def _describe_model(self, choice: ModelChoice) -> str:
        """Say in a tooltip what a model is."""
        return str(choice.folder)

    def _show_models(self) -> None:
        state, box = self._state, self.model_box
        fill_box(box, [choice.name for choice in state.models], state.model, empty="no model")
        for row, choice in enumerate(state.models):
            tip = make_tip(self._describe_model(choice))
            box.setItemData(row, tip, Qt.ItemDataRole.ToolTipRole)
        list_bad_models(box, state.bad_models, after=len(state.models))
        self.model_shown.emit(state.chosen_model)
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
        choose_folder(self, "Choose a model folder", self.model_browsed.emit)


def list_bad_models(box: QComboBox, bad: Sequence[BadModel], *, after: int) -> None:
    """List models that cannot be read behind the others; they cannot be chosen.

    Parameters
    ----------
    after
        Rows of the box that stay.
    """
    with QSignalBlocker(box):
        while box.count() > after:
            box.removeItem(box.count() - 1)
        rows = box.model()
        for row, one in enumerate(bad, start=after):
            box.addItem(f"{make_visible(one.name)} (cannot be read)")
            box.setItemData(row, make_tip(one.why), Qt.ItemDataRole.ToolTipRole)
            item = rows.item(row) if isinstance(rows, QStandardItemModel) else None
            if item is not None:
                item.setEnabled(False)


def describe_work(work: Work) -> str:
    """Say how far a segmentation is and how long it still takes."""
    text = f"{work.done} of {count_noun(work.total, 'B-scan')}"
    if work.seconds_left is None:
        return text
    seconds = round(work.seconds_left)
    left = f"{seconds // 60} min {seconds % 60:02d} s" if seconds >= 60 else f"{seconds} s"
    return f"{text}, about {left} left"

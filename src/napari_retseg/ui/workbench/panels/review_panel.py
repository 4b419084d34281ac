"""Tab "Correct": tools and classes, accept, confirm, and go to the next B-scan."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QMenu, QWidget

from napari_retseg.classes import LabelSet
from napari_retseg.plural import count_noun
from napari_retseg.ui.plain import make_text
from napari_retseg.ui.squares import make_square_button
from napari_retseg.ui.widgets.keys import KEYS
from napari_retseg.ui.widgets.pieces import (
    add_action,
    lay_out_column,
    make_button,
    make_row,
    show_text,
)
from napari_retseg.ui.workbench.control.bench_state import BenchState
from napari_retseg.ui.workbench.panels.legend import ClassLegend
from napari_retseg.ui.workbench.panels.tool_row import ToolRow


class ReviewPanel(QWidget):
    """What can be done with the labels of the B-scan in view."""

    accept_volume_pressed = Signal()
    accept_class_chosen = Signal(int)

    def __init__(self, state: BenchState) -> None:
        super().__init__()
        self._state = state
        self._make_widgets()
        lay_out_column(
            self,
            self.tool_row,
            self.legend,
            self._make_accept_row(),
            self.next_text,
            make_row(self.undo_button, self.redo_button, self.propagate_button),
            make_row(self.toggle_button, self.uncertainty_button, self.restore_button),
            make_row(self.square_button, self.layers_button, self.clear_button),
            self.saved_text,
        )
        self._connect()
        self._show_next()
        self._show_buttons()

    def _make_widgets(self) -> None:
        self.tool_row = ToolRow(self._state)
        self.legend = ClassLegend(self._state)
        self.accept_button = make_button(
            "Accept", "Use the prediction as labels of this B-scan", key=KEYS["accept"]
        )
        self.more_button = make_button("", "Accept the whole volume, or one class")
        self.more_button.setAccessibleName("Accept the volume or one class")
        self.more_button.setFixedWidth(26)
        self.accept_menu = QMenu(self.more_button)
        self.more_button.setMenu(self.accept_menu)
        self.confirm_button = make_button(
            "Confirm",
            "Confirm that these labels are right, and use them for training",
            key=KEYS["confirm"],
        )
        self.next_button = make_button(
            "Next",
            "Go to the next B-scan to label: where the model is least certain",
            key=KEYS["next"],
        )
        self.toggle_button = make_button(
            "Prediction", "Show or hide the prediction", key=KEYS["toggle"]
        )
        self.uncertainty_button = make_button(
            "Uncertainty", "Show where the model is uncertain, as a layer"
        )
        self.uncertainty_button.setCheckable(True)
        self.clear_button = make_button("Clear", "Remove the labels of this B-scan")
        self.undo_button = make_button("Undo", "Undo one step, on any B-scan", key=KEYS["undo"])
        self.redo_button = make_button("Redo", "Redo one step", key=KEYS["redo"])
        self.restore_button = make_button("History…", "Restore an earlier state of the labels")
        self.propagate_button = make_button(
            "Propagate…",
            "Correct the predictions of other B-scans as the confirmed ones were corrected",
            key=KEYS["propagate"],
        )
        self.square_button = make_square_button(KEYS["square"])
        self.layers_button = make_button(
            "Layers", "Show or hide napari's list of layers and their controls", key=KEYS["layers"]
        )
        self.layers_button.setCheckable(True)
        self.next_text = make_text()
        self.saved_text = make_text()

    def _make_accept_row(self) -> QHBoxLayout:
        pair = make_row(self.accept_button, self.more_button, spacing=0)
        row = make_row(self.confirm_button, self.next_button)
        row.insertLayout(0, pair)
        return row

    def _connect(self) -> None:
        events = self._state.events
        events.classes.connect(lambda: self.legend.follow(self.tool_row.brush_slider))
        events.next_text.connect(self._show_next)
        events.unsaved.connect(self._show_saved)
        for event in (events.n_bscans, events.is_read_only, events.strip):
            event.connect(self._show_buttons)

    def offer_classes(self, classes: LabelSet) -> None:
        """Offer to accept the volume, or one of these classes, in the menu of Accept."""
        self.accept_menu.clear()
        add_action(self.accept_menu, "Accept the whole volume", self.accept_volume_pressed.emit)
        self.accept_menu.addSeparator()
        for label_class in classes.foreground:
            add_action(
                self.accept_menu,
                f"Accept {label_class.name} on this B-scan",
                partial(self.accept_class_chosen.emit, label_class.value),
            )

    def _show_next(self) -> None:
        show_text(self.next_text, self._state.next_text)

    def _show_saved(self) -> None:
        unsaved = self._state.unsaved
        text = f"{count_noun(unsaved, 'B-scan')} not saved yet" if unsaved else ""
        show_text(self.saved_text, text)

    def _show_buttons(self) -> None:
        for button in (
            self.accept_button,
            self.more_button,
            self.confirm_button,
            self.clear_button,
            self.undo_button,
            self.redo_button,
            self.restore_button,
            self.propagate_button,
        ):
            button.setEnabled(self._state.can_edit)
        for button in (self.toggle_button, self.uncertainty_button):
            button.setEnabled(self._state.n_bscans > 0)
        if not self._state.n_bscans:
            self.uncertainty_button.setChecked(False)
        self.next_button.setEnabled(bool(self._state.scans))
        self._show_saved()

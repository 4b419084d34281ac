"""Section "Review": accept, correct, confirm, and go to the next B-scan."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QMenu, QWidget

from napari_retseg.classes import LabelSet
from napari_retseg.plural import count_noun
from napari_retseg.ui.plain import make_text
from napari_retseg.ui.widgets.keys import CURVE_KEYS, KEYS
from napari_retseg.ui.widgets.pieces import (
    add_action,
    lay_out_column,
    make_button,
    make_row,
    show_text,
)
from napari_retseg.ui.workbench.control.bench_state import BenchState
from napari_retseg.ui.workbench.panels.bscan_strip import BscanStrip
from napari_retseg.ui.workbench.panels.legend import ClassLegend


class ReviewPanel(QWidget):
    """The strip of B-scans, and what can be done with the labels of the one in view."""

    accept_volume_pressed = Signal()
    accept_class_chosen = Signal(int)

    def __init__(self, state: BenchState) -> None:
        super().__init__()
        self._state = state
        self._make_widgets()
        lay_out_column(
            self,
            self.strip,
            self.legend,
            self._make_accept_row(),
            self.next_text,
            make_row(self.curves_button, self.toggle_button, self.uncertainty_button),
            self.propagate_button,
            make_row(self.pocket_button, self.ignore_button, self.clear_button),
            make_row(self.undo_button, self.redo_button, self.restore_button),
            self.saved_text,
        )
        self._connect()
        self._show_strip()
        self._show_next()
        self._show_buttons()

    def _make_widgets(self) -> None:
        self.strip = BscanStrip()
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
        self.curves_button = make_button(
            "Boundaries", "Drag the boundaries of the layers", key=CURVE_KEYS["curves"]
        )
        self.curves_button.setCheckable(True)
        self.uncertainty_button = make_button(
            "Uncertainty", "Show where the model is uncertain, as a layer"
        )
        self.uncertainty_button.setCheckable(True)
        self.ignore_button = make_button(
            "Leave out",
            'Paint "not annotated": not used for training or scores',
            key=KEYS["ignore"],
        )
        self.pocket_button = make_button(
            "Pocket",
            "Click a pocket of fluid to label it; click a labelled one to remove it",
            key=KEYS["pocket"],
        )
        self.pocket_button.setCheckable(True)
        self.clear_button = make_button("Clear", "Remove the labels of this B-scan")
        self.undo_button = make_button("Undo", "Undo one step, on any B-scan", key=KEYS["undo"])
        self.redo_button = make_button("Redo", "Redo one step", key=KEYS["redo"])
        self.restore_button = make_button("History…", "Restore an earlier state of the labels")
        self.propagate_button = make_button(
            "Propagate…",
            "Correct the predictions of other B-scans as the confirmed ones were corrected",
            key=KEYS["propagate"],
        )
        self.next_text = make_text()
        self.saved_text = make_text()

    def _make_accept_row(self) -> QHBoxLayout:
        pair = make_row(self.accept_button, self.more_button, spacing=0)
        row = make_row(self.confirm_button, self.next_button)
        row.insertLayout(0, pair)
        return row

    def _connect(self) -> None:
        events = self._state.events
        events.strip.connect(self._show_strip)
        events.classes.connect(lambda: self.legend.follow(self.strip.cells))
        events.bscan.connect(self._show_current)
        events.next_text.connect(self._show_next)
        events.unsaved.connect(self._show_saved)
        events.shows_curves.connect(self.show_curves)
        events.takes_pockets.connect(self._show_buttons)
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

    def _show_strip(self) -> None:
        self.strip.set_cells(self._state.strip)
        self.strip.setVisible(bool(self._state.strip))
        self._show_current()

    def _show_current(self) -> None:
        self.strip.set_current(self._state.bscan)

    def show_curves(self, _is_on: bool = False) -> None:
        """Show whether boundaries are edited, also where that was asked for in vain."""
        self.curves_button.setChecked(self._state.shows_curves)

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
            self.pocket_button,
            self.ignore_button,
            self.clear_button,
            self.undo_button,
            self.redo_button,
            self.restore_button,
            self.propagate_button,
        ):
            button.setEnabled(self._state.can_edit)
        for button in (self.curves_button, self.toggle_button, self.uncertainty_button):
            button.setEnabled(self._state.n_bscans > 0)
        if not self._state.n_bscans:
            self.uncertainty_button.setChecked(False)
        self.pocket_button.setChecked(self._state.takes_pockets)
        self.next_button.setEnabled(bool(self._state.scans))
        self._show_saved()

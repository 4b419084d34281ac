"""Section "Review": accept, correct, confirm, and go to the next B-scan."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QMenu, QVBoxLayout, QWidget

from napari_retseg.classes import LabelSet
from napari_retseg.plural import count_noun
from napari_retseg.ui.plain import make_caption, make_text
from napari_retseg.ui.widgets.keys import KEYS
from napari_retseg.ui.widgets.pieces import make_button, make_row
from napari_retseg.ui.widgets.theme import GAP
from napari_retseg.ui.workbench.control.benchstate import BenchState
from napari_retseg.ui.workbench.panels.bscan_strip import BscanStrip
from napari_retseg.ui.workbench.panels.legend import ClassLegend


class ReviewPanel(QWidget):
    """The strip of B-scans, and what can be done with the labels of the one in view."""

    bscan_clicked = Signal(int)
    accept_bscan_pressed = Signal()
    accept_volume_pressed = Signal()
    accept_class_chosen = Signal(int)
    confirm_pressed = Signal()
    next_pressed = Signal()
    ignore_pressed = Signal()
    clear_pressed = Signal()
    undo_pressed = Signal()
    redo_pressed = Signal()
    restore_wanted = Signal()
    toggle_pressed = Signal()
    uncertainty_toggled = Signal(bool)

    def __init__(self, state: BenchState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = state
        self._make_widgets()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        column.addWidget(self.strip)
        column.addWidget(self.legend)
        column.addLayout(self._make_accept_row())
        column.addWidget(self.next_text)
        column.addLayout(make_row(self.toggle_button, self.uncertainty_button))
        column.addLayout(make_row(self.ignore_button, self.clear_button))
        column.addLayout(make_row(self.undo_button, self.redo_button, self.restore_button))
        column.addWidget(self.saved_text)
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
        self.uncertainty_button = make_button(
            "Uncertainty", "Show where the model is uncertain, as a layer"
        )
        self.uncertainty_button.setCheckable(True)
        self.ignore_button = make_button(
            "Leave out",
            'Paint "not annotated": not used for training or scores',
            key=KEYS["ignore"],
        )
        self.clear_button = make_button("Clear", "Remove the labels of this B-scan")
        self.undo_button = make_button("Undo", "Undo one step, on any B-scan", key=KEYS["undo"])
        self.redo_button = make_button("Redo", "Redo one step", key=KEYS["redo"])
        self.restore_button = make_button("History…", "Restore an earlier state of the labels")
        self.next_text = make_text()
        self.saved_text = make_text()

    def _make_accept_row(self) -> QHBoxLayout:
        pair = make_row(self.accept_button, self.more_button)
        pair.setSpacing(0)
        row = make_row(self.confirm_button, self.next_button)
        row.insertLayout(0, pair)
        return row

    def _connect(self) -> None:
        self.strip.bscan_clicked.connect(self.bscan_clicked)
        self.accept_button.clicked.connect(self.accept_bscan_pressed)
        self.uncertainty_button.toggled.connect(self.uncertainty_toggled)
        pairs = (
            (self.confirm_button, self.confirm_pressed),
            (self.next_button, self.next_pressed),
            (self.toggle_button, self.toggle_pressed),
            (self.ignore_button, self.ignore_pressed),
            (self.clear_button, self.clear_pressed),
            (self.undo_button, self.undo_pressed),
            (self.redo_button, self.redo_pressed),
            (self.restore_button, self.restore_wanted),
        )
        for button, signal in pairs:
            button.clicked.connect(signal)
        events = self._state.events
        events.strip.connect(self._show_strip)
        events.classes.connect(lambda: self.legend.follow(self.strip.cells))
        events.bscan.connect(self._show_current)
        events.next_text.connect(self._show_next)
        events.unsaved.connect(self._show_saved)
        for event in (events.n_bscans, events.is_read_only, events.strip):
            event.connect(self._show_buttons)

    def offer_classes(self, classes: LabelSet) -> None:
        """Offer to accept the volume, or one of these classes, in the menu of Accept."""
        self.accept_menu.clear()
        volume = self.accept_menu.addAction("Accept the whole volume")
        assert volume is not None
        volume.triggered.connect(self.accept_volume_pressed)
        self.accept_menu.addSeparator()
        for label_class in classes.foreground:
            action = self.accept_menu.addAction(
                make_caption(f"Accept {label_class.name} on this B-scan")
            )
            assert action is not None
            value = label_class.value
            action.triggered.connect(lambda _=False, v=value: self.accept_class_chosen.emit(v))

    def _show_strip(self) -> None:
        self.strip.set_cells(self._state.strip)
        self.strip.setVisible(bool(self._state.strip))
        self._show_current()

    def _show_current(self) -> None:
        self.strip.set_current(self._state.bscan)

    def _show_next(self) -> None:
        self.next_text.setText(self._state.next_text)
        self.next_text.setVisible(bool(self._state.next_text))

    def _show_saved(self) -> None:
        unsaved = self._state.unsaved
        self.saved_text.setText(f"{count_noun(unsaved, 'B-scan')} not saved yet" if unsaved else "")
        self.saved_text.setVisible(bool(unsaved))

    def _show_buttons(self) -> None:
        for button in (
            self.accept_button,
            self.more_button,
            self.confirm_button,
            self.ignore_button,
            self.clear_button,
            self.undo_button,
            self.redo_button,
            self.restore_button,
        ):
            button.setEnabled(self._state.can_edit)
        for button in (self.toggle_button, self.uncertainty_button):
            button.setEnabled(self._state.n_bscans > 0)
        if not self._state.n_bscans:
            self.uncertainty_button.setChecked(False)
        self.next_button.setEnabled(bool(self._state.scans))
        self._show_saved()

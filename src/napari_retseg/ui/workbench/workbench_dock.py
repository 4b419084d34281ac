"""The workbench's dock: tabs, keys and timer around the controller."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtGui import QCursor, QDragEnterEvent, QDropEvent, QGuiApplication, QShowEvent
from qtpy.QtWidgets import QWidget

from napari_retseg.engine import Engine
from napari_retseg.rounds import Verdict
from napari_retseg.ui.layers import is_scan_layer
from napari_retseg.ui.leaving import close_with
from napari_retseg.ui.numbering import list_bscan_files
from napari_retseg.ui.plain import make_text
from napari_retseg.ui.postbox import Postbox
from napari_retseg.ui.widgets.keys import KEYS, bind_keys
from napari_retseg.ui.widgets.pieces import (
    lay_out_column,
    make_button,
    make_save_button,
    show_text,
    start_timer,
)
from napari_retseg.ui.widgets.theme import color_text, read_look
from napari_retseg.ui.workbench.ascan_view import AscanView
from napari_retseg.ui.workbench.control.controller import Workbench
from napari_retseg.ui.workbench.control.holding import name_heldout
from napari_retseg.ui.workbench.curve_view import CurveView
from napari_retseg.ui.workbench.dialogs.bench_dialogs import BenchDialogs
from napari_retseg.ui.workbench.dialogs.closing import Closing, find_window
from napari_retseg.ui.workbench.docks import forget_dock, remember_dock
from napari_retseg.ui.workbench.dropping import list_files
from napari_retseg.ui.workbench.focus import FocusKeeper
from napari_retseg.ui.workbench.key_pointer import KeyPointer
from napari_retseg.ui.workbench.panels.bench_tabs import BenchTabs
from napari_retseg.ui.workbench.panels.measure_panel import MeasurePanel
from napari_retseg.ui.workbench.panels.model_panel import ModelPanel
from napari_retseg.ui.workbench.panels.review_panel import ReviewPanel
from napari_retseg.ui.workbench.panels.scan_panel import ScanPanel
from napari_retseg.ui.workbench.panels.settings_button import SettingsButton
from napari_retseg.ui.workbench.panels.strip_panel import StripPanel
from napari_retseg.ui.workbench.panels.train_panels import ProgressPanel, RetrainPanel
from napari_retseg.ui.workbench.pocket_view import PocketView
from napari_retseg.ui.workbench.surroundings import Surroundings
from napari_retseg.ui.workbench.wiring import connect_panels

if TYPE_CHECKING:
    from napari.viewer import Viewer

_REFRESH_MS = 100
#: As wide as the panels need, so that the canvas has the rest.
_WIDTH, _HEIGHT = 310, 300
CORRECT, SCAN, MODEL, TRAINING = "Correct", "Scan", "Model", "Training"
MEASURE = "Measure"


class WorkbenchDock(QWidget):
    """Correct and retrain: a tab for each thing to do, and the volume along the bottom.

    Parameters
    ----------
    napari_viewer
        The viewer that the dock belongs to.
    engine
        Runs the jobs; by default processes on this machine. The dock closes it.
    """

    def __init__(self, napari_viewer: Viewer, *, engine: Engine | None = None) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.bench = Workbench(napari_viewer, engine=engine or Engine(), post=Postbox().post)
        close_with(self, self.bench)
        remember_dock(self.viewer, self)
        self._make_panels()
        self.dialogs = BenchDialogs(self, self.bench)
        self.surroundings: Surroundings | None = None
        self._drawn, self._pointer, self._shown = -1, QPoint(), ""
        self._lay_out()
        connect_panels(self)
        self._connect()
        self.key_pointer = KeyPointer(self, self.viewer, self.bench)
        self._unbind = self._bind_keys()
        self.curve_view = CurveView(self, self.viewer, self.bench)
        self.pocket_view = PocketView(self, self.viewer, self.bench)
        self.ascan_view = AscanView(self, self.viewer, self.bench)
        self.closing = Closing(self, self.bench, self.viewer, end=self._end)
        self.focus = FocusKeeper(self)
        self._show_notice()
        self._show_summaries()

    def _make_panels(self) -> None:
        state = self.bench.state
        self.scan_panel = ScanPanel(state)
        self.model_panel = ModelPanel(state)
        self.review_panel = ReviewPanel(state)
        self.measure_panel = MeasurePanel(self.bench.measuring, state)
        self.retrain_panel = RetrainPanel(state)
        self.progress_panel = ProgressPanel(state)
        self.keys_button = make_button("Keys…", "Show the keyboard shortcuts")
        self.settings_button = SettingsButton()
        self.save_button = make_save_button()
        buttons = (self.save_button, self.keys_button, self.settings_button)
        self.strip_panel = StripPanel(state, buttons)
        # until the viewer's window is there, it goes with this
        self.strip_panel.setParent(self)
        self.strip_panel.hide()
        self.notice = make_text()

    def _lay_out(self) -> None:
        self.tabs = BenchTabs()
        self.tabs.add(CORRECT, self.review_panel, key=KEYS["tab correct"])
        self.tabs.add(SCAN, self.scan_panel, key=KEYS["tab scan"])
        self.tabs.add(MODEL, self.model_panel, key=KEYS["tab model"])
        progress = self.progress_panel
        measure = self.measure_panel
        self.tabs.add(MEASURE, measure, key=KEYS["tab measure"], grows=measure)
        training = (progress, self.retrain_panel)
        self.tabs.add(TRAINING, *training, key=KEYS["tab training"], grows=progress)
        self.tabs.show_tab(SCAN)
        column = lay_out_column(self, self.tabs, self.notice, margin=4)
        column.setStretchFactor(self.tabs, 1)
        # other docks below or above leave it this much
        self.setMinimumSize(_WIDTH, _HEIGHT)
        self.setAcceptDrops(True)

    def _connect(self) -> None:
        bench, scan, retrain = self.bench, self.scan_panel, self.retrain_panel
        scan.layers_wanted.connect(self._offer_layers)
        scan.layer_added.connect(self._on_layer_added)
        scan.classes_button.clicked.connect(self._ask_for_classes)
        retrain.form.changed.connect(self._on_form_changed)
        retrain.command_button.clicked.connect(self._copy_command)
        self.tabs.currentChanged.connect(self._on_tab)
        self.measure_panel.copied.connect(self._copy_measures)
        self.measure_panel.agreement_button.clicked.connect(self._compare_labels)
        self.measure_panel.visits_button.clicked.connect(self._compare_visits)
        self.progress_panel.new_button.clicked.connect(partial(self.tabs.show_tab, MODEL))
        self.review_panel.layers_button.clicked.connect(self._toggle_layers)
        self.save_button.clicked.connect(self._save)
        self.keys_button.clicked.connect(self.dialogs.show_keys)
        self.settings_button.address_wanted.connect(self.dialogs.ask_for_address)
        self.settings_button.measuring_switched.connect(bench.costing.switch)
        bench.costing.switch(self.settings_button.is_measuring)
        bench.session.shown.connect(self._on_shown)
        bench.session.asked.connect(self.dialogs.ask_for_trust)
        events = bench.state.events
        events.notice.connect(self._show_notice)
        events.work.connect(self._on_work)
        events.is_training.connect(self._on_training)
        events.verdict.connect(self._on_verdict)
        events.round_text.connect(self._on_round_text)
        for event in (events.model, events.models, events.sides):
            event.connect(self._show_summaries)
        self._timer = start_timer(self, _REFRESH_MS, self._refresh)

    def _bind_keys(self) -> Callable[[], None]:
        correcting, bench, review = self.bench.correcting, self.bench, self.review_panel
        return bind_keys(
            self.viewer,
            {
                "segment": bench.predicting.segment_bscan,
                "accept": correcting.accept_bscan,
                "confirm": correcting.confirm,
                "next": bench.navigation.go_next,
                "toggle": correcting.toggle_prediction,
                "undo": correcting.undo,
                "redo": correcting.redo,
                "ignore": correcting.paint_not_annotated,
                "propagate": bench.propagating.look,
                **bench.curves.actions(),
                "pocket": bench.pockets.toggle,
                "pointer": self.key_pointer.toggle,
                "square": review.square_button.toggle,
                "layers": self._toggle_layers,
                "tab correct": partial(self._go_to_tab, CORRECT),
                "tab scan": partial(self._go_to_tab, SCAN),
                "tab model": partial(self._go_to_tab, MODEL),
                "tab training": partial(self._go_to_tab, TRAINING),
                "tab measure": partial(self._go_to_tab, MEASURE),
                "strip": self._go_to_strip,
            },
            correcting.pick_class,
        )

    # What the state says.

    def _show_notice(self) -> None:
        notice = self.bench.state.notice
        show_text(self.notice, notice.text)
        look = read_look(self)
        colors = {"info": look.text, "warning": look.warning, "error": look.error}
        color_text(self.notice, colors[notice.level])

    def _on_shown(self) -> None:
        opened = self.bench.session.opened
        if opened is None:
            return
        self.review_panel.offer_classes(opened.loaded.classes)
        self.progress_panel.set_classes(opened.loaded.classes)
        self._drawn = -1
        scan = opened.loaded.scan
        self.bench.session.submit(partial(list_bscan_files, scan), self.strip_panel.set_files)
        if opened.name != self._shown:
            self._shown = opened.name
            self._go_on_from_scan()
        if self.surroundings is not None:
            self.surroundings.layer_docks.settle()

    # A tab opens as the work goes on, but only from that in which the step before was done.

    def _go_on_from_scan(self) -> None:
        opened, entry = self.bench.session.opened, self.bench.state.open_scan
        if opened is None or entry is None or self.tabs.title != SCAN:
            return
        if entry.spacing_source == "unknown" and not self.bench.state.is_read_only:
            return  # it can be entered here
        is_begun = bool(opened.loaded.predicted or self.bench.correcting.states)
        self.tabs.show_tab(CORRECT if is_begun else MODEL)

    def _on_tab(self, _number: int) -> None:
        """Measure while somebody looks."""
        self.bench.measuring.watch(self.tabs.title == MEASURE)

    def _on_work(self, work: object) -> None:
        opened = self.bench.session.opened
        is_predicted = opened is not None and bool(opened.loaded.predicted)
        if work is None and is_predicted and self.tabs.title == MODEL:
            self.tabs.show_tab(CORRECT)

    def _on_round_text(self, text: str) -> None:
        self.tabs.mark(TRAINING, is_marked=bool(text))

    def _on_training(self, is_training: bool) -> None:
        if is_training:
            self.tabs.area(TRAINING).ensureVisible(0, 0)

    def _on_verdict(self, verdict: Verdict | None) -> None:
        self.tabs.mark(TRAINING, is_marked=verdict is not None)
        self.tabs.area(TRAINING).ensureVisible(0, 0)

    def _show_summaries(self) -> None:
        """Say in the tooltips of the tabs what one would look for in them."""
        model = self.bench.state.chosen_model
        self.tabs.set_summary(MODEL, "" if model is None else model.name)
        self.tabs.set_summary(TRAINING, name_heldout(self.bench.state.sides))

    def _refresh(self) -> None:
        """Draw what has come since the last time; ten times a second at most."""
        self.bench.correcting.check()
        self._note_pointer()
        self.bench.curves.check()
        state = self.bench.state
        saver = self.bench.session.saver
        state.unsaved = 0 if saver is None else saver.pending
        if state.progress != self._drawn:
            progress = state.progress
            if self.progress_panel.draw(self.bench.training.curves):
                self._drawn = progress

    # What the user does.

    def _note_pointer(self) -> None:
        """Know that the user is at work: the pointer moves in the viewer."""
        before, self._pointer = self._pointer, QCursor.pos()
        window = self.window()
        if before != self._pointer and window is not None and window.isActiveWindow():
            self.bench.costing.touch()

    def _go_to_tab(self, title: str) -> None:
        """Show a tab and give it the keyboard; that in which one corrects has it when asked twice.

        The keys that correct are those of the canvas.
        """
        is_asked_twice = self.tabs.title == title
        self.tabs.show_tab(title)
        if title != CORRECT or is_asked_twice:
            self.tabs.focus_first()

    def _go_to_strip(self) -> None:
        """Give the keyboard to the strip, or to the buttons beside it while there is none."""
        cells = self.strip_panel.strip.cells
        widget = cells if cells.isVisible() else self.save_button
        widget.setFocus(Qt.FocusReason.TabFocusReason)

    def _toggle_layers(self) -> None:
        if self.surroundings is not None:
            self.surroundings.layer_docks.toggle()

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:  # noqa: N802 - Qt's name
        """Take files."""
        if event is not None and list_files(event):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:  # noqa: N802 - Qt's name
        """Add the files that are dropped here to the workspace."""
        files = [] if event is None else list_files(event)
        if event is not None and files:
            event.acceptProposedAction()
            self.bench.scan_import.add_files(files)

    def _save(self) -> None:
        from napari_retseg.ui.save_window import open_save_window

        opened = self.bench.session.opened
        best = None if opened is None else opened.labels
        open_save_window(self.viewer, parent=self, notify=self.bench.session.notify, best=best)

    def _ask_for_classes(self) -> None:
        self.scan_panel.ask_for_classes(self.dialogs.classes.names[1:])

    def _offer_layers(self) -> None:
        self.scan_panel.offer_layers([layer.name for layer in self._foreign_layers()])

    def _on_layer_added(self, index: int) -> None:
        self.bench.scan_import.add_layer(self._foreign_layers()[index])

    def _foreign_layers(self) -> list:  # type: ignore[type-arg]
        opened = self.bench.session.opened
        own = () if opened is None else opened.layers
        return [layer for layer in self.viewer.layers if is_scan_layer(layer) and layer not in own]

    def _on_form_changed(self) -> None:
        form = self.retrain_panel.form
        if not form.error():
            self.bench.training.configure(form.values())

    def _copy_command(self) -> None:
        self.bench.training.write_command(self._copy)

    def _copy(self, command: str) -> None:
        self._put_on_clipboard(command, "Command copied to the clipboard.")

    def _compare_labels(self) -> None:
        self.dialogs.show_agreement(self._copy_measures)

    def _compare_visits(self) -> None:
        self.dialogs.show_visits(self._copy_measures)

    def _copy_measures(self, table: str) -> None:
        self._put_on_clipboard(table, "Table copied to the clipboard.")

    def _put_on_clipboard(self, text: str, said: str) -> None:
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(text)
            self.bench.session.notify(said)

    # Beginning and end.

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802 - Qt's name
        """List the models again, and notice when the window is about to close."""
        super().showEvent(event)
        self.bench.predicting.refresh_models()
        self.closing.watch_window()
        self.focus.learn()
        # the viewer adds a dock to its window only after it is shown
        QTimer.singleShot(0, self._settle_in)

    def _settle_in(self) -> None:
        window = find_window(self)
        if window is not None and self.surroundings is None:
            self.surroundings = Surroundings(self, window)

    def _end(self) -> None:
        """Leave the viewer as it was without the workbench."""
        self._timer.stop()
        self._unbind()
        self.curve_view.close()
        self.pocket_view.close()
        self.ascan_view.close()
        self.key_pointer.close()
        if self.surroundings is not None:
            self.surroundings.end()
            self.surroundings = None
        forget_dock(self.viewer, self)

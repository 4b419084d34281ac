"""The workbench's dock: panels, keys and timer around the controller."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtGui import QCursor, QDragEnterEvent, QDropEvent, QGuiApplication, QShowEvent
from qtpy.QtWidgets import QFrame, QScrollArea, QWidget

from napari_retseg.engine import Engine
from napari_retseg.rounds import Verdict
from napari_retseg.ui.layers import is_scan_layer
from napari_retseg.ui.leaving import close_with
from napari_retseg.ui.numbering import describe_bscan, list_bscan_files
from napari_retseg.ui.plain import make_text
from napari_retseg.ui.postbox import Postbox
from napari_retseg.ui.squares import connect_square_button
from napari_retseg.ui.widgets.keys import bind_keys
from napari_retseg.ui.widgets.pieces import (
    lay_out_column,
    make_button,
    make_row,
    make_save_button,
    show_text,
    start_timer,
)
from napari_retseg.ui.widgets.section import CollapsibleSection
from napari_retseg.ui.widgets.theme import color_text, read_look
from napari_retseg.ui.workbench.control.controller import Workbench
from napari_retseg.ui.workbench.control.holding import name_heldout
from napari_retseg.ui.workbench.curve_view import CurveView
from napari_retseg.ui.workbench.dialogs.bench_dialogs import BenchDialogs
from napari_retseg.ui.workbench.dialogs.closing import Closing
from napari_retseg.ui.workbench.docks import forget_dock, remember_dock
from napari_retseg.ui.workbench.focus import FocusKeeper, find_canvas
from napari_retseg.ui.workbench.panels.doubt_bar import DoubtBar
from napari_retseg.ui.workbench.panels.model_panel import ModelPanel
from napari_retseg.ui.workbench.panels.review_panel import ReviewPanel
from napari_retseg.ui.workbench.panels.scan_panel import ScanPanel
from napari_retseg.ui.workbench.panels.settings_button import SettingsButton
from napari_retseg.ui.workbench.panels.train_panels import ProgressPanel, RetrainPanel
from napari_retseg.ui.workbench.pocket_view import PocketView

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_retseg.events import Runs
    from napari_retseg.ui.workbench.control.labels_layer import Labels

_REFRESH_MS = 100


class WorkbenchDock(QWidget):
    """Correct and retrain: scan, model, review, retrain, progress.

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
        self.bench = Workbench(napari_viewer, engine=engine or Engine(), post=Postbox().post)
        close_with(self, self.bench)
        remember_dock(self._viewer, self)
        state = self.bench.state
        self.scan_panel = ScanPanel(state)
        self.model_panel = ModelPanel(state)
        self.review_panel = ReviewPanel(state)
        self.retrain_panel = RetrainPanel(state)
        self.progress_panel = ProgressPanel(state)
        self.notice = make_text()
        self.dialogs = BenchDialogs(self, self.bench)
        self.doubt_bar: DoubtBar | None = None
        self._drawn, self._pointer = -1, QPoint()
        self._lay_out()
        self._connect()
        self._connect_rounds()
        self._unbind = self._bind_keys()
        self.curve_view = CurveView(self, self._viewer, self.bench)
        self.pocket_view = PocketView(self, self._viewer, self.bench)
        self.closing = Closing(self, self.bench, self._viewer, end=self._end)
        self.focus = FocusKeeper(self)
        self._show_notice()
        self._show_summaries()

    def _lay_out(self) -> None:
        sections = QWidget()
        self.sections = {}
        for title, panel in (
            ("Scan", self.scan_panel),
            ("Model", self.model_panel),
            ("Review", self.review_panel),
            ("Retrain", self.retrain_panel),
            ("Progress", self.progress_panel),
        ):
            section = CollapsibleSection(title, is_open=title in ("Scan", "Model"))
            section.add(panel)
            self.sections[title] = section
        self.keys_button = make_button("Keys…", "Show the keyboard shortcuts")
        self.settings_button = SettingsButton()
        self.save_button = make_save_button()
        buttons = make_row(self.save_button, self.keys_button, self.settings_button)
        lay_out_column(sections, *self.sections.values(), buttons, None, spacing=2)
        self._scroll = scroll = QScrollArea()
        scroll.setWidget(sections)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        lay_out_column(self, scroll, self.notice, margin=4)
        # other docks below or above leave it this much
        self.setMinimumSize(330, 300)
        self.setAcceptDrops(True)

    def _connect(self) -> None:
        bench, scan, model = self.bench, self.scan_panel, self.model_panel
        scan.created.connect(bench.create)
        scan.opened.connect(bench.open)
        scan.located.connect(bench.scan_import.locate)
        scan.files_added.connect(bench.scan_import.add_files)
        scan.layers_wanted.connect(self._offer_layers)
        scan.layer_added.connect(self._on_layer_added)
        scan.scan_chosen.connect(bench.navigation.choose_scan)
        scan.dataset_added.connect(bench.scan_import.add_dataset)
        scan.classes_button.clicked.connect(self._ask_for_classes)
        scan.classes_given.connect(bench.scan_import.set_classes)
        scan.described.connect(lambda what: bench.scan_import.describe(**what))
        model.model_chosen.connect(bench.predicting.choose_model)
        model.model_browsed.connect(bench.predicting.add_model)
        model.card_button.clicked.connect(self.dialogs.show_card)
        model.bscan_button.clicked.connect(bench.predicting.segment_bscan)
        model.volume_button.clicked.connect(bench.predicting.segment_volume)
        model.device_button.clicked.connect(bench.from_device.take)
        model.cancel_button.clicked.connect(bench.predicting.cancel)
        review, correcting = self.review_panel, bench.correcting
        review.strip.bscan_clicked.connect(bench.navigation.go_to)
        review.accept_button.clicked.connect(correcting.accept_bscan)
        review.accept_volume_pressed.connect(correcting.accept_volume)
        review.accept_class_chosen.connect(correcting.accept_class)
        review.confirm_button.clicked.connect(correcting.confirm)
        review.next_button.clicked.connect(bench.navigation.go_next)
        review.ignore_button.clicked.connect(correcting.paint_not_annotated)
        review.pocket_button.clicked.connect(bench.pockets.toggle)
        review.clear_button.clicked.connect(correcting.clear)
        review.curves_button.clicked.connect(bench.curves.toggle)
        review.curves_button.clicked.connect(review.show_curves)
        review.undo_button.clicked.connect(correcting.undo)
        review.redo_button.clicked.connect(correcting.redo)
        review.toggle_button.clicked.connect(correcting.toggle_prediction)
        review.uncertainty_button.toggled.connect(bench.navigation.show_uncertainty)
        review.restore_button.clicked.connect(self.dialogs.show_points)
        review.propagate_button.clicked.connect(bench.propagating.look)
        bench.propagating.offered.connect(self.dialogs.show_offer)
        review.legend.class_picked.connect(correcting.paint_class)
        review.legend.hiding_toggled.connect(correcting.hide_class)
        review.legend.solo_toggled.connect(correcting.show_class_alone)
        self.save_button.clicked.connect(self._save)
        connect_square_button(scan.square_button, self._viewer)
        self.keys_button.clicked.connect(self.dialogs.show_keys)
        self.settings_button.address_wanted.connect(self.dialogs.ask_for_address)
        self.settings_button.measuring_switched.connect(bench.costing.switch)
        bench.costing.switch(self.settings_button.is_measuring)
        bench.state.events.notice.connect(self._show_notice)
        bench.session.shown.connect(self._on_shown)
        bench.session.asked.connect(self.dialogs.ask_for_trust)

    def _connect_rounds(self) -> None:
        retrain, progress, training = self.retrain_panel, self.progress_panel, self.bench.training
        retrain.form.changed.connect(self._on_form_changed)
        retrain.retrain_button.clicked.connect(training.retrain)
        retrain.stop_button.clicked.connect(training.stop)
        retrain.resume_button.clicked.connect(training.resume)
        retrain.command_button.clicked.connect(self._copy_command)
        retrain.preview_button.clicked.connect(self.dialogs.show_preview)
        retrain.heldout_button.clicked.connect(self.dialogs.show_heldout)
        progress.new_button.clicked.connect(training.keep_new)
        progress.old_button.clicked.connect(training.keep_old)
        progress.history_button.clicked.connect(self.dialogs.show_models)
        events = self.bench.state.events
        events.is_training.connect(self._on_training)
        events.verdict.connect(self._on_verdict)
        events.n_bscans.connect(self._on_scan_opened)
        events.round_text.connect(self._on_round_text)
        for event in (
            events.scan,
            events.bscan,
            events.model,
            events.models,
            events.strip,
            events.sides,
        ):
            event.connect(self._show_summaries)
        for event in (events.bscan, events.strip):
            event.connect(self._show_doubtful)
        self.bench.session.changed.connect(self._show_doubtful)
        self._timer = start_timer(self, _REFRESH_MS, self._refresh)

    def _bind_keys(self) -> Callable[[], None]:
        correcting, bench, curves = self.bench.correcting, self.bench, self.bench.curves
        return bind_keys(
            self._viewer,
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
                **curves.actions(),
                "pocket": bench.pockets.toggle,
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
        if opened is not None:
            self.review_panel.offer_classes(opened.loaded.classes)
            self.progress_panel.set_classes(opened.loaded.classes)
            self._drawn = -1
            scan = opened.loaded.scan
            self.bench.session.submit(partial(list_bscan_files, scan), self.scan_panel.set_files)

    # Sections open as the work goes on, so that a small screen shows what is needed now.

    def _on_scan_opened(self, n_bscans: int) -> None:
        self.sections["Scan"].suggest_open(not n_bscans or len(self.bench.state.scans) > 1)
        self.sections["Review"].suggest_open(bool(n_bscans))

    def _on_round_text(self, text: str) -> None:
        if text:
            self.sections["Retrain"].suggest_open(True)

    def _on_training(self, is_training: bool) -> None:
        has_scan = self.bench.state.n_bscans > 0
        self.sections["Model"].suggest_open(not is_training)
        self.sections["Review"].suggest_open(not is_training and has_scan)
        if is_training:
            self.sections["Progress"].set_open(True)
            QTimer.singleShot(_REFRESH_MS, self._scroll_to_progress)  # once it is laid out

    def _on_verdict(self, verdict: Verdict | None) -> None:
        if verdict is not None:
            self.sections["Progress"].set_open(True)
            # the sections above have opened again
            QTimer.singleShot(_REFRESH_MS, self._scroll_to_verdict)

    def _scroll_to_progress(self) -> None:
        self._scroll.ensureWidgetVisible(self.sections["Progress"], 0, 0)

    def _scroll_to_verdict(self) -> None:
        bar = self._scroll.verticalScrollBar()
        assert bar is not None
        bar.setValue(self.sections["Progress"].y())

    def _show_summaries(self) -> None:
        """Say in the titles what one would look for in a section that is closed."""
        state = self.bench.state
        scan, model = state.open_scan, state.chosen_model
        confirmed = sum(cell.status == "confirmed" for cell in state.strip)
        place = describe_bscan(state.bscan, state.n_bscans)
        names = [] if scan is None else [scan.name, place]
        self.sections["Scan"].set_summary(", ".join(name for name in names if name))
        self.sections["Model"].set_summary("" if model is None else model.name)
        self.sections["Retrain"].set_summary(name_heldout(state.sides))
        self.sections["Review"].set_summary(f"{confirmed} confirmed" if state.strip else "")

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
        open_save_window(self._viewer, parent=self, notify=self.bench.session.notify, best=best)

    def _ask_for_classes(self) -> None:
        self.scan_panel.ask_for_classes(self.dialogs.classes.names[1:])

    def _offer_layers(self) -> None:
        self.scan_panel.offer_layers([layer.name for layer in self._foreign_layers()])

    def _on_layer_added(self, index: int) -> None:
        self.bench.scan_import.add_layer(self._foreign_layers()[index])

    def _foreign_layers(self) -> list:  # type: ignore[type-arg]
        opened = self.bench.session.opened
        own = () if opened is None else opened.layers
        return [layer for layer in self._viewer.layers if is_scan_layer(layer) and layer not in own]

    def _on_form_changed(self) -> None:
        form = self.retrain_panel.form
        if not form.error():
            self.bench.training.configure(form.values())

    def _copy_command(self) -> None:
        self.bench.training.write_command(self._copy)

    def _copy(self, command: str) -> None:
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(command)
            self.bench.session.notify("Command copied to the clipboard.")

    # The end.

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802 - Qt's name
        """List the models again, and notice when the window is about to close."""
        super().showEvent(event)
        self.bench.predicting.refresh_models()
        self.closing.watch_window()
        self.focus.learn()
        canvas = find_canvas(self)
        if canvas is not None and self.doubt_bar is None:
            self.doubt_bar = DoubtBar(canvas, self._viewer, self._find_doubtful)

    def _find_doubtful(self) -> tuple[Labels, Runs] | None:
        """Return the labels layer, and the doubtful A-scans of the B-scan in view."""
        opened = self.bench.session.opened
        if opened is None:
            return None
        return opened.labels, opened.loaded.doubtful.get(self.bench.state.bscan, ())

    def _show_doubtful(self) -> None:
        if self.doubt_bar is not None:
            self.doubt_bar.follow()

    def _end(self) -> None:
        """Leave the viewer as it was without the workbench."""
        self._timer.stop()
        if self.doubt_bar is not None:
            self.doubt_bar.end()
        self._unbind()
        self.curve_view.close()
        self.pocket_view.close()
        forget_dock(self._viewer, self)


def list_files(event: QDropEvent) -> list[Path]:
    """Return the files and folders of this computer that are dropped."""
    data = event.mimeData()
    urls = [] if data is None else data.urls()
    return [Path(url.toLocalFile()) for url in urls if url.isLocalFile()]

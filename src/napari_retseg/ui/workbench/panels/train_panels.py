"""Tab "Training": launch a training, follow it, and judge what came out."""

from __future__ import annotations

import time

from qtpy.QtWidgets import QProgressBar, QSizePolicy, QWidget

from napari_retseg.classes import RETINA, LabelSet
from napari_retseg.rounds import Curves, Verdict, describe_duration
from napari_retseg.ui.plain import escape_text, make_rich_text, make_text
from napari_retseg.ui.widgets.pieces import (
    lay_out_column,
    make_button,
    make_row,
    show_progress,
    show_text,
)
from napari_retseg.ui.widgets.theme import color_text, read_look
from napari_retseg.ui.workbench.control.bench_state import BenchState
from napari_retseg.ui.workbench.panels.curves_plot import CurvesPlot
from napari_retseg.ui.workbench.panels.curves_window import CurvesWindow
from napari_retseg.ui.workbench.panels.train_form import TrainForm

#: Seconds between two drawings of a training's curves.
_DRAW_EVERY_S = 1.0


class RetrainPanel(QWidget):
    """The form of a training, what it would do in words, and its buttons."""

    def __init__(self, state: BenchState) -> None:
        super().__init__()
        self._state = state
        self.form = TrainForm()
        self.preview_button = make_button(
            "Preview…", "Show eight training samples with augmentation"
        )
        self.text = make_text()
        self.warning = make_text()
        self.problem = make_text()
        self.heldout_button = make_button(
            "Hold out…", "Show which patients are held out and why, and choose them"
        )
        self.retrain_button = make_button("Retrain", "Train on the confirmed B-scans")
        self.stop_button = make_button(
            "Stop", "Stop after this step; you can resume the training later"
        )
        self.resume_button = make_button("Resume", "Resume the training that was stopped")
        self.command_button = make_button("Copy command", "Copy the command for this training")
        lay_out_column(
            self,
            self.form,
            make_row(self.preview_button, self.heldout_button, self.command_button),
            self.text,
            self.warning,
            self.problem,
            make_row(self.retrain_button, self.stop_button, self.resume_button),
        )
        self._connect()
        self._show_text()
        self._show_buttons()

    def _connect(self) -> None:
        self.form.changed.connect(self._show_buttons)
        events = self._state.events
        for event in (
            events.round_text,
            events.round_problem,
            events.round_warning,
            events.is_training,
        ):
            event.connect(self._show_text)
        for event in (
            events.is_training,
            events.is_stopping,
            events.resumable,
            events.round_problem,
            events.folder,
            events.is_read_only,
            events.n_bscans,
        ):
            event.connect(self._show_buttons)

    def _show_text(self) -> None:
        """Say what the next training would do; while one runs, its curves have the room."""
        state, is_free = self._state, not self._state.is_training
        show_text(self.text, state.round_text if is_free else "")
        show_text(self.problem, state.round_problem if is_free else "")
        show_text(self.warning, state.round_warning if is_free else "")
        for label in (self.problem, self.warning):
            color_text(label, read_look(self).warning)

    def _show_buttons(self) -> None:
        state = self._state
        is_free = state.folder is not None and not state.is_read_only and not state.is_training
        self.retrain_button.setEnabled(
            is_free and not state.round_problem and not self.form.error()
        )
        # the running training has its own: what is chosen here is for the next one
        for widget in (
            self.form,
            self.preview_button,
            self.heldout_button,
            self.command_button,
            self.retrain_button,
        ):
            widget.setVisible(not state.is_training)
        self.stop_button.setVisible(state.is_training)
        self.stop_button.setEnabled(not state.is_stopping)
        self.resume_button.setVisible(is_free and state.resumable is not None)
        self.command_button.setEnabled(state.folder is not None)
        self.heldout_button.setEnabled(state.folder is not None)
        self.preview_button.setEnabled(state.n_bscans > 0)


class ProgressPanel(QWidget):
    """Curves while it trains, the verdict at its end, and the models before."""

    def __init__(self, state: BenchState) -> None:
        super().__init__()
        self._state = state
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setRange(0, 1000)
        self.text = make_text()
        self._classes = RETINA
        self.plot = CurvesPlot(self._classes)
        self._draw_again = 0.0
        #: What the plot of the scores shows: how many, the best, and those of the start.
        self._scored: tuple[int, int | None, int] | None = None
        self.verdict_text = make_rich_text()
        self.new_button = make_button("Keep new", "Use the new model from now on")
        self.old_button = make_button("Keep old", "Keep using the old model")
        self._column = column = lay_out_column(
            self,
            self.bar,
            self.text,
            # above the plots, which fill the rest of a small screen
            self.verdict_text,
            make_row(self.new_button, self.old_button),
            self.plot,
        )
        column.setStretchFactor(self.plot, 1)
        self.window_of_curves: CurvesWindow | None = None
        self.plot.larger_button.clicked.connect(self._enlarge)
        self._show_plot(False)
        self._state.events.verdict.connect(self._show_verdict)
        self._state.events.is_training.connect(self._show_bar)
        self._show_verdict()
        self._show_bar()

    def draw(self, curves: Curves) -> bool:
        """Show how far a training is, and its curves.

        A plot takes some ten milliseconds to draw: that of the losses waits for the next time
        where it was drawn a moment ago, and that of the scores for new ones.

        Returns
        -------
        bool
            Whether all is shown; False where curves are left for the next time.
        """
        shown = curves.snapshot()
        self._show_plot(bool(len(shown.iterations) or len(shown.scored_iterations)))
        show_progress(self.bar, round(1000 * shown.position), 1000)
        show_text(self.text, describe_progress(shown))
        now = time.monotonic()
        if not self.plot.isVisible() or (now < self._draw_again and shown.finished is None):
            return False
        self._draw_again = now + _DRAW_EVERY_S
        self.plot.show_steps(shown)
        scored = (len(shown.scored_iterations), shown.best_iteration, id(shown.start_scores))
        if scored != self._scored:
            self._scored = scored
            self.plot.show_scores(shown)
        return True

    def _enlarge(self) -> None:
        """Show the curves in a window of their own, until it is closed."""
        window = CurvesWindow(self.plot, self._column, self.window())
        self.plot.larger_button.hide()
        window.finished.connect(self._on_window_closed)
        self.window_of_curves = window
        window.show()

    def _on_window_closed(self) -> None:
        self.window_of_curves = None
        self.plot.larger_button.show()

    def _show_plot(self, is_shown: bool) -> None:
        """Give the curves all the room there is, and none where there are no curves."""
        if self.plot.isHidden() is is_shown or not is_shown:
            vertical = QSizePolicy.Policy.Expanding if is_shown else QSizePolicy.Policy.Maximum
            self.setSizePolicy(QSizePolicy.Policy.Preferred, vertical)
            self.plot.setVisible(is_shown)

    def set_classes(self, classes: LabelSet) -> None:
        """Have curves for other classes; those of the same classes stay."""
        if classes != self._classes:
            self._classes = classes
            self.plot.set_classes(classes)
            self._scored, self._draw_again = None, 0.0

    def _show_bar(self) -> None:
        self.bar.setVisible(self._state.is_training)

    def _show_verdict(self) -> None:
        verdict = self._state.verdict
        show_text(self.verdict_text, "" if verdict is None else describe_verdict(verdict))
        is_worse = verdict is not None and verdict.promoted is False
        for button, is_advised in ((self.new_button, not is_worse), (self.old_button, is_worse)):
            button.setVisible(verdict is not None)
            button.setDefault(verdict is not None and is_advised)


def describe_verdict(verdict: Verdict) -> str:
    """Write a verdict and what to know about it, as rich text."""
    remarks = "".join(f"<br>• {escape_text(text)}" for text in verdict.remarks)
    return f"<b>{escape_text(verdict.text)}.</b>{remarks}"


def describe_progress(curves: Curves) -> str:
    """Say how far a training is and how long it still takes."""
    if not len(curves.iterations):
        return ""
    text = f"iteration {int(curves.iterations[-1])}, loss {curves.smoothed_losses[-1]:.3f}"
    if curves.finished is not None:
        return text
    left = curves.seconds_left
    return text if left is None else f"{text}, {describe_duration(left)} left"

"""Sections "Retrain" and "Progress": launch a training, follow it, and judge what came out."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QProgressBar, QVBoxLayout, QWidget

from napari_retseg.classes import RETINA, LabelSet
from napari_retseg.rounds import Curves, Measure, Verdict, describe_duration
from napari_retseg.ui.plain import escape_text, make_rich_text, make_text
from napari_retseg.ui.progress import show_progress
from napari_retseg.ui.widgets.pieces import make_button, make_row
from napari_retseg.ui.widgets.theme import GAP, color_text, read_look
from napari_retseg.ui.workbench.control.benchstate import BenchState
from napari_retseg.ui.workbench.panels.curvesplot import CurvesPlot
from napari_retseg.ui.workbench.panels.series import ScoreCurve, StepCurve
from napari_retseg.ui.workbench.panels.trainform import TrainForm

#: Seconds between two drawings of a training's curves.
_DRAW_EVERY_S = 1.0


class RetrainPanel(QWidget):
    """The form of a training, what it would do in words, and its buttons."""

    retrain_pressed = Signal()
    stop_pressed = Signal()
    resume_pressed = Signal()
    command_wanted = Signal()
    preview_wanted = Signal()
    heldout_wanted = Signal()

    def __init__(self, state: BenchState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
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
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        column.addWidget(self.form)
        column.addLayout(make_row(self.preview_button, self.heldout_button, self.command_button))
        column.addWidget(self.text)
        column.addWidget(self.warning)
        column.addWidget(self.problem)
        column.addLayout(make_row(self.retrain_button, self.stop_button, self.resume_button))
        self._connect()
        self._show_text()
        self._show_buttons()

    def _connect(self) -> None:
        self.retrain_button.clicked.connect(self.retrain_pressed)
        self.stop_button.clicked.connect(self.stop_pressed)
        self.resume_button.clicked.connect(self.resume_pressed)
        self.command_button.clicked.connect(self.command_wanted)
        self.preview_button.clicked.connect(self.preview_wanted)
        self.heldout_button.clicked.connect(self.heldout_wanted)
        self.form.changed.connect(self._show_buttons)
        events = self._state.events
        for event in (events.round_text, events.round_problem, events.round_warning):
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
        self.text.setText(self._state.round_text)
        self.text.setVisible(bool(self._state.round_text))
        self.problem.setText(self._state.round_problem)
        self.problem.setVisible(bool(self._state.round_problem))
        self.warning.setText(self._state.round_warning)
        self.warning.setVisible(bool(self._state.round_warning))
        for label in (self.problem, self.warning):
            color_text(label, read_look(self).warning)

    def _show_buttons(self) -> None:
        state = self._state
        is_free = state.folder is not None and not state.is_read_only and not state.is_training
        self.retrain_button.setEnabled(
            is_free and not state.round_problem and not self.form.error()
        )
        # the running training has its own: what is chosen here is for the next one
        for widget in (self.form, self.preview_button, self.command_button, self.retrain_button):
            widget.setVisible(not state.is_training)
        self.stop_button.setVisible(state.is_training)
        self.stop_button.setEnabled(not state.is_stopping)
        self.resume_button.setVisible(is_free and state.resumable is not None)
        self.command_button.setEnabled(state.folder is not None)
        self.heldout_button.setEnabled(state.folder is not None)
        self.preview_button.setEnabled(state.n_bscans > 0)


class ProgressPanel(QWidget):
    """Curves while it trains, the verdict at its end, and the models before."""

    keep_new_pressed = Signal()
    keep_old_pressed = Signal()
    history_wanted = Signal()

    def __init__(self, state: BenchState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
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
        self.history_button = make_button("Models…", "Go back to an earlier model")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        column.addWidget(self.bar)
        column.addWidget(self.text)
        # above the plots, which fill the rest of a small screen
        column.addWidget(self.verdict_text)
        column.addLayout(make_row(self.new_button, self.old_button, self.history_button))
        column.addWidget(self.plot)
        self.new_button.clicked.connect(self.keep_new_pressed)
        self.old_button.clicked.connect(self.keep_old_pressed)
        self.history_button.clicked.connect(self.history_wanted)
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
        show_progress(self.bar, round(1000 * shown.position), 1000)
        self.text.setText(describe_progress(shown))
        self.text.setVisible(bool(self.text.text()))
        now = time.monotonic()
        if not self.plot.isVisible() or (now < self._draw_again and shown.finished is None):
            return False
        self._draw_again = now + _DRAW_EVERY_S
        self.plot.set_steps(
            StepCurve(
                iterations=shown.iterations,
                loss=shown.losses,
                smoothed=shown.smoothed_losses,
                learning_rate=shown.learning_rates,
            )
        )
        scored = (len(shown.scored_iterations), shown.best_iteration, id(shown.start_scores))
        if scored != self._scored:
            self._scored = scored
            self.plot.set_scores(
                dice=make_score_curve(shown, "dice"),
                iou=make_score_curve(shown, "iou"),
                best_iteration=shown.best_iteration,
            )
        return True

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
        has_one = verdict is not None
        self.verdict_text.setText("" if verdict is None else describe_verdict(verdict))
        for widget in (self.verdict_text, self.new_button, self.old_button):
            widget.setVisible(has_one)
        for button, is_advised in (
            (self.new_button, has_one and verdict is not None and verdict.promoted is not False),
            (self.old_button, has_one and verdict is not None and verdict.promoted is False),
        ):
            button.setDefault(bool(is_advised))


def describe_verdict(verdict: Verdict) -> str:
    """Write a verdict and what to know about it, as rich text."""
    remarks = "".join(f"<br>• {escape_text(text)}" for text in verdict.remarks)
    return f"<b>{escape_text(verdict.text)}.</b>{remarks}"


def make_score_curve(curves: Curves, measure: Measure) -> ScoreCurve:
    """Collect what the plot shows of one score."""
    names = curves.class_names
    return ScoreCurve(
        iterations=[int(i) for i in curves.scored_iterations],
        classes={name: _to_list(curves.scores_of(name, measure)) for name in names},
        mean=_to_list(curves.scores_of(None, measure)),
        start={name: curves.start_score(name, measure) for name in names},
        start_mean=curves.start_score(None, measure),
    )


def describe_progress(curves: Curves) -> str:
    """Say how far a training is and how long it still takes."""
    if not len(curves.iterations):
        return ""
    text = f"iteration {int(curves.iterations[-1])}, loss {curves.smoothed_losses[-1]:.3f}"
    if curves.finished is not None:
        return text
    left = curves.seconds_left
    return text if left is None else f"{text}, {describe_duration(left)} left"


def _to_list(points: NDArray[np.float64]) -> list[float | None]:
    """Return values as a plot takes them: None where there is none."""
    return [None if np.isnan(value) else float(value) for value in points]

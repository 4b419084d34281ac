"""What the plots of a training show, collected from its events."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_retseg.errors import InputError
from napari_retseg.events import (
    CheckpointSaved,
    Event,
    Finished,
    Scored,
    StepDone,
    TrainingPlanned,
)
from napari_retseg.runs.eventlog import read_events
from napari_retseg.runs.paths import RunPaths

Measure = Literal["dice", "iou"]
Points = NDArray[np.float64]

#: Share of the smoothed loss that stays at each step.
_MEMORY = 0.9
#: Seconds of a step are averaged over so many.
_RECENT = 50


class Curves:
    """The course of one training.

    Events are given to :meth:`take` in their order. A run that is resumed goes back to its
    checkpoint: what came after it is taken out, so that no iteration is there twice.

    One thread may take events while another reads a :meth:`snapshot`.

    Parameters
    ----------
    clock
        Seconds that pass, for the time left.

    Attributes
    ----------
    plan
        What the training said before its first step; None before that.
    start_scores
        Of the model that it started from, as JSON; None without one.
    finished
        The last event of a training that ended; None while it goes on.
    """

    def __init__(self, *, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or time.monotonic
        self._steps: list[StepDone] = []
        self._smoothed: list[float] = []
        self._scored: list[Scored] = []
        self._began: tuple[float, float] | None = None
        self._now = 0.0
        self._has_state = False
        self._lock = threading.Lock()
        self.plan: TrainingPlanned | None = None
        self.start_scores: dict[str, Any] | None = None
        self.finished: Finished | None = None

    @classmethod
    def read(cls, run: Path) -> Curves:
        """Collect what a run's folder tells; nothing where nothing was trained in it yet.

        Raises
        ------
        InputError
            Where there is no such folder, or its events cannot be read.
        """
        curves = cls()
        if RunPaths(run).events.exists() or not run.is_dir():
            for event in read_events(run):
                curves.take(event)
        curves._began = None  # the time of reading is not that of training
        curves._has_state = RunPaths(run).has_checkpoint
        return curves

    def snapshot(self) -> Curves:
        """Return a copy that stays as it is, for a reader in another thread."""
        copied = Curves(clock=self._clock)
        with self._lock:
            for name, value in vars(self).items():
                if name != "_lock":
                    setattr(copied, name, list(value) if isinstance(value, list) else value)
        return copied

    def take(self, event: Event) -> None:
        """Take the next event; those that no curve shows are passed over."""
        with self._lock:
            self._take(event)

    def _take(self, event: Event) -> None:
        match event:
            case TrainingPlanned():
                self.plan = event
                self.finished = None
                self._began = None
                self._cut_steps(event.start_iteration + 1)
                self._scored = [s for s in self._scored if s.iteration <= event.start_iteration]
            case StepDone():
                self._take_step(event)
            case Scored():
                self._take_scores(event)
            case CheckpointSaved():
                self._has_state = True
            case Finished():
                self.finished = event

    @property
    def iterations(self) -> Points:
        """Iteration of each step."""
        return np.array([step.iteration for step in self._steps], dtype=np.float64)

    @property
    def losses(self) -> Points:
        """Loss of each step's own batch."""
        return np.array([step.loss for step in self._steps], dtype=np.float64)

    @property
    def smoothed_losses(self) -> Points:
        """Loss of each step, averaged with those before it."""
        return np.array(self._smoothed, dtype=np.float64)

    @property
    def learning_rates(self) -> Points:
        """Learning rate of each step."""
        return np.array([step.learning_rate for step in self._steps], dtype=np.float64)

    @property
    def scored_iterations(self) -> Points:
        """Iterations after which the held-out scans were scored, without the starting model."""
        return np.array([scored.iteration for scored in self._scored], dtype=np.float64)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes with scores, without background."""
        scores = self.latest_scores or self.start_scores
        return () if scores is None else tuple(scores["classes"])[1:]

    def scores_of(self, name: str | None, measure: Measure = "dice") -> Points:
        """Return one score at each scored iteration, NaN where there is none.

        Parameters
        ----------
        name
            Of the class; None: the mean of the foreground.
        """
        values = [read_score(scored.scores, name, measure) for scored in self._scored]
        return np.array([np.nan if v is None else v for v in values], dtype=np.float64)

    def start_score(self, name: str | None, measure: Measure = "dice") -> float | None:
        """Return a score of the starting model; None where there is none."""
        return None if self.start_scores is None else read_score(self.start_scores, name, measure)

    @property
    def latest_scores(self) -> dict[str, Any] | None:
        """The newest scores of the model in training, as JSON."""
        return self._scored[-1].scores if self._scored else None

    @property
    def best_iteration(self) -> int | None:
        """The iteration with the best mean so far; its model is the one that is kept."""
        return next((s.iteration for s in reversed(self._scored) if s.is_best), None)

    @property
    def is_begun(self) -> bool:
        """Whether anything was trained; not where a training failed before its first step."""
        return self._has_state or bool(self._steps) or self.finished is not None

    @property
    def is_resumable(self) -> bool:
        """Whether the training has not come to its end, and its state is on disk."""
        return self._has_state and (self.finished is None or self.finished.cancelled)

    @property
    def position(self) -> float:
        """Share of the training that is done, 0 to 1."""
        if self._steps:
            return self._steps[-1].position
        return 0.0

    @property
    def seconds_per_step(self) -> float | None:
        """Mean time of the latest steps; None before the first."""
        recent = [step.seconds for step in self._steps[-_RECENT:]]
        return sum(recent) / len(recent) if recent else None

    @property
    def seconds_left(self) -> float | None:
        """Estimate of the time that is left, with that of scoring and saving; None: not known.

        A run that was read and not watched tells the time of its steps only.
        """
        if self.finished is not None:
            return 0.0
        if not self._steps or self.position <= 0:
            return None
        if self._began is not None and self.position > self._began[1]:
            since, before = self._began
            return (self._now - since) / (self.position - before) * (1 - self.position)
        plan = self.plan
        if plan is not None and not plan.iterations:
            return 60 * plan.minutes * (1 - self.position)
        done = self._steps[-1].iteration
        return (self.seconds_per_step or 0.0) * done / self.position * (1 - self.position)

    def _take_step(self, step: StepDone) -> None:
        self._cut_steps(step.iteration)
        before = self._smoothed[-1] if self._smoothed else step.loss
        # a log may hold one line for many steps
        memory = _MEMORY ** (step.iteration - self._steps[-1].iteration) if self._steps else 1.0
        self._steps.append(step)
        self._smoothed.append(memory * before + (1 - memory) * step.loss)
        self._now = self._clock()
        if self._began is None:
            self._began = (self._now, step.position)

    def _take_scores(self, scored: Scored) -> None:
        if scored.iteration == 0:
            self.start_scores = scored.scores
            return
        self._scored = [s for s in self._scored if s.iteration < scored.iteration]
        self._scored.append(scored)

    def _cut_steps(self, iteration: int) -> None:
        """Take out what there is of this iteration and of later ones."""
        while self._steps and self._steps[-1].iteration >= iteration:
            del self._steps[-1], self._smoothed[-1]


def find_resumable(runs: Sequence[Path]) -> Path | None:
    """Return the newest run that has begun, where it can be resumed.

    One that failed before its first step, or cannot be read, does not hide the one before it.

    Parameters
    ----------
    runs
        Folders of runs, in order.
    """
    for run in reversed(runs):
        try:
            curves = Curves.read(run)
        except InputError:
            continue  # it cannot be gone on with; opening it says why
        if curves.is_begun:
            return run if curves.is_resumable else None
    return None


def read_score(scores: Mapping[str, Any], name: str | None, measure: Measure) -> float | None:
    """Read one score from scores as JSON: of a class, or with None the mean of the foreground."""
    if name is None:
        value = scores.get(f"mean_foreground_{measure}")
    else:
        value = scores["classes"].get(name, {}).get(measure)
    return None if value is None else float(value)

"""Models and segmentation in every dock: from the press on a button to its report. Knows no Qt."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from napari_retseg.config import PredictConfig
from napari_retseg.engine import Engine, JobHandle, JobOutcome, LoadJob, PredictJob
from napari_retseg.errors import ModelError, RetsegError
from napari_retseg.events import BscanPredicted, Event, Message, Progress
from napari_retseg.models import find_model, read_info
from napari_retseg.plural import count_noun
from napari_retseg.scan import OctScan
from napari_retseg.ui.dock_state import ModelChoice, Notice, PredictState, Work
from napari_retseg.ui.layers import import_labels
from napari_retseg.ui.model_list import find_models

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Run:
    """One press on a Segment button.

    Attributes
    ----------
    bscans
        Which B-scans, in the order in which the job counts them.
    began, first_done
        Monotonic seconds.
    done
        How many B-scans are finished.
    """

    scan: OctScan
    choice: ModelChoice
    bscans: Sequence[int]
    began: float = field(default_factory=time.monotonic, kw_only=True)
    first_done: float | None = field(default=None, kw_only=True)
    done: int = field(default=0, kw_only=True)
    handle: JobHandle | None = field(default=None, kw_only=True)


R = TypeVar("R", bound=Run)


class ModelRunner(ABC, Generic[R]):
    """Lists the models, and segments with the chosen one in the engine, one job at a time.

    All methods are called on the GUI's thread, but for :meth:`_store`.

    Parameters
    ----------
    state
        Shows it.
    engine
        Gives the engine that runs the next job.
    post
        Runs a function on the GUI's thread, soon; called on the engine's thread.
    config
        How models predict.
    """

    def __init__(
        self,
        state: PredictState,
        *,
        engine: Callable[[], Engine],
        post: Callable[[Callable[[], None]], None],
        config: PredictConfig,
    ) -> None:
        self._state = state
        self._find_engine = engine
        self._post = post
        self._config = config
        self._browsed: list[Path] = []
        self._loaded: ModelChoice | None = None
        self._run: R | None = None

    def notify(self, text: str, level: Any = "info") -> None:
        """Show one sentence."""
        self._state.notice = Notice(text, level)

    # Models.

    def refresh_models(self) -> None:
        """List the models again; the chosen one stays chosen."""
        chosen = self._state.chosen_model
        found, bad = find_models(self._browsed)
        for one in bad:
            self.notify(one.why, "warning")
        self._state.models, self._state.bad_models = found, bad
        folders = [choice.folder for choice in found]
        if chosen is not None and chosen.folder in folders:
            self._state.model = folders.index(chosen.folder)
        else:
            self._state.model = 0 if found else -1

    def choose_model(self, index: int) -> None:
        """Choose one of ``state.models``, and load it in the worker meanwhile."""
        self._state.model = index
        self.load_chosen()

    def add_model(self, folder: Path) -> None:
        """Add a model from a folder, and choose it."""
        try:
            found = find_model(folder)
            read_info(found)
        except ModelError as error:
            self.notify(str(error), "error")
            return
        if found not in [choice.folder for choice in self._state.models]:
            self._browsed.append(found)
        self.refresh_models()
        self.choose_model([choice.folder for choice in self._state.models].index(found))
        self.notify("")

    def load_chosen(self) -> None:
        """Load the chosen model in the worker, so that the first prediction is quick."""
        choice = self._state.chosen_model
        if choice is None or choice == self._loaded:
            return
        self._loaded = choice
        self._find_engine().submit(
            LoadJob(choice.folder, self._config),
            on_event=lambda _: import_labels(),
            on_done=lambda outcome: self._post(partial(self._on_loaded, outcome)),
        )

    def _on_loaded(self, outcome: JobOutcome) -> None:
        if outcome.status == "failed":
            logger.debug("%s", outcome.traceback)
            self._loaded = None
            if self._run is None:
                self.notify(str(outcome.error), "error")

    # Segmenting.

    def segment_bscan(self) -> None:
        """Segment the B-scan in view."""
        self._segment([self._state.bscan])

    def segment_volume(self) -> None:
        """Segment all B-scans."""
        self._segment(range(self._state.n_bscans))

    def cancel(self) -> None:
        """Stop; what is done stays."""
        if self._run is not None and self._run.handle is not None:
            self._run.handle.cancel()
            self.notify("Stopping…")

    def drop(self) -> None:
        """Stop, since the scan is being closed."""
        run, self._run = self._run, None
        self._state.work = None
        if run is not None and run.handle is not None:
            run.handle.cancel()

    def _segment(self, bscans: Sequence[int]) -> None:
        choice = self._state.chosen_model
        if self._run is not None:
            self.notify("A segmentation is running; wait for it or cancel it.")
            return
        if choice is None:
            self.notify("No model yet: press Browse and choose a model folder.")
            return
        try:
            choice = replace(choice, info=read_info(choice.folder))
            run = self._begin(choice, bscans)
        except RetsegError as error:
            self.notify(str(error), "error")
            return
        if run is None:
            return
        self._run = run
        self.notify("" if choice == self._loaded else "Loading the model…")
        self._state.work = Work(0, len(bscans))
        run.handle = self._find_engine().submit(
            PredictJob(take_bscans(run.scan, bscans), choice.folder, self._config),
            on_event=partial(self._on_event, run),
            on_done=lambda outcome: self._post(partial(self._finish, run, outcome)),
        )

    def _on_event(self, run: R, event: Event) -> None:
        """Take an event on the engine's thread."""
        if run is self._run:
            if isinstance(event, BscanPredicted):
                event = self._store(run, event)
            self._post(partial(self._take, run, event))

    def _take(self, run: R, event: Event) -> None:
        if run is not self._run:
            return
        if isinstance(event, BscanPredicted):
            self._show(run, event)
        elif isinstance(event, Progress):
            if run.first_done is None:
                self.notify("")
            self._state.work = estimate(run, event)
        elif isinstance(event, Message):
            self.notify(event.text, event.level)

    def _finish(self, run: R, outcome: JobOutcome) -> None:
        if run is not self._run:
            return
        self._run, self._state.work = None, None
        self._end(run)
        if outcome.status == "failed":
            logger.debug("%s", outcome.traceback)
            self._loaded = None
            self.notify(str(outcome.error), "error")
        elif outcome.status == "cancelled":
            total = count_noun(len(run.bscans), "B-scan")
            self.notify(f"Stopped after {run.done} of {total}. Finished B-scans are kept.")
        else:
            what = "this B-scan" if len(run.bscans) == 1 else count_noun(run.done, "B-scan")
            seconds = time.monotonic() - run.began
            self.notify(f"Segmented {what} in {seconds:.1f} s.{self._remark(run)}")

    # What differs from dock to dock.

    @abstractmethod
    def _begin(self, choice: ModelChoice, bscans: Sequence[int]) -> R | None:
        """Prepare a segmentation; None where there is no scan.

        Raises
        ------
        RetsegError
            Where the scan cannot be segmented with the model.
        """

    @abstractmethod
    def _store(self, run: R, event: BscanPredicted) -> BscanPredicted:
        """Keep the labels of a B-scan, on the engine's thread; return them as they are shown."""

    @abstractmethod
    def _show(self, run: R, event: BscanPredicted) -> None:
        """Show the labels of a B-scan."""

    @abstractmethod
    def _end(self, run: R) -> None:
        """Show all that has come, whatever the outcome."""

    @abstractmethod
    def _remark(self, run: R) -> str:
        """Say what else to know of the labels, after a space; empty: nothing."""


def check_channels(scan: OctScan, choice: ModelChoice, *, name: str) -> None:
    """Raise a ModelError where a scan's channels do not fit a model."""
    expected = choice.info.network.in_channels
    if scan.n_channels != expected:
        raise ModelError(
            f"{name}: has {count_noun(scan.n_channels, 'channel')}, but model {choice.name} "
            f"needs {expected}; choose another model"
        )


def take_bscans(scan: OctScan, bscans: Sequence[int]) -> OctScan:
    """Return the scan, or where only one B-scan is asked for, that one: less to send."""
    if len(bscans) != 1 or not scan.is_volume:
        return scan
    index = bscans[0]
    has_channels = scan.axes[0] == "channel"
    return replace(
        scan,
        pixels=scan.pixels[:, index] if has_channels else scan.pixels[index],
        axes=(*scan.axes[: int(has_channels)], *scan.axes[-2:]),
        spacing_um=scan.spacing_um[-2:],
        fundus=None,
        affine=None,
    )


def estimate(run: Run, progress: Progress) -> Work:
    """Guess the time left from the B-scans after the first, which waits for the model."""
    now = time.monotonic()
    run.done = progress.done
    if run.first_done is None:
        run.first_done = now
    seconds_left = None
    if progress.done > 1:
        each = (now - run.first_done) / (progress.done - 1)
        seconds_left = each * (progress.total - progress.done)
    return Work(progress.done, progress.total, seconds_left)

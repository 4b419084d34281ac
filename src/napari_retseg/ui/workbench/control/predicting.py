"""Segmenting the open scan: from a model to the prediction layer, B-scan by B-scan."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_retseg.config import PredictConfig
from napari_retseg.engine import JobHandle, JobOutcome, LoadJob, PredictJob
from napari_retseg.errors import ModelError, RetsegError
from napari_retseg.events import BscanPredicted, Event, Message, Progress
from napari_retseg.models import find_model, read_info
from napari_retseg.plural import count_noun
from napari_retseg.ui.dockstate import ModelChoice, Work
from napari_retseg.ui.layers import import_labels
from napari_retseg.ui.modellist import find_models
from napari_retseg.ui.segmentation import check_channels, take_bscans
from napari_retseg.ui.workbench.control.correcting import Correcting
from napari_retseg.ui.workbench.control.open_scan import OpenScan, plane
from napari_retseg.ui.workbench.control.session import Session

_CONFIG = PredictConfig(uncertainty=True)
#: As it is kept with what was predicted.
_OPTIONS = _CONFIG.model_dump_json(exclude_defaults=True)


@dataclass(eq=False)
class Segmentation:
    """One press on a Segment button.

    Attributes
    ----------
    bscans
        Which B-scans, in the order in which the job counts them.
    table
        The model's class values to those of the workspace, 256 entries.
    began, first_done
        Monotonic seconds.
    """

    opened: OpenScan
    choice: ModelChoice
    bscans: Sequence[int]
    table: NDArray[np.uint8]
    began: float
    handle: JobHandle | None = None
    first_done: float | None = None
    done: int = 0


class Predicting:
    """Lists the models, and segments with the chosen one in the engine."""

    def __init__(self, session: Session, correcting: Correcting) -> None:
        self._session = session
        self._correcting = correcting
        self._browsed: list[Path] = []
        self._loaded: ModelChoice | None = None
        self._run: Segmentation | None = None

    # Models.

    def refresh_models(self) -> None:
        """List the models again; the chosen one stays chosen."""
        state = self._session.state
        chosen = state.chosen_model
        found, bad = find_models(self._browsed)
        for one in bad:
            self._session.notify(one.why, "warning")
        folders = [choice.folder for choice in found]
        state.models, state.bad_models = found, bad
        if chosen is not None and chosen.folder in folders:
            state.model = folders.index(chosen.folder)
        else:
            state.model = 0 if found else -1

    def choose_model(self, index: int) -> None:
        """Choose one of ``state.models``, and load it in the worker meanwhile."""
        self._session.state.model = index
        choice = self._session.state.chosen_model
        workspace = self._session.workspace
        if choice is not None and workspace is not None and not workspace.is_read_only:
            self._session.submit(partial(workspace.save_settings, model=choice.name))
        self.load_chosen()

    def choose_by_name(self, name: str) -> None:
        """Choose the model of a name, where there is one."""
        names = [choice.name for choice in self._session.state.models]
        if name in names:
            self._session.state.model = names.index(name)

    def add_model(self, folder: Path) -> None:
        """Add a model from a folder, and choose it."""
        try:
            found = find_model(folder)
            read_info(found)
        except ModelError as error:
            self._session.notify(str(error), "error")
            return
        if found not in [choice.folder for choice in self._session.state.models]:
            self._browsed.append(found)
        self.refresh_models()
        self.choose_model([choice.folder for choice in self._session.state.models].index(found))
        self._session.notify("")

    def load_chosen(self) -> None:
        """Load the chosen model in the worker, so that the first prediction is quick."""
        choice = self._session.state.chosen_model
        if choice is None or choice == self._loaded:
            return
        self._loaded = choice
        self._session.engine.submit(
            LoadJob(choice.folder, _CONFIG),
            on_event=lambda _: import_labels(),
            on_done=lambda outcome: self._session.post(partial(self._on_loaded, outcome)),
        )

    def forget_loaded(self) -> None:
        """Load the model again before its next use: other processes run it."""
        self._loaded = None
        self._session.state.device = ""

    # Segmenting.

    def segment_bscan(self) -> None:
        """Segment the B-scan in view."""
        self._segment([self._session.state.bscan])

    def segment_volume(self) -> None:
        """Segment all B-scans."""
        self._segment(range(self._session.state.n_bscans))

    def cancel(self) -> None:
        """Stop; what is done stays."""
        if self._run is not None and self._run.handle is not None:
            self._run.handle.cancel()
            self._session.notify("Stopping…")

    def drop(self) -> None:
        """Stop, since the scan is being closed."""
        run, self._run = self._run, None
        self._session.state.work = None
        if run is not None and run.handle is not None:
            run.handle.cancel()

    def _segment(self, bscans: Sequence[int]) -> None:
        opened, choice = self._session.opened, self._session.state.chosen_model
        if opened is None:
            self._session.notify("Open a scan first.")
            return
        if choice is None:
            self._session.notify("No model yet: press Browse and choose a model folder.")
            return
        if self._run is not None:
            self._session.notify("A segmentation is running; wait for it or cancel it.")
            return
        try:
            choice = replace(choice, info=read_info(choice.folder))
            check_channels(opened.loaded.scan, choice, name=opened.name)
            table = translate(choice, opened)
        except RetsegError as error:
            self._session.notify(str(error), "error")
            return
        self._correcting.keep("segment")
        self._correcting.show_prediction()
        run = Segmentation(opened, choice, bscans, table, time.monotonic())
        self._run = run
        self._session.notify("Loading the model…" if choice != self._loaded else "")
        self._session.state.work = Work(0, len(bscans))
        scan = take_bscans(opened.loaded.scan, bscans)
        run.handle = self._session.engine.submit(
            PredictJob(scan, choice.folder, _CONFIG),
            on_event=partial(self._on_event, run),
            on_done=lambda outcome: self._session.post(partial(self._finish, run, outcome)),
        )

    def _on_event(self, run: Segmentation, event: Event) -> None:
        """Take an event on the engine's thread."""
        if run is not self._run:
            return
        if isinstance(event, BscanPredicted):
            labels = run.table[event.labels]
            self._store(run, event, labels)
            self._session.post(partial(self._show, run, event, labels))
        else:
            self._session.post(partial(self._take, run, event))

    def _store(self, run: Segmentation, event: BscanPredicted, labels: NDArray[np.uint8]) -> None:
        """Have a B-scan's prediction written to disk."""
        bscan, found = run.bscans[event.index], event.uncertainty
        workspace = self._session.workspace
        if workspace is not None and not workspace.is_read_only:
            self._session.submit(
                partial(
                    workspace.write_prediction,
                    run.opened.name,
                    bscan,
                    labels,
                    model=run.choice.info,
                    uncertainty=found,
                    options=_OPTIONS,
                ),
                lambda _: self._session.written.emit(),
            )

    def _show(self, run: Segmentation, event: BscanPredicted, labels: NDArray[np.uint8]) -> None:
        """Take a B-scan's prediction into the layer, and say so at once: scores follow it."""
        if run is not self._run:
            return
        self._correcting.check()  # what is painted by now was painted without this prediction
        bscan, found, opened = run.bscans[event.index], event.uncertainty, run.opened
        plane(opened.loaded.prediction, bscan)[...] = labels
        opened.loaded.predicted[bscan] = None if found is None else found.score
        opened.loaded.models[bscan] = run.choice.info.weights_id
        if opened.uncertainty is not None and found is not None:
            plane(opened.uncertainty.data, bscan)[...] = found.entropy
        if bscan == self._session.state.bscan:
            opened.prediction.refresh()
        self._session.changed.emit((bscan,))

    def _take(self, run: Segmentation, event: Event) -> None:
        if run is not self._run:
            return
        if isinstance(event, Progress):
            run.done = event.done
            self._session.state.work = self._estimate(run, event)
        elif isinstance(event, Message):
            self._session.notify(event.text, event.level)

    def _estimate(self, run: Segmentation, progress: Progress) -> Work:
        """Guess the time left from the B-scans after the first, which waits for the model."""
        now = time.monotonic()
        if run.first_done is None:
            run.first_done = now
        left = None
        if progress.done > 1:
            each = (now - run.first_done) / (progress.done - 1)
            left = each * (progress.total - progress.done)
        return Work(progress.done, progress.total, left)

    def _finish(self, run: Segmentation, outcome: JobOutcome) -> None:
        if run is not self._run:
            return
        self._run = None
        self._session.state.work = None
        run.opened.prediction.refresh()
        if run.opened.uncertainty is not None:
            run.opened.uncertainty.refresh()
        self._correcting.show_strip()
        if outcome.status == "failed":
            self._loaded = None
            self._session.notify(str(outcome.error), "error")
            return
        if outcome.status == "cancelled":
            self._session.notify(
                f"Stopped after {run.done} of {count_noun(len(run.bscans), 'B-scan')}. Finished "
                "B-scans are kept."
            )
            return
        what = "this B-scan" if len(run.bscans) == 1 else count_noun(run.done, "B-scan")
        text = f"Segmented {what} in {time.monotonic() - run.began:.1f} s."
        self._session.notify(text + describe_left_out(run.choice, run.opened))

    def _on_loaded(self, outcome: JobOutcome) -> None:
        if outcome.status == "failed":
            self._loaded = None
            if self._run is None:
                self._session.notify(str(outcome.error), "error")
        self._session.state.device = str(outcome.result.get("device", self._session.state.device))


def translate(choice: ModelChoice, opened: OpenScan) -> NDArray[np.uint8]:
    """Return what each class value of a model is in the workspace: classes of the same name.

    Raises
    ------
    ModelError
        Where the two have no foreground class in common.
    """
    own = opened.loaded.classes
    table = own.translation_from(choice.info.classes)
    if not table.any():
        names = ", ".join(c.name for c in own.foreground)
        theirs = ", ".join(c.name for c in choice.info.classes.foreground)
        raise ModelError(
            f"{choice.name}: this model has no class in common with this workspace "
            f"({names}). Choose another model, or fine-tune this one on your labels, "
            f"or add its classes with Classes… ({theirs})"
        )
    return table


def describe_left_out(choice: ModelChoice, opened: OpenScan) -> str:
    """Say which classes of a model have no place in the workspace; empty where all have one."""
    own = opened.loaded.classes.names
    foreign = [c.name for c in choice.info.classes.foreground if c.name not in own]
    return f" Classes not in this workspace were left out: {', '.join(foreign)}." if foreign else ""

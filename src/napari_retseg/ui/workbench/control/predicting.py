"""Segmenting the open scan: from a model to the prediction layer, B-scan by B-scan."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import IGNORE
from napari_retseg.config import PredictConfig
from napari_retseg.dataset.pagedlabels import PagedLabels
from napari_retseg.engine import JobOutcome
from napari_retseg.errors import ModelError
from napari_retseg.events import BscanPredicted
from napari_retseg.layers import list_unknown_classes, translate_classes
from napari_retseg.ui.dock_state import ModelChoice
from napari_retseg.ui.layers import plane
from napari_retseg.ui.model_runner import ModelRunner, Run, check_channels
from napari_retseg.ui.workbench.control.correcting import Correcting
from napari_retseg.ui.workbench.control.open_scan import OpenScan
from napari_retseg.ui.workbench.control.session import Session

CONFIG = PredictConfig(uncertainty=True)
#: As it is kept with what was predicted.
_OPTIONS = CONFIG.model_dump_json(exclude_defaults=True)
#: Of a volume larger than memory, B-scans are written together: up to one for so many that are
#: known, and up to so many pixels.
_SHARE, _GATHERED = 50, 32 * 2**20


@dataclass(eq=False)
class ScanRun(Run):
    """The segmentation of the open scan.

    Attributes
    ----------
    table
        The model's class values to those of the workspace, 256 entries.
    """

    opened: OpenScan
    table: NDArray[np.uint8]
    _unwritten: dict[int, BscanPredicted] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def add(self, event: BscanPredicted) -> bool:
        """Take a B-scan that is to be written; return whether those that wait are enough.

        What is known of all B-scans is written each time: of a volume larger than memory, once for
        many of them.
        """
        prediction = self.opened.loaded.prediction
        enough = 1
        if isinstance(prediction, PagedLabels):
            most = _GATHERED // math.prod(prediction.shape[-2:])
            enough = max(min(len(self.opened.loaded.predicted) // _SHARE, most), 1)
        with self._lock:
            self._unwritten[self.bscans[event.index]] = event
            return len(self._unwritten) >= enough

    def take(self) -> dict[int, BscanPredicted]:
        """Give the B-scans that are to be written."""
        with self._lock:
            events, self._unwritten = self._unwritten, {}
        return events


class Predicting(ModelRunner[ScanRun]):
    """Segments the open scan; the workspace keeps the labels, and which model is chosen."""

    def __init__(self, session: Session, correcting: Correcting) -> None:
        super().__init__(
            session.state, engine=lambda: session.engine, post=session.post, config=CONFIG
        )
        self._session = session
        self._correcting = correcting

    def choose_model(self, index: int) -> None:
        """Choose one of ``state.models``, also for the next time that the workspace is opened."""
        super().choose_model(index)
        choice = self._state.chosen_model
        if choice is not None:
            self._session.save_settings(model=choice.name)

    def choose_by_name(self, name: str) -> None:
        """Choose the model of a name, where there is one."""
        names = [choice.name for choice in self._state.models]
        if name in names:
            self._state.model = names.index(name)

    def forget_loaded(self) -> None:
        """Load the model again before its next use: other processes run it."""
        self._loaded = None
        self._session.state.device = ""

    def _on_loaded(self, outcome: JobOutcome) -> None:
        super()._on_loaded(outcome)
        state = self._session.state
        state.device = str(outcome.result.get("device", state.device))

    def _begin(self, choice: ModelChoice, bscans: Sequence[int]) -> ScanRun | None:
        opened = self._session.opened
        if opened is None:
            self.notify("Open a scan first.")
            return None
        check_channels(opened.loaded.scan, choice, name=opened.name)
        table = translate(choice, opened)
        self._correcting.keep("segment")
        self._correcting.show_prediction()
        return ScanRun(opened.loaded.scan, choice, bscans, opened, table)

    def _store(self, run: ScanRun, event: BscanPredicted) -> BscanPredicted:
        """Have a B-scan's prediction written to disk, in the workspace's class values."""
        event = replace(event, labels=run.table[event.labels])
        if run.add(event):
            self._write(run)
        return event

    def _write(self, run: ScanRun) -> None:
        """Have what has gathered written; on any thread."""
        events, workspace = run.take(), self._session.workspace
        if events and workspace is not None and not workspace.is_read_only:
            write = partial(
                workspace.write_predictions,
                run.opened.name,
                {bscan: (event.labels, event.uncertainty) for bscan, event in events.items()},
                model=run.choice.info,
                options=_OPTIONS,
                doubtful={bscan: event.doubtful for bscan, event in events.items()},
            )
            self._session.submit(write, lambda _: self._on_written(run, list(events)))

    def _on_written(self, run: ScanRun, bscans: Sequence[int]) -> None:
        """Say so, and let go of what can be read again."""
        prediction = run.opened.loaded.prediction
        if isinstance(prediction, PagedLabels):
            for bscan in bscans:
                if bscan != self._state.bscan:
                    prediction.release(bscan)
        self._session.written.emit()

    def _show(self, run: ScanRun, event: BscanPredicted) -> None:
        """Take a B-scan's prediction into the layer, and say so at once: scores follow it."""
        self._correcting.check()  # what is painted by now was painted without this prediction
        bscan, found, opened = run.bscans[event.index], event.uncertainty, run.opened
        plane(opened.loaded.prediction, bscan)[...] = event.labels
        opened.loaded.predicted[bscan] = None if found is None else found.score
        opened.loaded.models[bscan] = run.choice.info.weights_id
        opened.loaded.doubtful.pop(bscan, None)
        opened.loaded.propagated.pop(bscan, None)
        if event.doubtful:
            opened.loaded.doubtful[bscan] = event.doubtful
        if opened.uncertainty is not None and found is not None:
            plane(opened.uncertainty.data, bscan)[...] = found.entropy
        if bscan == self._state.bscan:
            opened.prediction.refresh()
        self._session.changed.emit((bscan,))

    def drop(self) -> None:
        """Stop, since the scan is being closed; what has come is written."""
        run = self._run
        super().drop()
        if run is not None:
            self._write(run)

    def _end(self, run: ScanRun) -> None:
        self._write(run)
        run.opened.prediction.refresh()
        if run.opened.uncertainty is not None:
            run.opened.uncertainty.refresh()
        self._correcting.show_strip()

    def _remark(self, run: ScanRun) -> str:
        return describe_left_out(run.choice, run.opened)


def translate(choice: ModelChoice, opened: OpenScan) -> NDArray[np.uint8]:
    """Return what each class value of a model is in the workspace, by the classes' names.

    Raises
    ------
    ModelError
        Where the two have no foreground class in common.
    """
    own = opened.loaded.classes
    table = translate_classes(own, choice.info.classes)
    if not table[:IGNORE].any():
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
    foreign = list_unknown_classes(opened.loaded.classes, choice.info.classes)
    return f" Classes not in this workspace were left out: {', '.join(foreign)}." if foreign else ""

"""One run in a worker: train, or go on with it; score; keep the result."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from napari_retseg.dataset import Dataset
from napari_retseg.engine.jobs import Lane
from napari_retseg.errors import JobError
from napari_retseg.events import (
    Cancel,
    CheckpointSaved,
    Event,
    Finished,
    Message,
    Progress,
    StepDone,
    TrainingPlanned,
)
from napari_retseg.io.lock import hold_folder
from napari_retseg.study.run_plan import RunSpec
from napari_retseg.study.schema import slim_scores, slim_start
from napari_retseg.study.study_run import StudyRun

#: How long a run waits for a worker of a killed study to let go of its folder.
_PATIENCE_SECONDS = 60.0
_REPORT_SECONDS = 1.0


@dataclass(frozen=True)
class StudyJob:
    """Do one run of a study.

    Attributes
    ----------
    folder
        The run's, with its specification.
    start
        The model that it starts from; None: from scratch.
    threads
        Of torch; 0: as many as it takes by itself.
    """

    folder: Path
    start: Path | None = None
    threads: int = 0
    #: A study's workers do one run after the other; that lane's process stays warm meanwhile.
    lane: ClassVar[Lane] = "predict"

    def run(self, cancel: Cancel) -> Iterator[Event]:
        """Yield progress and warnings; the last is :class:`Finished`."""
        if self.threads and "OMP_NUM_THREADS" not in os.environ:
            from napari_retseg.nets.device import use_threads

            use_threads(self.threads)
        folder = StudyRun(self.folder)
        spec = folder.read_spec()
        dataset = spec.data.open()
        with _holding(folder):
            began = time.monotonic()
            result = yield from _train(spec, folder, dataset, self.start, cancel)
            if result is None:
                yield Finished(cancelled=True)
                return
            seconds = time.monotonic() - began
            scores = yield from _score(spec, folder, dataset, result, cancel)
            if scores is None:
                yield Finished(cancelled=True)
                return
            folder.finish({"seconds": seconds, **scores, "training": _pick(result)})
            folder.prune(spec)
        yield Finished(result={"key": spec.key})


def _holding(folder: StudyRun) -> AbstractContextManager[None]:
    """Hold the run's folder: a worker that outlived its study may still be in it."""
    busy = JobError(f"{folder.path}: another program is working on this run")
    advice = "free some disk space, or make it writable"
    return hold_folder(folder.path, patience=_PATIENCE_SECONDS, busy=busy, advice=advice)


def _train(
    spec: RunSpec, folder: StudyRun, dataset: Dataset, start: Path | None, cancel: Cancel
) -> Generator[Event, None, dict[str, Any] | None]:
    """Train; None where it was stopped."""
    from napari_retseg.learn.train import fine_tune

    is_begun = folder.training.has_checkpoint
    if not is_begun:
        shutil.rmtree(folder.training.path, ignore_errors=True)
    total, done, told = 1, 0, 0.0
    for event in fine_tune(
        dataset, spec.config, cancel, output=folder.training.path, start=start, resume=is_begun
    ):
        match event:
            case TrainingPlanned():
                total = event.iterations or 1
            case StepDone():
                done = event.iteration
                if time.monotonic() - told >= _REPORT_SECONDS:
                    told = time.monotonic()
                    yield Progress(done, total, unit="iteration")
            case Message() if event.level == "warning" and done < total:
                yield event  # what comes after the last step is the gate's verdict
            case CheckpointSaved():
                yield event
            case Finished():
                return None if event.cancelled else event.result
    return None


def _score(
    spec: RunSpec, folder: StudyRun, dataset: Dataset, result: dict[str, Any], cancel: Cancel
) -> Generator[Event, None, dict[str, Any] | None]:
    """Score the weights that the recipe names, and the starting model; None where stopped."""
    from napari_retseg.study.run_scores import copy_model, score_model

    source = Path(result["model"] if spec.weights == "best" else result["last_model"])
    copy_model(source, folder.model)
    keep = folder.predictions if spec.keep_predictions else None
    scores = yield from score_model(folder.model, dataset, spec, cancel, keep=keep)
    if scores is None:
        return None
    before = yield from _score_start(spec, folder, dataset, result, cancel)
    if cancel.is_cancelled():
        return None
    return {"scores": slim_scores(scores), "start_scores": slim_start(before)}


def _score_start(
    spec: RunSpec, folder: StudyRun, dataset: Dataset, result: dict[str, Any], cancel: Cancel
) -> Generator[Event, None, dict[str, Any] | None]:
    """Scores of the starting model on the reported part; the training knows those of ``val``."""
    from napari_retseg.study.run_scores import score_model

    known: dict[str, Any] | None = result["start"]
    if known is None or spec.config.strategy == "scratch" or spec.report_on == "val":
        return known
    start = folder.training.start_model
    return (yield from score_model(start, dataset, spec, cancel, keep=None))


def _pick(result: dict[str, Any]) -> dict[str, Any]:
    return {name: result[name] for name in ("iterations", "best_iteration", "promoted")}

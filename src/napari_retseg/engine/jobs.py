"""Jobs: what an engine's worker can be asked to do, and how the worker does it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from napari_retseg import __version__
from napari_retseg.config import PredictConfig, TrainConfig
from napari_retseg.dataset import Dataset
from napari_retseg.engine.sight import check_seen
from napari_retseg.errors import JobError, UnseenError
from napari_retseg.events import Cancel, Event, Finished, encode
from napari_retseg.failures import explain
from napari_retseg.headless import importing
from napari_retseg.io.inventory import list_read
from napari_retseg.models import DESCRIPTION, ONNX, WEIGHTS, find_model
from napari_retseg.scan import OctScan

if TYPE_CHECKING:
    from napari_retseg.infer.predict import AnyPredictor

#: Which local worker process does a job: training has one of its own, so that prediction goes on.
Lane = Literal["predict", "train"]
Status = Literal["done", "cancelled", "failed"]

WORKER_DIED = (
    "the worker process was killed or ran out of memory; nothing was lost; try again, if memory "
    "is short with a smaller batch or fewer B-scans"
)

#: How dask says that a scheduler does not know what is sent to it.
_FOREIGN = "Error during deserialization of the task graph"
_POLL_SECONDS = 0.05


class Job(Protocol):
    """Work for an engine: a value that can be sent to another process.

    `run` imports torch and other large packages only when it is called.
    """

    @property
    def lane(self) -> Lane:
        """Which local worker process does it."""
        ...

    def run(self, cancel: Cancel) -> Iterator[Event]:
        """Do the work; the last event is :class:`~napari_retseg.events.Finished`."""
        ...


@dataclass(frozen=True)
class JobOutcome:
    """How a job ended.

    Parameters
    ----------
    status
        ``"done"``, ``"cancelled"`` (it was asked to stop and did) or ``"failed"``.
    error
        One line for the user where it failed.
    result
        What the job's ``Finished`` event holds.
    traceback
        The whole story of an unexpected failure, for ``--debug``.
    is_hopeless
        Whether other jobs would fail of the same: nobody is there who could do them.
    files
        What a job wrote on a worker that does not see our folders, by name.
    """

    status: Status
    error: str | None = None
    result: dict[str, Any] = field(default_factory=dict)
    traceback: str | None = None
    is_hopeless: bool = False
    files: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class PredictJob:
    """Predict the labels of a scan, or of some of its B-scans."""

    scan: OctScan
    model: str | Path
    config: PredictConfig = field(default_factory=PredictConfig)
    bscans: tuple[int, ...] | None = None
    lane: ClassVar[Lane] = "predict"

    def run(self, cancel: Cancel) -> Iterator[Event]:
        """Yield the events of :func:`napari_retseg.infer.predict.predict`."""
        from napari_retseg.infer.predict import predict

        predictor = ready_predictor(self.model, self.config)
        yield from predict(self.scan, predictor, self.config, cancel, bscans=self.bscans)


@dataclass(frozen=True)
class EvidenceJob:
    """Find what a 2D model says of some B-scans, for editing their boundaries and pockets."""

    scan: OctScan
    model: str | Path
    config: PredictConfig = field(default_factory=PredictConfig)
    bscans: tuple[int, ...] | None = None
    lane: ClassVar[Lane] = "predict"

    def run(self, cancel: Cancel) -> Iterator[Event]:
        """Yield the events of :func:`napari_retseg.infer.evidence.find_evidence`."""
        from napari_retseg.infer.evidence import find_evidence

        predictor = ready_predictor(self.model, self.config)
        yield from find_evidence(self.scan, predictor, cancel, bscans=self.bscans)


@dataclass(frozen=True)
class LoadJob:
    """Load a model in the worker, so that the first prediction with it does not wait for that."""

    model: str | Path
    config: PredictConfig = field(default_factory=PredictConfig)
    lane: ClassVar[Lane] = "predict"

    def run(self, cancel: Cancel) -> Iterator[Event]:  # noqa: ARG002 - too short to be stopped
        """Yield only that it has finished: with the model's name, and the device in words."""
        predictor = ready_predictor(self.model, self.config)
        yield Finished(result={"model": predictor.info.name, "device": predictor.device})


@dataclass(frozen=True)
class PrepareJob:
    """Start the process of training and import what it needs, so that a training begins at once."""

    lane: ClassVar[Lane] = "train"

    def run(self, cancel: Cancel) -> Iterator[Event]:  # noqa: ARG002 - too short to be stopped
        """Yield only that it has finished; the process stays for the training to come."""
        import napari_retseg.learn.train  # noqa: F401

        yield Finished()


@dataclass(frozen=True)
class TrainJob:
    """Fine-tune a model on a dataset; the paths are those of the worker's machine."""

    dataset_path: Path
    config: TrainConfig
    output: Path
    start: Path | None = None
    resume: bool = False
    lane: ClassVar[Lane] = "train"

    def run(self, cancel: Cancel) -> Iterator[Event]:
        """Yield the events of :func:`napari_retseg.learn.train.fine_tune`."""
        from napari_retseg.dataset import load_dataset
        from napari_retseg.learn.train import fine_tune

        yield from fine_tune(
            load_dataset(self.dataset_path),
            self.config,
            cancel,
            output=self.output,
            start=self.start,
            resume=self.resume,
        )


@dataclass(frozen=True)
class SamplesJob:
    """Draw samples as a training would see them; see :func:`napari_retseg.learn.preview`."""

    dataset_path: Path
    config: TrainConfig
    start: Path | None = None
    lane: ClassVar[Lane] = "predict"

    def run(self, cancel: Cancel) -> Iterator[Event]:
        """Yield the events of :func:`napari_retseg.learn.preview.draw_samples`."""
        from napari_retseg.dataset import load_dataset
        from napari_retseg.learn.preview import draw_samples

        dataset = load_dataset(self.dataset_path)
        yield from draw_samples(dataset, self.config, cancel, start=self.start)


@dataclass(frozen=True)
class EvaluateJob:
    """Score a model on one split of a dataset."""

    model: str | Path
    dataset_path: Path
    split: Literal["train", "val", "test"] = "val"
    config: PredictConfig = field(default_factory=PredictConfig)
    lane: ClassVar[Lane] = "predict"

    def run(self, cancel: Cancel) -> Iterator[Event]:
        """Yield the events of :func:`napari_retseg.infer.evaluate.evaluate`."""
        from napari_retseg.dataset import load_dataset
        from napari_retseg.infer.evaluate import evaluate

        dataset = load_dataset(self.dataset_path)
        yield from evaluate(
            self.model, dataset, split=self.split, config=self.config, cancel=cancel
        )


@dataclass(frozen=True)
class ScoreCaseJob:
    """Score a model on some B-scans of the only case of a dataset.

    Parameters
    ----------
    threads
        That the process may compute with; 0: as many as it likes.
    needs
        What a worker must see before it begins.
    """

    model: Path
    dataset: Dataset
    bscans: tuple[int, ...]
    config: PredictConfig
    threads: int = 0
    needs: tuple[Path, ...] = ()
    lane: ClassVar[Lane] = "predict"

    def run(self, cancel: Cancel) -> Iterator[Event]:
        """Yield the events of :func:`napari_retseg.infer.evaluate.evaluate_case`."""
        check_seen(self.needs)

        from napari_retseg.infer.evaluate import evaluate_case

        predictor = ready_predictor(self.model, self.config, self.threads)
        yield from evaluate_case(predictor, self.dataset, self.bscans, cancel)

    @property
    def bundle(self) -> Path:
        """The folder of the model."""
        return self.model

    @property
    def written(self) -> None:
        """It writes nothing."""

    def list_files(self) -> list[Path]:
        """List the files of the scan and of its labels."""
        (case,) = self.dataset.cases
        places = [case.image, *([] if case.label is None else [case.label])]
        return list(dict.fromkeys(file for place in places for file in list_read(place)))

    def move(self, to: Callable[[Path], Path]) -> ScoreCaseJob:
        """Return it with all paths changed."""
        (case,) = self.dataset.cases
        label = None if case.label is None else to(case.label)
        moved = case.model_copy(update={"image": to(case.image), "label": label})
        about = {"root": to(self.dataset.root), "cases": (moved,)}
        return replace(self, model=to(self.model), dataset=self.dataset.model_copy(update=about))

    def receive(self, files: Mapping[str, bytes], result: Mapping[str, Any]) -> None:
        """Do nothing: the counts are in the result."""


def ready_predictor(model: str | Path, config: PredictConfig, threads: int = 0) -> AnyPredictor:
    """Return the model ready for prediction; the last one is kept while its files are the same.

    Parameters
    ----------
    threads
        That the process may compute with; 0: as many as it likes.
    """
    if threads and config.runtime == "torch":
        from napari_retseg.nets.device import use_threads

        use_threads(threads)
    folder = find_model(model)
    files = (folder / DESCRIPTION, folder / WEIGHTS, folder / ONNX)
    stamps = tuple((p.stat().st_mtime_ns, p.stat().st_size) for p in files if p.is_file())
    return _load_predictor(folder.resolve(), stamps, config, threads)


@lru_cache(maxsize=1)
def _load_predictor(
    folder: Path,
    stamps: tuple[tuple[int, int], ...],  # noqa: ARG001 - part of the cache's key
    config: PredictConfig,
    threads: int,
) -> AnyPredictor:
    with importing():
        from napari_retseg.infer.predict import open_predictor

        return open_predictor(folder, config, threads=threads)


class FlagCancel:
    """The cancel of a job in a worker: a flag that the scheduler keeps.

    It is asked at most 20 times a second. A scheduler that cannot be reached, or that has given the
    job up, counts as a cancel: nobody is left who waits.
    """

    def __init__(self, job_id: str) -> None:
        from distributed import Event as Flag
        from distributed import get_worker

        self._flag = Flag(cancel_flag(job_id))
        self._job_id = job_id
        self._tasks = get_worker().state.tasks
        self._asked = 0.0
        self._cancelled = False

    def is_cancelled(self) -> bool:
        """Whether the work shall stop."""
        if not self._cancelled and time.monotonic() - self._asked >= _POLL_SECONDS:
            try:
                self._cancelled = self._is_given_up() or bool(self._flag.is_set())
            except OSError:
                self._cancelled = True
            self._asked = time.monotonic()
        return self._cancelled

    def _is_given_up(self) -> bool:
        return getattr(self._tasks.get(self._job_id), "state", "cancelled") == "cancelled"


def explain_failure(error: BaseException) -> JobOutcome:
    """Turn what a task raised into an outcome with one line."""
    from distributed import KilledWorker

    trace = "".join(traceback.format_exception(error))
    if isinstance(error, KilledWorker):
        return JobOutcome("failed", WORKER_DIED, traceback=trace)
    if isinstance(error, RuntimeError) and _FOREIGN in str(error):
        line = (
            "the scheduler cannot read this job; it and its workers need the same version of "
            f"napari-retseg as this computer ({__version__})"
        )
        return JobOutcome("failed", line, traceback=trace, is_hopeless=True)
    is_hopeless = isinstance(error, UnseenError)
    return JobOutcome("failed", explain(error), traceback=trace, is_hopeless=is_hopeless)


def do_here(job: Job, cancel: Cancel, tell: Callable[[Event], None]) -> JobOutcome:
    """Do a job in this process."""
    finished: Finished | None = None
    try:
        for event in job.run(cancel):
            if isinstance(event, Finished):
                finished = event
            else:
                tell(event)
    except Exception as error:  # noqa: BLE001 - one job's failure is not the others'
        return explain_failure(error)
    if finished is None or finished.cancelled:
        return JobOutcome("cancelled")
    return JobOutcome("done", result=finished.result)


def cancel_flag(job_id: str) -> str:
    """Name of the scheduler's flag that asks a job to stop."""
    return f"{job_id}-cancel"


def run_job(job: Job, job_id: str, topic: str) -> Any:
    """Do a job in a worker and publish its events, in order, under `topic`.

    Each message is ``{"job": job_id, "event": encode(event)}``; the first has no event and says
    that the job has started.

    Returns
    -------
    object
        What the job's generator returns: too large for an event, which schedulers keep.

    Raises
    ------
    JobError
        Where the job had been started before: its worker died, and no job is done twice.
    """
    from distributed import Event as Flag
    from distributed import get_worker

    started = Flag(f"{job_id}-started")
    if started.is_set():
        raise JobError(WORKER_DIED)
    started.set()
    worker = get_worker()
    worker.log_event(topic, {"job": job_id, "event": None})
    events = job.run(FlagCancel(job_id))
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            return end.value
        worker.log_event(topic, {"job": job_id, "event": encode(event)})

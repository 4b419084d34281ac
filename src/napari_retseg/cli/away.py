"""A training on a worker that does not see these folders: what it makes comes back meanwhile."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

from napari_retseg.anchor import Anchor
from napari_retseg.cli.courier import SENT
from napari_retseg.config import TrainConfig, parse_split
from napari_retseg.dataset import Dataset, load_dataset, pin_split, save_dataset
from napari_retseg.dataset.growing import describe_unlisted
from napari_retseg.engine import WORKER_DIED, Engine, TrainJob, outbox
from napari_retseg.engine.parcel import (
    KEEPS_NOTHING,
    LACKING,
    WORKER,
    Courier,
    Parcel,
    Sent,
    make_absolute,
    read_sent,
)
from napari_retseg.engine.spread import SENT_AHEAD
from napari_retseg.engine.training import SentTrainJob
from napari_retseg.errors import InputError, JobError, UsageError
from napari_retseg.events import (
    Cancel,
    CheckpointSaved,
    Event,
    Finished,
    Message,
    Progress,
    TrainingPlanned,
)
from napari_retseg.io.atomic import remove_leftovers, replace_atomically
from napari_retseg.io.lock import LOCK, check_lock, hold_folder
from napari_retseg.runs.paths import RunPaths
from napari_retseg.scan import hash_path
from napari_retseg.workspace.write_lock import writing

#: Bytes of a file that comes back: as many as a checkpoint may have.
_LARGEST = 64 * 1024**3
#: So often a worker may ask for what it was sent already.
_MOST_REPEATS = 3
_DIGEST = re.compile(r"[0-9a-f]{64}")


def train_away(
    given: TrainJob, cancel: Cancel, *, scheduler: str, courier: Courier
) -> Iterator[Event]:
    """Train on a worker to which the data are sent; the run's folder is here.

    Yields
    ------
    Event
        Those of :func:`napari_retseg.learn.train.fine_tune`, as they come.

    Raises
    ------
    RetsegError
        As there; and where the worker dies, or a file cannot be sent or written.
    """
    run = RunPaths(make_absolute(given.output))
    check_begun(run, resume=given.resume)
    check_lock(run.path / LOCK)
    busy = UsageError(f"{given.output}: another training is writing to this folder")
    with hold_folder(run.path, patience=0, busy=busy, advice="choose another folder"):
        remove_leftovers(run.path)
        anchor = Anchor(run.path)
        anchor.hold()
        try:
            yield Message(SENT)
            dataset, warnings = _pin(load_dataset(given.dataset_path), given.config)
            yield from (Message(text, "warning") for text in warnings)
            job = SentTrainJob(
                dataset,
                given.config,
                output=run.path,
                called=str(given.output),
                token=secrets.token_hex(16),
                start=None if given.start is None else make_absolute(given.start),
                older=Path(given.config.rehearse).resolve() if given.config.rehearse else None,
                resume=given.resume,
            )
            with Engine(scheduler) as engine, closing(_Homecoming(engine, job.token, run)) as home:
                yield from _follow(job, engine, courier, home, cancel)
        finally:
            anchor.release()


def check_begun(run: RunPaths, *, resume: bool) -> None:
    """Make sure that a run is there to be resumed, or that none is in the way.

    Raises
    ------
    UsageError
        Where it is not so.
    """
    if resume and not run.has_checkpoint:
        raise UsageError(f"{run.path}: found no run to resume; start one without --resume")
    if not resume and run.has_checkpoint:
        raise UsageError(
            f"{run.path}: this folder already contains a run; use --resume to continue it, "
            "or choose another folder"
        )


def explain_loss(error: JobError, run: RunPaths, command: str) -> JobError:
    """Say of a worker or scheduler that was lost what is left, and how to go on."""
    lost = "the worker died, ran out of memory or cannot be reached any more"
    line = lost if str(error) == WORKER_DIED else str(error).removesuffix("; try again")
    if not run.has_checkpoint:
        return JobError(f"{line}; nothing had come back yet, so start the training again")
    return JobError(f"{line}; what had come back is in {run.path}; resume with: {command}")


def _pin(dataset: Dataset, config: TrainConfig) -> tuple[Dataset, list[str]]:
    """Pin the split where the dataset lies, as a training here would."""
    plan = parse_split(config.split)
    warnings = [text for text in (describe_unlisted(dataset),) if text]
    if plan.fractions is not None or plan.folds or config.split_by != "patient":
        return dataset, warnings
    pinned = pin_split(dataset)
    if pinned != dataset:
        try:
            with writing(pinned.root):
                save_dataset(pinned)
        except InputError as error:
            warnings.append(f"the split could not be saved for later runs: {error}")
    return pinned, warnings


def _follow(
    job: SentTrainJob, engine: Engine, courier: Courier, home: _Homecoming, cancel: Cancel
) -> Iterator[Event]:
    """Send what the worker lacks, part by part; then yield what the training says."""
    files = [Sent(path, hash_path(path)) for path in job.list_files()]
    home.know(files)
    worker = courier.find_holder([one.digest for one in files])
    data: dict[str, bytes] = {}
    n_before, repeats = len(files) + 1, 0
    while True:
        lacking: dict[str, Any] = {}
        parcel, data = Parcel(job, tuple(files), (), data, worker), {}
        for event in engine.run(parcel, cancel=cancel):
            if isinstance(event, Finished) and LACKING in event.result:
                lacking = event.result
            else:
                home.hear(event)
                yield event
        del parcel
        if not lacking:
            return
        repeats += len(lacking[LACKING]) >= n_before
        if repeats > _MOST_REPEATS:
            raise JobError(KEEPS_NOTHING)
        n_before, worker = len(lacking[LACKING]), lacking[WORKER]
        yield Progress(len(files) - n_before, len(files), "sent file")
        data = _read_some(files, set(lacking[LACKING]))


def _read_some(files: list[Sent], wanted: set[str]) -> dict[str, bytes]:
    """Read as many files as are sent at a time; at least one."""
    data: dict[str, bytes] = {}
    size = 0
    for one in files:
        if one.digest in wanted and one.digest not in data:
            if data and size + one.path.stat().st_size > SENT_AHEAD:
                break
            data[one.digest] = read_sent(one.path)
            size += len(data[one.digest])
    return data


class _Homecoming:
    """Fetches the files of a run while its worker trains on, and puts them into the folder here."""

    def __init__(self, engine: Engine, token: str, run: RunPaths) -> None:
        self._engine = engine
        self._token = token
        self._run = run
        self._names = [path.relative_to(run.path).as_posix() for path in run.list_files()]
        self._have: dict[str, str] = {}
        self._worker: str | None = None
        self._pool = ThreadPoolExecutor(1)
        self._coming: Future[None] | None = None

    def know(self, sent: list[Sent]) -> None:
        """Take that these files are here: they were sent."""
        places = {self._run.path / name: name for name in self._names}
        self._have = {places[one.path]: one.digest for one in sent if one.path in places}

    def hear(self, event: Event) -> None:
        """Fetch what is new; after the last event, wait until all is here.

        Raises
        ------
        RetsegError
            Where a file could not be written, or the last ones could not be fetched.
        """
        is_last = isinstance(event, Finished)
        if not is_last and not isinstance(event, TrainingPlanned | CheckpointSaved):
            return
        if isinstance(event, Finished) and not event.result:  # cancelled before it began
            return
        if self._coming is not None and (is_last or self._coming.done()):
            self._coming.result()
            self._coming = None
        if is_last:
            self._fetch()
            self._ask(outbox.close, self._token)
        elif self._coming is None:
            self._coming = self._pool.submit(self._try)

    def _try(self) -> None:
        try:
            self._fetch()
        except JobError:  # if the worker is lost, it is told where its job ends
            return

    def _fetch(self) -> None:
        number, offered = self._check(self._ask(outbox.look, self._token))
        for name, digest, size in offered:
            if self._have.get(name) != digest:
                self._write(self._run.path / name, digest, size)
                self._have[name] = digest
        self._ask(outbox.release, self._token, number)

    def _ask(self, function: Any, *arguments: Any) -> Any:
        if self._worker is None:
            told = self._engine.ask(outbox.has_outbox, self._token)
            self._worker = next((worker for worker, has in told.items() if has), None)
        told = {}
        if self._worker is not None:
            told = self._engine.ask(function, *arguments, worker=self._worker)
        if self._worker not in told:
            raise JobError(WORKER_DIED)
        return told[self._worker]

    def _check(self, told: Any) -> outbox.Moment:
        """Make sure that only files of a run come, and none that would fill the disk."""
        number, offered = told
        for name, digest, size in offered:
            if name not in self._names:
                raise JobError(
                    f"the worker sent a file {name!r:.80}, which no run has; not written"
                )
            if not _DIGEST.fullmatch(digest) or type(size) is not int or size > _LARGEST:
                raise JobError(f"the worker sent a file {name} that no run has; not written")
        return number, offered

    def _write(self, path: Path, digest: str, size: int) -> None:
        """Write a file that comes in pieces; it appears when its hash is right."""
        found = hashlib.sha256()
        done = 0
        with replace_atomically(path, size=size) as temporary, temporary.open("wb") as stream:
            while done < size:
                piece = self._ask(outbox.read, self._token, digest, done)
                if not isinstance(piece, bytes) or not 0 < len(piece) <= outbox.PIECE:
                    raise JobError(f"{path}: did not arrive whole; resume the training")
                done += len(piece)
                found.update(piece)
                stream.write(piece)
            if found.hexdigest() != digest:
                raise JobError(f"{path}: arrived damaged; resume the training")
            stream.flush()

    def close(self) -> None:
        """Fetch nothing more."""
        self._pool.shutdown(cancel_futures=True)

"""Many jobs side by side: outcomes come in the order of the jobs; one that fails stops no other.

dask.distributed hands the jobs to the workers. Here is what it does not do: only so many jobs are
on their way at a time, whatever the number of all; and a job whose worker died is tried once more.
"""

from __future__ import annotations

import queue
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Generic, Self, TypeVar, cast

from napari_retseg.engine.dispatch import Engine
from napari_retseg.engine.handle import JobHandle
from napari_retseg.engine.jobs import WORKER_DIED, Job, JobOutcome, do_here, explain_failure
from napari_retseg.engine.machine import share_gpus
from napari_retseg.engine.parcel import (
    KEEPS_NOTHING,
    LACKING,
    WORKER,
    Courier,
    Parcel,
    Portable,
    check_names,
)
from napari_retseg.engine.threads import ThreadCrew
from napari_retseg.errors import JobError
from napari_retseg.events import Cancel, Event, Finished

Key = TypeVar("Key", bound=Hashable)
#: Told what the jobs say: the number of a job, and the event.
Listen = Callable[[int, Event], None]

#: Jobs that a scheduler has at a time; several for each worker, so that none of them waits for us.
IN_FLIGHT = 256
#: Bytes of files that are sent ahead of the workers; where one has begun, it has its own.
SENT_AHEAD = 128 * 10**6
#: How often workers may say that they lack something that was sent to them.
_MOST_REQUESTS = 8
#: How far the jobs may be ahead of the oldest one that has not ended: its outcome comes first, and
#: those of the others are kept meanwhile.
AHEAD = 1024
_TICK_SECONDS = 0.1


class Crew(Generic[Key]):
    """Workers that take jobs, each known by a key, and a queue of what they say.

    Parameters
    ----------
    workers
        Processes on this machine, each of which does one job at a time, with a GPU of its own
        where there are several.
    scheduler
        A dask scheduler's address, whose workers do the jobs in the place of such processes.
    """

    #: How long running jobs may take to stop by themselves.
    leave_seconds = 2.0

    def __init__(self, *, workers: int, scheduler: str | None) -> None:
        self._engines = (
            [Engine(scheduler)]
            if scheduler
            else [Engine(settings=settings) for settings in share_gpus(workers)]
        )
        places = IN_FLIGHT if scheduler else 1
        # first in, first out: a job that is tried again gets another process where one is free
        self._free = deque(engine for engine in self._engines for _ in range(places))
        self._busy: dict[Key, tuple[Engine, JobHandle]] = {}
        self._sizes: dict[Key, int] = {}
        self._told: queue.SimpleQueue[tuple[Key, Event | JobOutcome]] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        with ThreadPoolExecutor(len(self._engines)) as pool:
            list(pool.map(Engine.close, self._engines))

    @property
    def is_busy(self) -> bool:
        """Whether a job has not ended yet."""
        return bool(self._busy)

    @property
    def has_room(self) -> bool:
        """Whether one more job may begin."""
        ahead = sum(self._sizes[k] for k, (_, one) in self._busy.items() if not one.has_started)
        return bool(self._free) and ahead < SENT_AHEAD

    def begin(self, key: Key, job: Job) -> None:
        """Hand a job to a worker."""
        engine = self._free.popleft()
        say = partial(self._say, key)
        self._sizes[key] = job.n_bytes if isinstance(job, Parcel) else 0
        self._busy[key] = (engine, engine.submit(job, on_event=say, on_done=say))

    def hear(self) -> tuple[Key, Event | JobOutcome] | None:
        """Return what was said next, of which job; None where nobody says anything for a while.

        After a job's outcome there is room for another one.
        """
        try:
            key, what = self._told.get(timeout=_TICK_SECONDS)
        except queue.Empty:
            return None
        if isinstance(what, JobOutcome):
            self._free.append(self._busy.pop(key)[0])
            del self._sizes[key]
        return key, what

    def cancel(self) -> None:
        """Ask all jobs to stop."""
        for _, handle in self._busy.values():
            handle.cancel()

    def _say(self, key: Key, what: Event | JobOutcome) -> None:
        self._told.put((key, what))


def spread(
    jobs: Iterable[Job | JobOutcome],
    cancel: Cancel,
    *,
    workers: int = 1,
    threads: int = 1,
    scheduler: str | None = None,
    courier: Courier | None = None,
    listen: Listen | None = None,
) -> Generator[JobOutcome, None, None]:
    """Do jobs side by side, and yield how each ended, in the order of the jobs.

    Parameters
    ----------
    jobs
        Taken one by one, shortly before they begin. A job may be done twice, where a worker dies.
        The outcome of a job that needs no worker stands for it.
    cancel
        Asked ten times a second. Then no job begins, those that run are asked to stop, and what
        has ended by then is yielded.
    workers
        Processes on this machine; with 1, the jobs are done in this process.
    threads
        How many jobs are done at a time in this process.
    scheduler
        A dask scheduler's address, whose workers do the jobs.
    courier
        Given where these do not see the files of this machine: sends them with the jobs, which
        are portable.
    listen
        Told what the jobs say while they run.

    Yields
    ------
    JobOutcome
        ``failed`` where a job raised an exception, or its worker died twice.

    Raises
    ------
    JobError
        Where no job can be done: nothing answers at the scheduler's address, its connection is
        lost, worker processes cannot start, or a worker does not see the files of this machine.
    """
    tell = listen or _ignore
    if scheduler is None and workers == 1 and threads > 1:
        with ThreadCrew[int](threads=threads) as own:
            yield from _Row(own, jobs, tell).run(cancel)
        return
    if scheduler is None and workers == 1:
        for number, job in enumerate(jobs):
            if cancel.is_cancelled():
                return
            if isinstance(job, JobOutcome):
                yield job
            else:
                yield _check(do_here(job, cancel, partial(tell, number)))
        return
    with Crew[int](workers=workers, scheduler=scheduler) as crew:
        yield from _Row(crew, jobs, tell, courier).run(cancel)


def _check(outcome: JobOutcome) -> JobOutcome:
    """Raise a JobError where the other jobs would fail of the same."""
    if outcome.is_hopeless:
        raise JobError(outcome.error)
    return outcome


class _Row:
    """Jobs in a row: which are taken, which run, and the outcomes that wait for an earlier one."""

    def __init__(
        self,
        crew: Crew[int] | ThreadCrew[int],
        jobs: Iterable[Job | JobOutcome],
        tell: Listen,
        courier: Courier | None = None,
    ) -> None:
        self._crew = crew
        self._jobs = iter(jobs)
        self._tell = tell
        self._courier = courier
        self._requests: Counter[int] = Counter()
        self._running: dict[int, Job] = {}
        self._retried: set[int] = set()
        self._ended: dict[int, JobOutcome] = {}
        self._n_taken = 0
        self._n_yielded = 0
        self._stop_at: float | None = None
        self._has_settled = False

    def run(self, cancel: Cancel) -> Iterator[JobOutcome]:
        """Yield the outcomes in order."""
        while True:
            if self._stop_at is None and cancel.is_cancelled():
                self._stop_at = time.monotonic() + self._crew.leave_seconds
                self._crew.cancel()
            self._fill()
            before = self._n_yielded
            while self._n_yielded in self._ended:
                yield self._ended.pop(self._n_yielded)
                self._n_yielded += 1
            if self._has_settled or self._n_yielded > before:  # there may be room for more
                continue
            if not self._crew.is_busy or self._is_late():
                return
            self._hear()

    def _is_late(self) -> bool:
        return self._stop_at is not None and time.monotonic() > self._stop_at

    def _fill(self) -> None:
        """Begin as many jobs as there is room for, up to one that has ended already."""
        self._has_settled = False
        while (
            not self._has_settled
            and self._stop_at is None
            and self._crew.has_room
            and self._n_taken - self._n_yielded < AHEAD
            and (job := next(self._jobs, None)) is not None
        ):
            number = self._n_taken
            self._n_taken += 1
            if isinstance(job, JobOutcome):
                self._ended[number] = job
                self._has_settled = True
            else:
                self._running[number] = job
                self._begin(number)

    def _begin(self, number: int, lacking: Sequence[str] = (), worker: str | None = None) -> None:
        """Hand a job to a worker, with its files where they are sent."""
        job = self._running[number]
        try:
            if self._courier is not None:
                job = self._courier.pack(cast("Portable", job), lacking, worker)
        except Exception as error:  # noqa: BLE001 - one scan's files are not the others'
            self._end(number, explain_failure(error))
            return
        self._crew.begin(number, job)

    def _hear(self) -> None:
        heard = self._crew.hear()
        if heard is None:
            return
        number, what = heard
        if not isinstance(what, JobOutcome):
            if not isinstance(what, Finished):
                self._tell(number, what)
            return
        if what.error == WORKER_DIED and number not in self._retried and self._stop_at is None:
            self._retried.add(number)
            self._begin(number)
            return
        lacking = what.result.get(LACKING)
        if self._courier is not None and lacking is not None and self._stop_at is None:
            self._requests[number] += 1
            if self._requests[number] > _MOST_REQUESTS:
                what = JobOutcome("failed", KEEPS_NOTHING)
            else:
                self._begin(number, lacking, what.result[WORKER])
                return
        self._end(number, _check(what))

    def _end(self, number: int, outcome: JobOutcome) -> None:
        """Keep an outcome until its turn comes; files that came back are written now."""
        job = self._running.pop(number)
        self._retried.discard(number)
        self._requests.pop(number, None)
        if self._courier is not None and outcome.status == "done":
            try:
                check_names(outcome.files)
                cast("Portable", job).receive(outcome.files, outcome.result)
            except Exception as error:  # noqa: BLE001 - one scan's files are not the others'
                outcome = explain_failure(error)
        self._ended[number] = replace(outcome, files={})
        self._has_settled = True


def _ignore(_number: int, _event: Event) -> None:
    """Listen to nothing."""

"""Many jobs side by side: outcomes come in the order of the jobs; one that fails stops no other.

dask.distributed hands the jobs to the workers. Here is what it does not do: only so many jobs are
on their way at a time, whatever the number of all; and a job whose worker died is tried once more.
"""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Generic, Self, TypeVar

from napari_retseg.engine.dispatch import Engine
from napari_retseg.engine.handle import JobHandle
from napari_retseg.engine.jobs import WORKER_DIED, Job, JobOutcome, explain_failure
from napari_retseg.errors import JobError
from napari_retseg.events import Cancel, Event, Finished

Key = TypeVar("Key", bound=Hashable)
#: Told what the jobs say: the number of a job, and the event.
Listen = Callable[[int, Event], None]

#: Jobs that a scheduler has at a time; several for each worker, so that none of them waits for us.
IN_FLIGHT = 256
#: How far the jobs may be ahead of the oldest one that has not ended: its outcome comes first, and
#: those of the others are kept meanwhile.
AHEAD = 1024
_TICK_SECONDS = 0.1
#: How long running jobs may take to stop by themselves.
_LEAVE_SECONDS = 2.0


class Crew(Generic[Key]):
    """Workers that take jobs, each known by a key, and a queue of what they say.

    Parameters
    ----------
    workers
        Processes on this machine, each of which does one job at a time.
    scheduler
        A dask scheduler's address, whose workers do the jobs in the place of such processes.
    """

    def __init__(self, *, workers: int, scheduler: str | None) -> None:
        self._engines = [Engine(scheduler)] if scheduler else [Engine() for _ in range(workers)]
        places = IN_FLIGHT if scheduler else 1
        # first in, first out: a job that is tried again gets another process where one is free
        self._free = deque(engine for engine in self._engines for _ in range(places))
        self._busy: dict[Key, tuple[Engine, JobHandle]] = {}
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
        return bool(self._free)

    def begin(self, key: Key, job: Job) -> None:
        """Hand a job to a worker."""
        engine = self._free.popleft()
        say = partial(self._say, key)
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
        return key, what

    def cancel(self) -> None:
        """Ask all jobs to stop."""
        for _, handle in self._busy.values():
            handle.cancel()

    def _say(self, key: Key, what: Event | JobOutcome) -> None:
        self._told.put((key, what))


def spread(
    jobs: Iterable[Job],
    cancel: Cancel,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    listen: Listen | None = None,
) -> Iterator[JobOutcome]:
    """Do jobs side by side, and yield how each ended, in the order of the jobs.

    Parameters
    ----------
    jobs
        Taken one by one, shortly before they begin. A job may be done twice, where a worker dies.
    cancel
        Asked ten times a second. Then no job begins, those that run are asked to stop, and what
        has ended by then is yielded.
    workers
        Processes on this machine; with 1, the jobs are done in this process.
    scheduler
        A dask scheduler's address, whose workers do the jobs.
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
    if scheduler is None and workers == 1:
        for number, job in enumerate(jobs):
            if cancel.is_cancelled():
                return
            yield _check(do_here(job, cancel, partial(tell, number)))
        return
    with Crew[int](workers=workers, scheduler=scheduler) as crew:
        yield from _Row(crew, jobs, tell).run(cancel)


def _check(outcome: JobOutcome) -> JobOutcome:
    """Raise a JobError where the other jobs would fail of the same."""
    if outcome.is_hopeless:
        raise JobError(outcome.error)
    return outcome


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


class _Row:
    """Jobs in a row: which are taken, which run, and the outcomes that wait for an earlier one."""

    def __init__(self, crew: Crew[int], jobs: Iterable[Job], tell: Listen) -> None:
        self._crew = crew
        self._jobs = iter(jobs)
        self._tell = tell
        self._running: dict[int, Job] = {}
        self._retried: set[int] = set()
        self._ended: dict[int, JobOutcome] = {}
        self._n_taken = 0
        self._n_yielded = 0
        self._stop_at: float | None = None

    def run(self, cancel: Cancel) -> Iterator[JobOutcome]:
        """Yield the outcomes in order."""
        while True:
            if self._stop_at is None and cancel.is_cancelled():
                self._stop_at = time.monotonic() + _LEAVE_SECONDS
                self._crew.cancel()
            self._fill()
            if not self._crew.is_busy or self._is_late():
                return
            self._hear()
            while self._n_yielded in self._ended:
                yield self._ended.pop(self._n_yielded)
                self._n_yielded += 1

    def _is_late(self) -> bool:
        return self._stop_at is not None and time.monotonic() > self._stop_at

    def _fill(self) -> None:
        """Begin as many jobs as there is room for."""
        while (
            self._stop_at is None
            and self._crew.has_room
            and self._n_taken - self._n_yielded < AHEAD
            and (job := next(self._jobs, None)) is not None
        ):
            self._running[self._n_taken] = job
            self._crew.begin(self._n_taken, job)
            self._n_taken += 1

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
            self._crew.begin(number, self._running[number])
            return
        del self._running[number]
        self._retried.discard(number)
        self._ended[number] = _check(what)


def _ignore(_number: int, _event: Event) -> None:
    """Listen to nothing."""

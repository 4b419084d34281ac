"""Jobs side by side on threads of this process: one waits for the disk while another computes."""

from __future__ import annotations

import math
import queue
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, Self, TypeVar

from napari_retseg.engine.jobs import Job, JobOutcome, do_here
from napari_retseg.events import CancelToken, Event

Key = TypeVar("Key", bound=Hashable)
_TICK_SECONDS = 0.1


class ThreadCrew(Generic[Key]):
    """Threads that take jobs, each known by a key, and a queue of what they say.

    The jobs themselves see to it that only one of them uses what cannot be shared.

    Parameters
    ----------
    threads
        How many jobs are done at a time.
    """

    #: A thread cannot be ended: it stops by itself, or is waited for.
    leave_seconds = math.inf

    def __init__(self, *, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="retseg-job")
        self._n_threads = threads
        self._n_busy = 0
        self._stop = CancelToken()
        self._told: queue.SimpleQueue[tuple[Key, Event | JobOutcome]] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._stop.cancel()  # where nobody listens any more
        self._pool.shutdown(cancel_futures=True)

    @property
    def is_busy(self) -> bool:
        """Whether a job has not ended yet."""
        return self._n_busy > 0

    @property
    def has_room(self) -> bool:
        """Whether one more job may begin."""
        return self._n_busy < self._n_threads

    def begin(self, key: Key, job: Job) -> None:
        """Hand a job to a thread."""
        self._n_busy += 1
        self._pool.submit(self._do, key, job)

    def hear(self) -> tuple[Key, Event | JobOutcome] | None:
        """Return what was said next, of which job; None where nobody says anything for a while."""
        try:
            key, what = self._told.get(timeout=_TICK_SECONDS)
        except queue.Empty:
            return None
        if isinstance(what, JobOutcome):
            self._n_busy -= 1
        return key, what

    def cancel(self) -> None:
        """Ask all jobs to stop."""
        self._stop.cancel()

    def _do(self, key: Key, job: Job) -> None:
        outcome = do_here(job, self._stop, lambda event: self._told.put((key, event)))
        self._told.put((key, outcome))

"""The engine's one thread: takes jobs, hears from the workers, calls back."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
import traceback
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Self

from napari_retseg.engine.connecting import Connecting
from napari_retseg.engine.handle import JobHandle, restore_lists
from napari_retseg.engine.jobs import (
    WORKER_DIED,
    Job,
    JobOutcome,
    Lane,
    PrepareJob,
    Status,
    cancel_flag,
    explain_failure,
)
from napari_retseg.engine.parcel import Parcel
from napari_retseg.engine.reach import complete_address, explain_silence
from napari_retseg.engine.workers import LocalWorkers, Workers, send_job
from napari_retseg.errors import JobError, RetsegError
from napari_retseg.events import Cancel, Event, Finished, Message, decode

logger = logging.getLogger(__name__)

_TICK_SECONDS = 0.1
_LEAVE_SECONDS = 3.0
_FETCH_SECONDS = 60.0


class Engine:
    """Runs jobs in worker processes.

    All its state belongs to one thread, which the first job starts; callbacks come on that thread,
    a job's events in order and all of them before its outcome.

    Parameters
    ----------
    address
        ``tcp://host:port`` (or ``tls://``, configured as dask says) of a dask scheduler; None for
        processes of its own on this machine.
    settings
        More of the environment of processes of its own.
    """

    def __init__(
        self, address: str | None = None, *, settings: Mapping[str, str] | None = None
    ) -> None:
        self._settings = settings
        self._address = None if address is None else complete_address(address)
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_closed = False
        # the rest is used on the engine's thread only
        self._topic = f"retseg-{uuid.uuid4().hex}"
        self._jobs: dict[str, JobHandle] = {}
        self._workers: Workers | None = None
        self._connecting: Connecting | None = None
        self._watched = 0.0
        self._idle_deaths: Counter[Lane] = Counter()
        self._stop_at: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def submit(
        self, job: Job, *, on_event: Callable[[Event], None], on_done: Callable[[JobOutcome], None]
    ) -> JobHandle:
        """Start a job, or queue it behind others; returns at once.

        Parameters
        ----------
        job
            What to do.
        on_event, on_done
            Called on the engine's thread; they must be quick.

        Raises
        ------
        JobError
            Where the engine is closed.
        """
        handle = JobHandle(self, job, on_event=on_event, on_done=on_done)
        with self._lock:
            if self._is_closed:
                raise JobError("the engine is closed; open a new one")
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._serve, name="retseg-engine", daemon=True
                )
                self._thread.start()
            self._inbox.put(partial(self._begin, handle))
        return handle

    def run(self, job: Job, *, cancel: Cancel | None = None) -> Iterator[Event]:
        """Run a job and yield its events as they come.

        Parameters
        ----------
        job
            What to do.
        cancel
            Asked ten times a second; the job is stopped, too, where the iterator is closed early.

        Raises
        ------
        JobError
            Where the job failed.
        """
        events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        has_finished = False
        handle = self.submit(job, on_event=events.put, on_done=lambda _: events.put(None))
        try:
            while True:
                if cancel is not None and cancel.is_cancelled():
                    handle.cancel()
                    cancel = None
                try:
                    event = events.get(timeout=_TICK_SECONDS)
                except queue.Empty:
                    continue
                if event is None:
                    break
                has_finished = isinstance(event, Finished)
                yield event
        finally:
            handle.cancel()
        outcome = handle.wait()
        if outcome.status == "failed":
            error = JobError(outcome.error)
            if outcome.traceback:
                error.add_note(outcome.traceback)
            raise error
        if outcome.status == "cancelled" and not has_finished:  # it had not begun
            yield Finished(cancelled=True)

    def cancel(self, handle: JobHandle) -> None:
        """Ask a job to stop; returns at once."""
        if handle.is_running:
            self._inbox.put(partial(self._cancel, handle))

    def ask(
        self, function: Callable[..., Any], *arguments: Any, worker: str | None = None
    ) -> dict[str, Any]:
        """Call a short function in one or all of the workers elsewhere, also while jobs run there.

        Return what it returned, by address; who does not answer soon is left out.
        """
        answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

        def ask() -> None:
            here = self._workers
            answers.put({} if here is None else here.ask(function, *arguments, worker=worker))

        self._inbox.put(ask)
        while self._thread is not None and self._thread.is_alive():
            with contextlib.suppress(queue.Empty):
                return answers.get(timeout=_TICK_SECONDS)
        return {}

    def close(self, *, grace: float = 0.0) -> None:
        """End everything: jobs, worker processes, threads. Jobs that still run are cancelled.

        Parameters
        ----------
        grace
            Seconds for running jobs to stop by themselves before their processes are ended.
        """
        with self._lock:
            first, self._is_closed = not self._is_closed, True
            thread = self._thread
        if thread is None:
            return
        if first:
            self._inbox.put(partial(self._prepare_stop, grace))
        if thread is not threading.current_thread():
            # a scheduler elsewhere may never answer again; processes of our own always end
            thread.join(None if self._address is None else _LEAVE_SECONDS)

    # The rest runs on the engine's thread.

    def _serve(self) -> None:
        try:
            while not self._is_over():
                with contextlib.suppress(queue.Empty):
                    self._inbox.get(timeout=_TICK_SECONDS)()
                self._watch()
        finally:
            self._shut_down()

    def _is_over(self) -> bool:
        if self._stop_at is None:
            return False
        return not self._jobs or time.monotonic() >= self._stop_at

    def _prepare_stop(self, grace: float) -> None:
        self._stop_at = time.monotonic() + grace
        if grace > 0:
            for handle in list(self._jobs.values()):
                self._cancel(handle)

    def _begin(self, handle: JobHandle) -> None:
        self._jobs[handle.id] = handle
        if self._workers is not None or self._address is None:
            self._send(handle)
        elif self._connecting is None:
            self._connecting = Connecting(
                self._address, lambda one: self._inbox.put(partial(self._meet, one))
            )

    def _meet(self, connecting: Connecting) -> None:
        """Send the jobs that waited for the scheduler, or say why it cannot be reached."""
        if connecting is not self._connecting:  # it came too late
            return
        self._connecting = None
        if connecting.error is not None:
            self._end_all(explain_failure(connecting.error))
            return
        self._workers = connecting.workers
        self._listen()
        for handle in list(self._jobs.values()):
            self._send(handle)

    def _send(self, handle: JobHandle) -> None:
        try:
            self._hand_over(handle)
        except RetsegError as error:
            self._end(handle, explain_failure(error))
        except TimeoutError:
            self._lose_scheduler()
        except Exception as error:
            logger.exception("%s could not be sent to a worker", handle.id)
            self._end(handle, explain_failure(error))

    def _hand_over(self, handle: JobHandle) -> None:
        if self._workers is None:
            self._workers = LocalWorkers(self._settings)
            self._listen()
        if not self._workers.has_worker():
            text = f"no worker is connected to {self._address} yet; waiting for one"
            handle.tell(Message(text, "warning"))
        handle.future = send_job(
            self._workers,
            handle.job,
            job_id=handle.id,
            topic=self._topic,
            on_end=lambda: self._inbox.put(partial(self._settle, handle)),
        )
        if isinstance(handle.job, Parcel):  # what was sent fills the memory no longer
            handle.job = replace(handle.job, data={})

    def _listen(self) -> None:
        assert self._workers is not None
        self._workers.client.subscribe_topic(self._topic, self._on_message)

    def _on_message(self, stamped: tuple[float, dict[str, Any]]) -> None:
        """Take a message over from dask's thread to the engine's."""
        self._inbox.put(partial(self._receive, stamped[1]))

    def _receive(self, message: dict[str, Any]) -> None:
        handle = self._jobs.get(message["job"])
        if handle is None:  # a late event of a job that has ended
            return
        handle.has_started = True
        self._idle_deaths[handle.job.lane] = 0
        if message["event"] is None:
            return
        event = decode(restore_lists(message["event"]))
        if isinstance(event, Finished):
            handle.finished = event
        handle.tell(event)

    def _settle(self, handle: JobHandle) -> None:
        """End a job whose task has ended."""
        if handle.id not in self._jobs:
            return
        if handle.future.status in ("cancelled", "lost"):
            self._lose_scheduler()
        elif handle.future.status == "error":
            self._end(handle, explain_failure(handle.future.exception()))
        elif handle.finished is None:
            self._end(handle, JobOutcome("failed", "the job ended without a result; try again"))
        else:
            self._end(handle, self._fetch(handle, handle.finished))

    def _fetch(self, handle: JobHandle, finished: Finished) -> JobOutcome:
        """Make the outcome of a job that has finished; what it wrote elsewhere is fetched."""
        status: Status = "cancelled" if finished.cancelled else "done"
        files: dict[str, bytes] = {}
        if isinstance(handle.job, Parcel) and status == "done":
            try:
                files = handle.future.result(timeout=_FETCH_SECONDS)
            except Exception as error:  # noqa: BLE001 - its worker has died since
                trace = "".join(traceback.format_exception(error))
                return JobOutcome("failed", WORKER_DIED, traceback=trace)
        return JobOutcome(status, result=finished.result, files=files)

    def _end(self, handle: JobHandle, outcome: JobOutcome) -> None:
        del self._jobs[handle.id]
        if handle.future is not None and not handle.future.done():
            handle.future.cancel()
        handle.future = None
        lane = handle.job.lane
        is_free = not self._in_lane(lane) and not isinstance(handle.job, PrepareJob)
        if self._workers is not None and is_free:
            self._workers.retire(lane)
        handle.end(outcome)

    def _cancel(self, handle: JobHandle) -> None:
        if handle.id not in self._jobs:
            return
        if self._workers is None:  # it still waits for the scheduler
            self._end(handle, JobOutcome("cancelled"))
            return
        from distributed import Event as Flag

        try:
            Flag(cancel_flag(handle.id), client=self._workers.client).set()
        except OSError:
            self._lose_scheduler()
            return
        if not handle.has_started:
            self._end(handle, JobOutcome("cancelled"))

    def _in_lane(self, lane: Lane) -> list[JobHandle]:
        return [handle for handle in self._jobs.values() if handle.job.lane == lane]

    def _watch(self) -> None:
        """Notice what died: an own worker process, or the connection to a scheduler."""
        if self._connecting is not None and self._connecting.is_late:
            self._connecting.leave()
            self._connecting = None
            self._end_all(JobOutcome("failed", explain_silence(str(self._address))))
        now = time.monotonic()
        if self._workers is None or now - self._watched < _TICK_SECONDS:
            return
        self._watched = now
        for lane, log in self._workers.take_dead().items():
            self._lose_worker(lane, log)
        if self._workers.client.status != "running":
            self._lose_scheduler()

    def _lose_worker(self, lane: Lane, log: str) -> None:
        """Fail the job that ran there; those behind it go on in a new process."""
        waiting = self._in_lane(lane)
        started = [handle for handle in waiting if handle.has_started]
        for handle in started:
            self._end(handle, JobOutcome("failed", WORKER_DIED, traceback=log))
        is_own = self._address is None
        self._idle_deaths[lane] = self._idle_deaths[lane] + 1 if is_own and not started else 0
        if waiting and self._idle_deaths[lane] > 1:
            last = (log.strip() or "without a message").splitlines()[-1]
            line = f"the worker process cannot start ({last}); reinstall napari-retseg"
            outcome = JobOutcome("failed", line, traceback=log, is_hopeless=True)
            self._end(waiting[0], outcome)
        if self._in_lane(lane) and self._workers is not None:
            self._workers.provide(lane)

    def _lose_scheduler(self) -> None:
        """Fail all jobs; the next one connects again."""
        workers, self._workers = self._workers, None
        line = f"{self._address}: the connection to the scheduler was lost; try again"
        self._end_all(JobOutcome("failed", line))
        if workers is not None:
            workers.close()

    def _end_all(self, outcome: JobOutcome) -> None:
        """End all jobs, because the scheduler is not there."""
        for handle in list(self._jobs.values()):
            self._end(handle, replace(outcome, is_hopeless=True))

    def _shut_down(self) -> None:
        with self._lock:
            self._is_closed = True
        for handle in list(self._jobs.values()):
            del self._jobs[handle.id]
            handle.end(JobOutcome("cancelled"))
        if self._connecting is not None:
            self._connecting.leave()
        if self._workers is not None:
            self._workers.close()

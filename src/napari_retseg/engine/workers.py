"""Where an engine's jobs run: processes of its own, or the workers of a dask scheduler."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from napari_retseg.engine.jobs import Job, Lane, run_job
from napari_retseg.engine.parcel import Parcel
from napari_retseg.engine.reach import ANSWER_SECONDS, explain_silence, find_keys, knock
from napari_retseg.engine.tls import Keys
from napari_retseg.errors import JobError
from napari_retseg.scratch import Scratch

#: How often a scheduler elsewhere is asked for its workers.
_ASK_SECONDS = 1.0
#: How long a worker may take to answer a question, with a few megabytes.
_CALL_SECONDS = 30.0
#: How long a worker of ours looks for its scheduler.
_MEET_SECONDS = 20.0
#: The scheduler lives in the caller's process: it keeps few of the events that pass through it.
_SCHEDULER_SETTINGS = {"distributed.admin.low-level-log-length": 20}
_WORKER_SETTINGS = {
    "DASK_DISTRIBUTED__ADMIN__LOW_LEVEL_LOG_LENGTH": "20",
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
}
#: A volume travels inside its job; dask would warn about it.
_SUBMIT_SETTINGS = {"distributed.admin.large-graph-warning-threshold": "1TB"}


#: A viewer that needs a core gets it first; on an idle machine this costs nothing.
_NICENESS = 5
_CREATION_FLAGS = (
    getattr(subprocess, "CREATE_NO_WINDOW", 0)
    | getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0)
    | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
)


class _Silence:
    """Keeps dask's log off the terminal: what goes wrong is told by the jobs' outcomes.

    Engines may overlap: the last one to leave gives the log back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._levels: dict[str, int] = {}

    def __enter__(self) -> None:
        # dask sets its levels when it is imported
        import distributed  # noqa: F401

        with self._lock:
            self._users += 1
            if self._users > 1:
                return
            names = [name for name in logging.root.manager.loggerDict if _is_dasks(name)]
            levels = {name: logging.getLogger(name).level for name in names}
            self._levels = {n: level for n, level in levels.items() if level != logging.NOTSET}
            for name in self._levels:
                logging.getLogger(name).setLevel(logging.CRITICAL + 1)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                for name, level in self._levels.items():
                    logging.getLogger(name).setLevel(level)


def _is_dasks(name: str) -> bool:
    return name == "distributed" or name.startswith("distributed.")


#: Held while dask runs in this process.
SILENCE = _Silence()


class WorkerProcess:
    """One process with one dask worker, which runs one job at a time.

    It is started from its own command line, not with :mod:`multiprocessing`: a spawned process
    would run the main module again, which is napari, or a script that opens a viewer. It has no
    Qt in it, and ends by itself when its scheduler is gone.

    Parameters
    ----------
    address
        The scheduler's address.
    lane
        The resource that the worker offers; jobs ask for it.
    folder
        Where its log and dask's scratch files go.
    keys
        The scheduler's.
    settings
        More of its environment.
    """

    def __init__(
        self,
        address: str,
        *,
        lane: Lane,
        folder: Path,
        keys: Keys,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._log = folder / f"{lane}.log"
        options = {
            "nthreads": 1,
            "host": "127.0.0.1",
            "memory_limit": 0,
            "resources": {lane: 1},
            "dashboard": False,
            # one whose scheduler dies before they have met would look for it for ever
            "death_timeout": _MEET_SECONDS,
            "local_directory": str(folder),
        }
        spec = json.dumps({"cls": "napari_retseg.engine.quiet.QuietWorker", "opts": options})
        module = "distributed.cli.dask_spec"
        # what this process can import, the worker can, as with a spawned process
        paths = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-P", "-m", module, address, "--spec", spec],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={
                    **os.environ,
                    **_WORKER_SETTINGS,
                    **keys.list_settings(),
                    **(settings or {}),
                    "PYTHONPATH": paths,
                },
                creationflags=_CREATION_FLAGS,
                # Ctrl-C in a terminal is for the command alone, which stops its jobs cleanly
                process_group=0 if os.name == "posix" else None,
            )
        if hasattr(os, "setpriority"):
            # at once, because threads keep the priority of the thread that starts them
            os.setpriority(os.PRIO_PROCESS, self._process.pid, _NICENESS)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def read_log(self) -> str:
        """What the processes of this lane have written, for the developer."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        """End the process now. A job that runs in it is lost, but no file is: those are atomic."""
        self._process.kill()
        self._process.wait()


class RemoteWorkers:
    """The workers of a dask scheduler somewhere.

    Raises
    ------
    JobError
        Where no scheduler answers at the address.
    """

    def __init__(self, address: str) -> None:
        with contextlib.ExitStack() as stack:
            stack.enter_context(SILENCE)
            self.client = _connect(address)
            stack.callback(self.client.close)
            self._ending = stack.pop_all()
        self._had_workers = False
        self._asked = time.monotonic()
        self._seen_at = -_ASK_SECONDS

    def provide(self, lane: Lane) -> dict[str, int] | None:  # noqa: ARG002 - as LocalWorkers
        """Return the resources to ask for: none; any worker will do."""
        return None

    def has_worker(self) -> bool:
        """Whether a worker is connected to the scheduler, or was so a moment ago.

        Raises
        ------
        OSError
            Where it does not answer.
        """
        # of many workers the answer is long, and thousands of jobs are sent one after the other
        return time.monotonic() - self._seen_at < _ASK_SECONDS or self._ask()

    def _ask(self) -> bool:
        # as client.scheduler_info(), which would wait for ever
        told = self.client.sync(self.client.scheduler.identity, callback_timeout=ANSWER_SECONDS)
        if told["workers"]:
            self._seen_at = time.monotonic()
        return bool(told["workers"])

    def ask(
        self, function: Callable[..., Any], *arguments: Any, worker: str | None = None
    ) -> dict[str, Any]:
        """Call a function in one or all workers; those that do not answer are left out."""
        try:
            told = self.client.sync(
                self.client._run,  # client.run() would wait for ever
                function,
                *arguments,
                workers=None if worker is None else [worker],
                on_error="ignore",
                callback_timeout=ANSWER_SECONDS if worker is None else _CALL_SECONDS,
            )
        except OSError:  # TimeoutError is one
            return {}
        return {str(address): answer for address, answer in told.items()}

    def retire(self, lane: Lane) -> None:
        """Do nothing: the workers are others' own."""

    def take_dead(self) -> dict[Lane, str]:
        """Return every lane when the last worker has gone; of others the scheduler tells.

        Without a worker left the scheduler would wait for one and say nothing.
        """
        now = time.monotonic()
        if now - self._asked < _ASK_SECONDS:
            return {}
        self._asked = now
        try:
            has_workers = self._ask()
        except OSError:  # no scheduler: its status says so
            return {}
        had, self._had_workers = self._had_workers, has_workers
        return {"predict": "", "train": ""} if had and not has_workers else {}

    def close(self) -> None:
        """Leave the scheduler."""
        self._ending.close()


class LocalWorkers:
    """A scheduler in a background thread, and one worker process for each lane in use.

    Parameters
    ----------
    settings
        More of the processes' environment.
    """

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        import dask
        from distributed import SpecCluster

        from napari_retseg.engine.quiet import QuietScheduler

        self._processes: dict[Lane, WorkerProcess] = {}
        self._settings = settings
        with contextlib.ExitStack() as stack, dask.config.set(_SCHEDULER_SETTINGS):
            stack.enter_context(SILENCE)
            self._scratch = stack.enter_context(Scratch())
            self._keys = Keys(self._scratch.path)
            options = {
                "host": "127.0.0.1",
                "protocol": "tls://",
                "security": self._keys.security,
                "dashboard": False,
            }
            self._cluster = SpecCluster(
                scheduler={"cls": QuietScheduler, "options": options},
                security=self._keys.security,
                silence_logs=False,
            )
            stack.callback(self._cluster.close)
            stack.callback(self._stop_processes)
            self.client = _make_client(self._cluster)
            stack.callback(self.client.close)
            self._ending = stack.pop_all()

    def provide(self, lane: Lane) -> dict[str, int] | None:
        """Start the lane's process if it does not run; return the resources to ask for."""
        process = self._processes.get(lane)
        if process is None or not process.is_alive:
            self._processes[lane] = WorkerProcess(
                self._cluster.scheduler_address,
                lane=lane,
                folder=self._scratch.path,
                keys=self._keys,
                settings=self._settings,
            )
        return {lane: 1}

    def has_worker(self) -> bool:
        """Whether there is one: a job's process is started with it."""
        return True

    def ask(
        self, function: Callable[..., Any], *arguments: Any, worker: str | None = None
    ) -> dict[str, Any]:
        """Ask nobody: workers of this machine see its files."""
        del function, arguments, worker
        return {}

    def retire(self, lane: Lane) -> None:
        """End the process of training, so that its memory returns; others stay warm."""
        if lane == "train" and lane in self._processes:
            self._processes.pop(lane).stop()

    def take_dead(self) -> dict[Lane, str]:
        """Forget the processes that died; return their logs by lane."""
        dead = [lane for lane, process in self._processes.items() if not process.is_alive]
        return {lane: self._processes.pop(lane).read_log() for lane in dead}

    def close(self) -> None:
        """End the processes and the scheduler."""
        self._ending.close()

    def _stop_processes(self) -> None:
        for process in self._processes.values():
            process.stop()


Workers = LocalWorkers | RemoteWorkers


def send_job(
    workers: Workers, job: Job, *, job_id: str, topic: str, on_end: Callable[[], None]
) -> Any:
    """Hand a job to the workers; return its future. `on_end` comes on a thread of dask's."""
    import dask

    worker = job.worker if isinstance(job, Parcel) else None
    with dask.config.set(_SUBMIT_SETTINGS):
        future = workers.client.submit(
            run_job,
            job,
            job_id,
            topic,
            key=job_id,
            pure=False,
            retries=0,
            resources=workers.provide(job.lane),
            workers=worker,
            allow_other_workers=worker is not None,
        )
    future.add_done_callback(lambda _: on_end())
    return future


def _connect(address: str) -> Any:
    knock(address)
    try:
        return _make_client(address, security=find_keys(address))
    except (OSError, ValueError) as error:
        raise JobError(explain_silence(address)) from error


def _make_client(target: Any, security: Any = None) -> Any:
    from distributed import Client

    named = {} if security is None else {"security": security}
    return Client(target, timeout=ANSWER_SECONDS, set_as_default=False, **named)

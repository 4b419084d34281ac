"""A dask scheduler and workers that are not the engine's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from tests.listening import TIMEOUT


class Remote:
    """A dask scheduler and its workers, each a process started from a command line."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "scheduler.json"
        self._folder = folder
        self._processes = [
            self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        ]

    def _start(self, *args: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dask", args[0], "--scheduler-file", str(self._file)]
        root = Path(__file__).parents[1]
        with (self._folder / f"{args[0]}.log").open("ab") as log:
            return subprocess.Popen(
                [*command, *args[1:]],
                stdout=log,
                stderr=log,
                # the program as it is here, not as it may be installed
                env={**os.environ, "PYTHONPATH": os.pathsep.join((str(root / "src"), str(root)))},
            )

    @property
    def pid(self) -> int:
        """The scheduler's process."""
        return self._processes[0].pid

    @property
    def address(self) -> str:
        deadline = time.monotonic() + TIMEOUT
        while not self._file.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return str(json.loads(self._file.read_text())["address"])

    def add_worker(self, *more: str) -> None:
        options = (
            *more,
            "--nthreads",
            "1",
            "--no-dashboard",
            "--local-directory",
            str(self._folder),
        )
        self._processes.append(self._start("worker", *options))

    def kill_work(self) -> None:
        """Kill the process in which jobs run; its nanny starts another."""
        for child in psutil.Process(self._processes[-1].pid).children(recursive=True):
            child.kill()

    def kill_scheduler(self) -> None:
        self._processes[0].kill()

    def close(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            process.wait(TIMEOUT)

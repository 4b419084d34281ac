"""The other processes of one training: started, told what to do, and ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

import torch

from napari_retseg.errors import JobError, UsageError
from napari_retseg.learn.exchange import ALONE, LOST, Exchange, GroupExchange
from napari_retseg.learn.setup import Setup
from napari_retseg.nets.device import use_threads
from napari_retseg.plural import count_noun
from napari_retseg.records import parse_json
from napari_retseg.scratch import Scratch

#: They talk on this machine only; on Windows its name says so.
_LOOPBACK = {"linux": "lo", "darwin": "lo0"}
_INTERFACES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")
#: How long they may take to end by themselves.
_LEAVE_SECONDS = 5.0


class Peers:
    """The processes that take each step with this one; none, where a training has one device.

    Attributes
    ----------
    exchange
        What this process tells them, once they have met.
    """

    def __init__(self) -> None:
        self.exchange: Exchange = ALONE

    def meet(self) -> None:
        """Wait until all are ready."""

    def order(self, iteration: int, rate: float, share: float, lesson: float | None) -> None:
        """Let them take a step, too.

        Parameters
        ----------
        rate
            Learning rate.
        share
            Of the starting weights in what is kept.
        lesson
            How far the lessons are, 0 to 1; None: none in this step.
        """


class _Processes(Peers):
    def __init__(self, setup: Setup, run: Path, folder: Path) -> None:
        super().__init__()
        self._size = setup.config.devices
        self._device = setup.compute.device
        self._store = folder / "store"
        self._logs = [folder / f"{rank}.log" for rank in range(1, self._size)]
        self._processes = [_start(log) for log in self._logs]
        compute = {"device": self._device.type, "precision": setup.compute.precision}
        about = {
            "dataset": setup.dataset.model_dump(mode="json"),
            "config": {**setup.config.model_dump(mode="json"), **compute},
            "run": str(run.absolute()),
            "store": str(self._store),
        }
        for rank, process in enumerate(self._processes, start=1):
            self._say(process, {**about, "rank": rank})

    def meet(self) -> None:
        """Wait until all have read the scans."""
        for process in self._processes:
            assert process.stdout is not None
            if not process.stdout.readline():
                process.wait()
                self._look()
        self.exchange = GroupExchange(
            self._store, rank=0, size=self._size, device=self._device, look=self._look
        )

    def order(self, iteration: int, rate: float, share: float, lesson: float | None) -> None:
        """Let them take a step, too."""
        step = {"iteration": iteration, "rate": rate, "share": share, "lesson": lesson}
        for process in self._processes:
            self._say(process, step)

    def close(self) -> None:
        """End them: as asked where all is well, else at once."""
        if any(process.poll() is not None for process in self._processes):
            self._kill()
        for process in self._processes:
            assert process.stdin is not None
            with suppress(OSError):
                process.stdin.close()
        self.exchange.close()
        with suppress(subprocess.TimeoutExpired):
            for process in self._processes:
                process.wait(_LEAVE_SECONDS)
        self._kill()

    def _kill(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()

    def _say(self, process: subprocess.Popen[str], what: object) -> None:
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(what) + "\n")
            process.stdin.flush()
        except OSError:
            process.wait()
            self._look()

    def _look(self) -> None:
        """Raise a JobError where one of them has ended."""
        for process, log in zip(self._processes, self._logs, strict=True):
            if process.poll() is not None:
                raise JobError(_read_reason(log) or LOST)


@contextmanager
def open_peers(setup: Setup, run: Path) -> Iterator[Peers]:
    """Start the other processes of a training, whose run is in a folder already, and end them."""
    number = setup.config.devices
    if number == 1:
        yield Peers()
        return
    threads = torch.get_num_threads()
    with ExitStack() as stack:
        if setup.compute.device.type == "cpu":
            use_threads(max(1, threads // number))
            stack.callback(use_threads, threads)
        if sys.platform in _LOOPBACK:
            for name in _INTERFACES:
                os.environ.setdefault(name, _LOOPBACK[sys.platform])
        folder = stack.enter_context(Scratch()).path
        peers = _Processes(setup, run, folder)
        stack.callback(peers.close)
        yield peers


def check_devices(setup: Setup) -> None:
    """Check that a training can have as many devices as it shall.

    Raises
    ------
    UsageError
        Where it cannot.
    """
    number, kind = setup.config.devices, setup.compute.device.type
    if number == 1:
        return
    if setup.config.accumulate % number:
        raise UsageError(
            f"--devices {number} share the batches of a step, so --accumulate must be a multiple "
            f"of {number}, not {setup.config.accumulate}"
        )
    if kind == "cuda" and number > torch.cuda.device_count():
        there = count_noun(torch.cuda.device_count(), "GPU")
        raise UsageError(f"--devices {number}: this computer has {there}; use fewer")
    if kind == "mps" or not torch.distributed.is_available():
        raise UsageError("--devices works with NVIDIA GPUs and CPUs only; leave it out")


def _start(log: Path) -> subprocess.Popen[str]:
    # what this process can import, the others can
    paths = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
    with log.open("wb") as stream:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "napari_retseg.learn.peer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": paths},
            # Ctrl-C in a terminal is for the command alone, which stops them cleanly
            process_group=0 if os.name == "posix" else None,
        )


def _read_reason(log: Path) -> str:
    """Read what a process said at its end; empty where it could say nothing."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    found = [line.removeprefix(REASON) for line in lines if line.startswith(REASON)]
    return found[-1] if found else ""


#: How a process begins the line that says why it ends.
REASON = "error: "


def read_line(stream: IO[str]) -> dict[str, object] | None:
    """Read what a process is told next; None: nothing more."""
    line = stream.readline()
    found: dict[str, object] | None = (
        parse_json(line, "the process that began this one") if line else None
    )
    return found

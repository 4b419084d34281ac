"""Tiny jobs that a worker process can import by name."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_retseg.engine.jobs import Lane
from napari_retseg.engine.sight import check_seen
from napari_retseg.errors import InputError
from napari_retseg.events import BscanPredicted, Cancel, Event, Finished, Progress


@dataclass(frozen=True)
class CountJob:
    """Count to `total`; with an event for each step."""

    total: int
    seconds: float = 0.0
    lane: Lane = "predict"

    def run(self, cancel: Cancel) -> Iterator[Event]:
        for done in range(1, self.total + 1):
            if cancel.is_cancelled():
                yield Finished(cancelled=True, result={"counted": done - 1})
                return
            time.sleep(self.seconds)
            yield Progress(done, self.total, "step")
        yield Finished(result={"counted": self.total, "pid": os.getpid()})


@dataclass(frozen=True)
class PaintJob:
    """Predict B-scans of which every pixel is the B-scan's index."""

    n_bscans: int
    shape: tuple[int, int]
    lane: Lane = "predict"

    def run(self, cancel: Cancel) -> Iterator[Event]:
        for index in range(self.n_bscans):
            yield BscanPredicted(index, np.full(self.shape, index, dtype=np.uint8))
        yield Finished()


@dataclass(frozen=True)
class DieJob:
    """Die like a process that the system kills."""

    lane: Lane = "predict"

    def run(self, cancel: Cancel) -> Iterator[Event]:
        yield Progress(0, 1)
        time.sleep(0.05)
        if sys.platform == "win32":
            os._exit(1)
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class FailJob:
    """Fail in one of the ways that a user or a programmer can cause."""

    how: str
    lane: Lane = "predict"

    def run(self, cancel: Cancel) -> Iterator[Event]:
        yield Progress(0, 1)
        if self.how == "user":
            raise InputError("scan.tif: is empty; choose another file")
        if self.how == "silent":
            return
        raise ZeroDivisionError("one\nover none")


@dataclass(frozen=True)
class OnceJob:
    """Append a line to a file, then die: shows how often it was run."""

    path: Path
    lane: Lane = "predict"

    def run(self, cancel: Cancel) -> Iterator[Event]:
        with self.path.open("a") as file:
            file.write("run\n")
        yield from DieJob().run(cancel)


@dataclass(frozen=True)
class ModulesJob:
    """Tell which of some modules the worker has imported, and its environment."""

    names: tuple[str, ...]
    lane: Lane = "predict"

    def run(self, cancel: Cancel) -> Iterator[Event]:
        loaded = [name for name in self.names if name in sys.modules]
        main = getattr(sys.modules["__main__"], "__file__", "")
        yield Finished(result={"loaded": loaded, "main": main, "pid": os.getpid()})


@dataclass(frozen=True)
class DieOnceJob:
    """Die, but for the second time."""

    path: Path
    lane: Lane = "predict"

    def run(self, cancel: Cancel) -> Iterator[Event]:
        if self.path.exists():
            yield Finished(result={"counted": -1})
            return
        self.path.touch()
        yield from DieJob().run(cancel)


@dataclass(frozen=True)
class SeeJob:
    """Look whether the worker sees a path."""

    path: Path
    lane: Lane = "predict"

    def run(self, cancel: Cancel) -> Iterator[Event]:
        check_seen([self.path])
        yield Finished()

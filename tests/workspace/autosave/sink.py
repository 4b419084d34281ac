"""A folder that takes planes as a workspace does, and can be slow or full."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_retseg.io.atomic import write_bytes
from napari_retseg.workspace.entry import State


class FolderSink:
    """Write planes as raw files, and keep what was asked for, with the time when it was done."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.done: list[tuple[str, int, int, State, str | None]] = []
        self.times: list[float] = []
        self.threads: set[str] = set()
        self.n_begun = 0
        self.refuse: Callable[[str, int], None] = lambda name, bscan: None
        self.open = threading.Event()
        self.open.set()

    def write_labels(
        self,
        name: str,
        bscan: int,
        plane: NDArray[np.uint8],
        *,
        state: State,
        model: str | None = None,
    ) -> None:
        self.n_begun += 1
        self.open.wait(10)
        self.refuse(name, bscan)
        write_bytes(self.folder / name / f"{bscan:04d}.raw", plane.tobytes())
        self.done.append((name, bscan, int(plane.flat[0]), state, model))
        self.times.append(time.monotonic())
        self.threads.add(threading.current_thread().name)


def plane(value: int, shape: tuple[int, int] = (4, 5)) -> NDArray[np.uint8]:
    return np.full(shape, value, np.uint8)


def wait_for(condition: Callable[[], bool], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)

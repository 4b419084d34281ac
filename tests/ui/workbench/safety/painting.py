"""napari with the workbench in a process of its own, to be killed while a script paints in it.

Prints a line before each thing that it does: ``begin B``, ``dab B ROW COLUMN VALUE``, ``hold
B`` (a boundary), ``drawn B LABELS WHAT``, ``end B SECONDS`` (monotonic), ``confirm B``; and ``kept
B`` once the program shows a B-scan as confirmed and it is so on disk.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from time import monotonic
from typing import cast

import napari
import numpy as np
from PIL import Image
from qtpy.QtCore import QTimer

from napari_retseg.engine import Engine
from napari_retseg.ui.workbench.workbench_dock import WorkbenchDock
from tests.ui.playing import PlayedEngine
from tests.ui.workbench.safety.pulling import Puller

NAME = "eye"
SHAPE = (6, 64, 96)
SIDE = 7


def say(*words: object) -> None:
    """Print a line; all of it is in the pipe when this returns."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


class Painter:
    """Strokes of some dabs, each in its own turn of Qt's loop, and confirmations between them."""

    def __init__(
        self, dock: WorkbenchDock, folder: Path, *, seed: int, confirms: float, pulls: float
    ) -> None:
        self._dock, self._folder = dock, folder
        self._rng = np.random.default_rng(seed)
        self._confirms, self._pulls = confirms, pulls
        self._puller = Puller(dock, self._rng, self._tell)
        self._pull: Iterator[None] | None = None
        # a painter who stays gives nothing but time as a reason to write
        self._leaves = 0.3 if confirms else 0.02
        self._dabs = 0
        self._value = 1
        self._stroke: AbstractContextManager[None] | None = None
        self._waiting: set[int] = set()

    def tick(self) -> None:
        """Do one thing, and the next one a little later."""
        if self._pull is not None:
            self._pull = None if next(self._pull, self) is self else self._pull
        elif self._stroke is not None:
            self._go_on()
        elif self._rng.random() < self._confirms:
            self._confirm()
        elif self._rng.random() < self._leaves:
            self._dock.strip_panel.strip.bscan_clicked.emit(int(self._rng.integers(SHAPE[0])))
        elif self._rng.random() < self._pulls:
            self._pull = self._puller.pull()
        else:
            self._begin()
        for bscan in sorted(self._waiting):
            if self._is_kept(bscan):
                self._waiting.discard(bscan)
                say("kept", bscan)
        QTimer.singleShot(int(self._rng.integers(1, 25)), self.tick)

    @property
    def _bscan(self) -> int:
        return self._dock.bench.state.bscan

    def _labels(self) -> napari.layers.Labels:
        opened = self._dock.bench.session.opened
        assert opened is not None
        return opened.labels

    def _tell(self, word: str, *more: object) -> None:
        if word == "begin":
            self._waiting.discard(self._bscan)
        say(word, self._bscan, *more)

    def _begin(self) -> None:
        self._tell("begin")
        self._dabs, self._value = int(self._rng.integers(1, 9)), int(self._rng.integers(1, 9))
        self._stroke = self._labels().block_history()
        self._stroke.__enter__()

    def _go_on(self) -> None:
        """Dab once, as a mouse that is moved does; at last the button is let go."""
        assert self._stroke is not None
        row, column = (int(self._rng.integers(size - SIDE)) for size in SHAPE[1:])
        self._tell("dab", row, column, self._value)
        rows, columns = np.indices((SIDE, SIDE)).reshape(2, -1)
        first = np.full(len(rows), self._bscan)
        self._labels().data_setitem((first, rows + row, columns + column), self._value)
        self._dabs -= 1
        if not self._dabs:
            self._stroke.__exit__(None, None, None)
            self._stroke = None
            self._tell("end", monotonic())

    def _confirm(self) -> None:
        bscan = self._bscan
        if self._dock.bench.state.strip[bscan].status == "corrected":
            say("confirm", bscan)
            self._dock.review_panel.confirm_button.click()
            self._waiting.add(bscan)

    def _is_kept(self, bscan: int) -> bool:
        """Whether the strip shows a B-scan as confirmed, and what is seen is on disk so."""
        if self._dock.bench.state.strip[bscan].status != "confirmed":
            return False
        (case,) = json.loads((self._folder / "dataset.json").read_text())["training"]
        if (case.get("bscans") or {}).get(str(bscan), {}).get("state") != "confirmed":
            return False
        with Image.open(self._folder / "labels" / NAME / f"{bscan:04d}.png") as picture:
            return bool(np.array_equal(np.array(picture), self._labels().data[bscan]))


def main(folder: Path, *, seed: int, confirms: float, segments: bool, pulls: float) -> None:
    """Open the workspace in napari and paint until killed; `segments`: a real engine works, too."""
    viewer = napari.Viewer()
    engine = None if segments else cast("Engine", PlayedEngine())
    dock = WorkbenchDock(viewer, engine=engine)
    viewer.window.add_dock_widget(dock)
    state = dock.bench.state
    painter = Painter(dock, folder, seed=seed, confirms=confirms, pulls=pulls)

    def begin() -> None:
        if segments:
            dock.model_panel.volume_button.click()
        say("ready")
        painter.tick()

    def wait() -> None:
        if state.n_bscans and (not segments or state.can_segment):
            begin()
        else:
            QTimer.singleShot(10, wait)

    dock.bench.open(folder)
    wait()
    napari.run()


if __name__ == "__main__":
    main(
        Path(sys.argv[1]),
        seed=int(sys.argv[2]),
        confirms=float(sys.argv[3]),
        segments=sys.argv[4] == "segments",
        pulls=float(sys.argv[5]),
    )

"""Memory of every process while a volume larger than memory is opened and corrected.

Run ``python -m benchmarks.huge_volume --gb 50`` in the repository's folder, with a display
(``xvfb-run -a`` gives one). An NPY volume of 1024 x 2048 pixels of 16 bits a B-scan is made: 1 in
100 B-scans, and the first ones, hold a simulated picture, the others are holes of the file. In a
viewer with the workbench and its engine it is added to a workspace and opened; the first
``--predicted`` B-scans are segmented (the segmentation of the volume is then cancelled), a B-scan
in the middle is segmented, painted on, saved and confirmed, and the scan is opened once more. The
highest memory of each process is read from the system every half a second: resident (RSS), and of
that what is its own alone (USS). A timer of 10 ms tells how late the viewer was.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import napari
import numpy as np
import psutil
import tifffile
from numpy.lib.format import open_memmap
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from napari_retseg.samples import sample_folder
from napari_retseg.ui.workbench.workbench_dock import WorkbenchDock

DEPTH, WIDTH = 1024, 2048
EVERY = 100
MB = 2**20


class Memory:
    """The highest memory of this process and its children, by what they do."""

    def __init__(self) -> None:
        self.highest: dict[str, dict[str, int]] = {}
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no longer."""
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        own = psutil.Process()
        while not self._is_over.wait(0.5):
            for process in (own, *own.children(recursive=True)):
                try:
                    self._note(process, "viewer" if process == own else process.name())
                except psutil.Error:
                    continue

    def _note(self, process: psutil.Process, name: str) -> None:
        now = process.memory_full_info()
        known = self.highest.setdefault(f"{name} {process.pid}", {"rss_mb": 0, "uss_mb": 0})
        known["rss_mb"] = max(known["rss_mb"], now.rss // MB)
        known["uss_mb"] = max(known["uss_mb"], now.uss // MB)


class Steps:
    """Seconds of each step, and how late the viewer was at most meanwhile."""

    def __init__(self) -> None:
        self.done: dict[str, dict[str, float]] = {}
        self._late = 0.0
        self._last = time.monotonic()
        self._timer = QTimer()
        self._timer.setInterval(10)
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure a step."""
        began, self._late = time.monotonic(), 0.0
        yield
        seconds = round(time.monotonic() - began, 2)
        self.done[name] = {"s": seconds, "late_ms": round(1000 * self._late)}
        print(name, self.done[name], flush=True)

    def _tick(self) -> None:
        now = time.monotonic()
        self._late = max(self._late, now - self._last - 0.01)
        self._last = now


def make_volume(path: Path, gigabytes: float, n_first: int) -> int:
    """Write a sparse volume; return how many B-scans it has."""
    small = tifffile.imread(sample_folder() / "volumes" / "device-a.tif")
    rows, columns = -(-DEPTH // small.shape[1]), -(-WIDTH // small.shape[2])
    count = round(gigabytes * 1e9 / (DEPTH * WIDTH * 2))
    volume = open_memmap(path, "w+", np.uint16, (count, DEPTH, WIDTH))
    for bscan in sorted({*range(n_first), *range(0, count, EVERY), count // 2}):
        picture = np.tile(small[bscan % len(small)], (rows, columns))[:DEPTH, :WIDTH]
        volume[bscan] = picture.astype(np.uint16) * 100
    volume.flush()
    return count


def wait(until: Callable[[], bool], seconds: float = 1800) -> None:
    """Let Qt work until something is so."""
    deadline = time.monotonic() + seconds
    while not until():
        if time.monotonic() > deadline:
            raise TimeoutError("the viewer did not get there")
        QApplication.processEvents()
        time.sleep(0.002)


def correct(dock: WorkbenchDock, steps: Steps, predicted: int) -> None:
    """Segment some B-scans, correct one in the middle, save and confirm it."""
    bench, state = dock.bench, dock.bench.state
    bench.predicting.choose_by_name("starter")
    if predicted:
        with steps.step(f"segment {predicted} B-scans"):
            bench.predicting.segment_volume()
            wait(lambda: state.work is not None and state.work.done >= predicted)
        with steps.step("cancel"):
            bench.predicting.cancel()
            wait(lambda: state.work is None)
    opened = bench.session.opened
    assert opened is not None
    bscan = opened.n_bscans // 2
    with steps.step("segment the B-scan in view"):
        opened.go_to(bscan)
        bench.predicting.segment_bscan()
        wait(lambda: state.work is None)
    with steps.step("go through 200 B-scans"):
        for step in range(200):
            opened.go_to((bscan + step) % opened.n_bscans)
            wait(lambda: True)
            QApplication.processEvents()
        opened.go_to(bscan)
    with steps.step("paint, save, confirm"):
        rows, columns = np.mgrid[400:440, 500:900].reshape(2, -1)
        opened.labels.data_setitem((np.full(len(rows), bscan), rows, columns), 1)
        opened.labels.paint((bscan, 600, 700), 2)
        bench.correcting.check()
        bench.correcting.confirm()
        workspace, saver = bench.session.workspace, bench.session.saver
        assert workspace is not None
        assert saver is not None
        wait(lambda: workspace.states(opened.name).get(bscan) == "confirmed")
    print(state.notice, flush=True)


def main() -> None:
    """Make a volume, work with it, and print JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--gb", type=float, default=4.0)
    parser.add_argument("--predicted", type=int, default=4)
    parser.add_argument("--picture", type=Path, help="save the screen here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["NAPARI_RETSEG_STATE"] = str(folder / "state")
        count = make_volume(folder / "huge.npy", arguments.gb, arguments.predicted + 2)
        memory = Memory()
        viewer = napari.Viewer()
        _, dock = viewer.window.add_plugin_dock_widget("napari-retseg", "Retseg workbench")
        assert isinstance(dock, WorkbenchDock)
        bench, steps = dock.bench, Steps()
        bench.create(folder / "work")
        wait(lambda: bench.state.folder is not None)
        with steps.step("add and open"):
            bench.scan_import.add_files([folder / "huge.npy"])
            wait(lambda: bench.state.n_bscans > 0)
        correct(dock, steps, arguments.predicted)
        if arguments.picture is not None:
            viewer.screenshot(str(arguments.picture), canvas_only=False)
        with steps.step("open again"):
            bench.navigation.close_scan()
            bench.navigation.choose_scan(0)
            wait(lambda: bench.state.n_bscans > 0)
        viewer.close()
        memory.close()
    found = {"bscans": count, "gb": arguments.gb, "steps": steps.done, "memory": memory.highest}
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()

"""A program that switches scans in a real viewer, again and again; a crash ends it without a word.

Usage: python -m tests.ui.workbench.switching FOLDER SWITCHES SEED
"""

from __future__ import annotations

import faulthandler
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

from napari_retseg.engine import Engine
from napari_retseg.io import write_scan
from napari_retseg.scan import OctScan
from napari_retseg.ui.workbench.workbench_dock import WorkbenchDock
from tests.ui.playing import PlayedEngine

DONE = "all switches done"
_WAIT_SECONDS = 120.0
_SHAPES = ((5, 64, 96), (3, 48, 120))


def make_scans(folder: Path) -> list[Path]:
    """Write two volumes of different shapes."""
    rng = np.random.default_rng(0)
    files = []
    for number, shape in enumerate(_SHAPES):
        pixels = rng.integers(0, 255, shape, dtype=np.uint8)
        scan = OctScan(pixels=pixels, axes=("bscan", "depth", "width"))
        files.append(write_scan(folder / f"eye{number}.tif", scan))
    return files


def let_draw(milliseconds: int) -> None:
    """Let the viewer draw and work for a while."""
    end = time.monotonic() + milliseconds / 1000
    while True:
        QApplication.processEvents()
        if time.monotonic() >= end:
            return
        time.sleep(0.001)


def wait(until: Callable[[], bool]) -> None:
    """Let the viewer draw and work until something is so."""
    end = time.monotonic() + _WAIT_SECONDS
    while not until():
        let_draw(2)
        if time.monotonic() > end:
            raise TimeoutError


def switch(dock: WorkbenchDock, rng: random.Random, expected: dict[str, np.ndarray]) -> None:
    """Paint, confirm, and choose a scan: the open one or the other, sooner or later."""
    bench, state = dock.bench, dock.bench.state
    opened = bench.session.opened
    if opened is not None:
        bscan = rng.randrange(opened.n_bscans)
        bench.navigation.go_to(bscan)
        opened.labels.paint((bscan, rng.randrange(40), rng.randrange(90)), rng.randrange(1, 9))
        if rng.random() < 0.5:
            bench.correcting.confirm()
        bench.correcting.check()
        expected[opened.name] = np.array(opened.loaded.labels)
    chosen = state.scan if rng.random() < 0.5 and state.scan >= 0 else rng.randrange(2)
    box = dock.scan_panel.scan_box
    box.setCurrentIndex(chosen)
    box.activated.emit(chosen)
    if rng.random() < 0.7:
        let_draw(rng.randrange(30))
    if rng.random() < 0.3:
        wait(lambda: bench.session.opened is not None)


def main(folder: Path, n_switches: int, seed: int) -> None:
    """Switch so often, and see that no stroke is lost and no layer is left."""
    faulthandler.enable()
    rng = random.Random(seed)
    viewer = napari.Viewer(show=True)
    viewer.window.resize(900, 600)
    dock = WorkbenchDock(viewer, engine=cast("Engine", PlayedEngine()))
    viewer.window.add_dock_widget(dock, area="right")
    bench = dock.bench
    bench.create(folder / "work")
    wait(lambda: bench.state.folder is not None)
    bench.scan_import.add_files(make_scans(folder))
    wait(lambda: bench.session.opened is not None)
    expected: dict[str, np.ndarray] = {}
    for _ in range(n_switches):
        switch(dock, rng, expected)
        names = [layer.name for layer in viewer.layers]
        assert names.count("labels") <= 1, names
    wait(lambda: bench.session.opened is not None)
    saver, workspace = bench.session.saver, bench.session.workspace
    assert saver is not None
    assert workspace is not None
    bench.session.wait_for_files()
    wait(lambda: not saver.pending)
    for name, labels in expected.items():
        assert np.array_equal(workspace.read_labels(name), labels), name
    viewer.close()
    let_draw(50)
    print(DONE, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))

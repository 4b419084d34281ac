"""No stall of the GUI's thread over 50 ms with the tab "Measure" open, at full size."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from napari_retseg.io import write_scan
from napari_retseg.scan import OctScan
from napari_retseg.ui.workbench.control.measured_files import Measured, write_measured
from tests.measures.eyes import make_scan
from tests.ui.workbench.clicking import Clicker
from tests.ui.workbench.watching import Watchdog

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot

LIMIT_MS = 50.0
SHAPE = (61, 496, 768)


class Watched:
    """A user at a large volume, and who watches the GUI's thread."""

    def __init__(self, clicker: Clicker) -> None:
        self.clicker = clicker
        self.dock = clicker.dock
        self.bench = clicker.dock.bench
        self.measuring = self.bench.measuring
        opened = self.bench.session.opened
        assert opened is not None
        self.opened = opened
        self.watchdog = Watchdog()

    def check(self, what: str, until: Callable[[], bool]) -> None:
        """Let Qt work until it is so, and see how long it worked without a pause."""
        self.clicker.wait(until)
        deadline = time.monotonic() + 0.1
        while time.monotonic() < deadline:
            QApplication.processEvents()
        found = self.watchdog.longest_ms
        self.watchdog.forget()
        assert found < LIMIT_MS, f"{what}: {found:.0f} ms"

    def is_written(self) -> bool:
        """Whether Export has ended."""
        return self.clicker.state.notice.text.startswith("Wrote")

    def paint(self, value: int) -> None:
        """Paint on the B-scan in view."""
        rows, columns = np.mgrid[200:230, 300:360].reshape(2, -1)
        bscan = self.clicker.state.bscan
        self.opened.labels.data_setitem((np.full(len(rows), bscan), rows, columns), value)
        self.bench.correcting.check()


def make_eye() -> tuple[OctScan, np.ndarray]:
    """A pit in seven flat layers, and a pocket of fluid."""
    x, y = np.meshgrid(np.linspace(-3, 3, SHAPE[2]), np.linspace(-3, 3, SHAPE[0]))
    pit = 30 * np.exp(-(x**2 + y**2))
    edges = (
        150
        + np.arange(8)[:, np.newaxis, np.newaxis] * 12
        + pit
        * (np.arange(8) < 4)[:, np.newaxis, np.newaxis]
        * np.linspace(1, 0, 8)[:, np.newaxis, np.newaxis]
    )
    depth = np.arange(SHAPE[1])[:, np.newaxis]
    labels = np.zeros(SHAPE, np.uint8)
    for edge in edges:
        labels += depth >= edge[:, np.newaxis]
    labels[labels == 8] = 0
    labels[28:34, 190:200, 360:400] = 8
    scan = make_scan(SHAPE, (100.0, 3.9, 7.8))
    return replace(scan, pixels=labels * np.uint8(25)), labels


@pytest.fixture
def watched(
    viewer: Viewer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Watched]:
    scan, labels = make_eye()
    clicker = Clicker(viewer, qtbot, monkeypatch)
    clicker.start(tmp_path / "work", write_scan(tmp_path / "eye.tif", scan))
    made = Watched(clicker)
    # as if a model had said it
    loaded = made.opened.loaded
    loaded.prediction[:] = labels
    loaded.predicted.update(dict.fromkeys(range(SHAPE[0])))
    yield made
    made.watchdog.stop()


def watch_collections(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """List when Python looks through all objects while files are written."""
    found: list[float] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start" and info["generation"] == 2:
            found.append(time.monotonic())

    def write_watched(measured: Measured, folder: Path) -> tuple[Path, int]:
        gc.callbacks.append(note)
        try:
            return write_measured(measured, folder)
        finally:
            gc.callbacks.remove(note)

    place = "napari_retseg.ui.workbench.control.measuring.write_measured"
    monkeypatch.setattr(place, write_watched)
    return found


# a volume of full size takes its time to be made, opened and exported
@pytest.mark.slow
def test_nothing_stalls(watched: Watched, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    measuring, bench, panel = watched.measuring, watched.bench, watched.dock.measure_panel
    watched.clicker.wait(lambda: watched.clicker.state.work is None)
    bench.navigation.go_to(20)
    QApplication.processEvents()
    watched.watchdog.forget()
    watched.dock._go_to_tab("Measure")
    watched.check("opening the tab", lambda: measuring.picture is not None)
    for bscan in (21, 22, 40):
        bench.navigation.go_to(bscan)
        watched.check("another B-scan", lambda: not measuring.is_busy)
    panel.span_box.setCurrentIndex(2)
    panel.span_box.activated.emit(2)
    watched.check("another layer", lambda: not measuring.is_busy)
    bench.correcting.accept_bscan()
    watched.check("Accept", lambda: not measuring.is_busy)
    watched.paint(2)
    watched.check("an edit", lambda: not measuring.is_busy)

    full_collections = watch_collections(monkeypatch)
    measuring.export(tmp_path / "out")
    before = measuring.picture
    watched.paint(3)
    watched.check("an edit beside Export", lambda: measuring.picture is not before)
    assert not watched.is_written()
    watched.check("Export", watched.is_written)
    # one of them stops all threads for a tenth of a second
    assert not full_collections

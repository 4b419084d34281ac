"""How long it takes from a move of the mouse to the screen while a boundary is dragged.

Needs an X display and xdotool::

    xvfb-run -a -s "-screen 0 1600x1200x24" python -m benchmarks.boundaries

On simulated volumes of 61 and 244 B-scans of 496 x 768 with nine boundaries, xdotool moves the
mouse over the canvas with its button down, and each move is timed until Qt has drawn what it
changed. Timed are, in one run,

- napari alone: its brush on a labels layer, and a canvas that is only drawn anew;
- a boundary that is dragged and snaps (edges of the image, and the starter's evidence), one that
  is dragged freely, and one that is drawn along;
- what the release of the button takes until the labels are drawn;
- of a drag, the part that is solving.

Reported are medians, 95th percentiles and the longest in milliseconds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import napari
import numpy as np
import tifffile
from napari.layers import Image, Labels
from qtpy.QtCore import QPoint, QPointF
from qtpy.QtWidgets import QApplication, QWidget

from benchmarks.viewer import DEPTH, SIZES, WIDTH, make_volume, open_bench, run_for, wait
from napari_retseg.ui.workbench.curve_view import CurveOverlay
from napari_retseg.ui.workbench.workbench_dock import WorkbenchDock

LAYERS = ("NFL", "GCL", "IPL", "INL", "OPL", "ONL", "ISE", "RPE")
#: Most milliseconds that a move may take at the 95th percentile, besides what napari needs.
LIMIT_MS = 50.0


class XMouse:
    """The pointer of the X display, which is moved without starting a process each time."""

    def __init__(self) -> None:
        self._tool = subprocess.Popen(["xdotool", "-"], stdin=subprocess.PIPE, text=True)

    def send(self, command: str) -> None:
        """Do one command of xdotool."""
        assert self._tool.stdin is not None
        self._tool.stdin.write(f"{command}\n")
        self._tool.stdin.flush()

    def move(self, place: QPoint) -> None:
        """Move to a place of the screen."""
        self.send(f"mousemove {place.x()} {place.y()}")

    def close(self) -> None:
        """End the tool."""
        assert self._tool.stdin is not None
        self._tool.stdin.close()
        self._tool.wait()


class Drawn:
    """Counts how often something was drawn."""

    def __init__(self) -> None:
        self.count = 0

    def note(self, *_: Any) -> None:
        """Count one more."""
        self.count += 1

    def time(self, act: Callable[[], None], *, seconds: float = 2.0) -> float:
        """Return milliseconds from an act until it is drawn; NaN where nothing was."""
        QApplication.processEvents()
        before, began = self.count, time.perf_counter()
        act()
        while self.count == before:
            QApplication.processEvents()
            if time.perf_counter() > began + seconds:
                return float("nan")
        QApplication.processEvents()
        return 1000 * (time.perf_counter() - began)


def summarise(times: list[float]) -> dict[str, float]:
    """Return what is reported of some times in milliseconds."""
    values = np.array([one for one in times if np.isfinite(one)])
    return {
        "moves": len(values),
        "p50_ms": round(float(np.percentile(values, 50)), 1),
        "p95_ms": round(float(np.percentile(values, 95)), 1),
        "max_ms": round(float(values.max()), 1),
    }


def wave(steps: int) -> Iterator[tuple[float, float]]:
    """Yield how far a hand goes from where it began, in pixels of the scan: ``(across, down)``."""
    for k in range(1, steps + 1):
        yield 1.5 * k, 6 * float(np.sin(k / 6))


def measure_alone(volume: Path, mouse: XMouse, steps: int) -> dict[str, Any]:
    """Time napari's brush, and the drawing of its canvas, in a viewer without docks."""
    viewer = napari.Viewer()
    viewer.window.resize(1366, 768)
    pixels = tifffile.imread(volume)
    labels = Labels(np.zeros(pixels.shape, np.uint8))
    viewer.layers.append(Image(pixels))
    viewer.layers.append(labels)
    labels.mode, labels.brush_size, labels.selected_label = "paint", 8, 3
    run_for(2.0, lambda: None, 1.0)
    canvas = viewer.window._qt_viewer.canvas
    drawn = Drawn()
    canvas.events.draw.connect(drawn.note, position="last")
    middle = canvas.native.mapToGlobal(canvas.native.rect().center())
    mouse.move(middle)
    run_for(0.3, lambda: None, 1.0)
    mouse.send("mousedown 1")
    run_for(0.3, lambda: None, 1.0)
    brush = []
    for across, down in wave(steps):
        place = middle + QPoint(round(2 * across), round(2 * down))
        brush.append(drawn.time(lambda place=place: mouse.move(place)))  # type: ignore[misc]
        run_for(0.02, lambda: None, 1.0)
    mouse.send("mouseup 1")
    run_for(0.3, lambda: None, 1.0)
    anew = [drawn.time(canvas._scene_canvas.update) for _ in range(steps)]
    viewer.close()
    return {"brush": summarise(brush), "canvas drawn anew": summarise(anew)}


@contextmanager
def open_boundaries(folder: Path, volume: Path) -> Iterator[WorkbenchDock]:
    """Open the workbench with nine boundaries in the B-scan in view, and their evidence."""
    with open_bench(folder, volume) as dock:
        bench = dock.bench
        bench.scan_import.set_classes(list(LAYERS))
        wait(lambda: bench.state.classes is not None and len(bench.state.classes) == 9)
        bench.predicting.choose_by_name("starter")
        opened = bench.session.opened
        assert opened is not None
        top = 140 + 15 * np.sin(np.arange(WIDTH) / 90)
        plane = ((np.arange(DEPTH)[:, np.newaxis] - top) // 22 + 1).clip(0, 9).astype(np.uint8) % 9
        rows, columns = np.nonzero(plane)
        where = (np.full(rows.size, bench.state.bscan), rows, columns)
        opened.labels.data_setitem(where, plane[rows, columns])
        bench.curves.toggle()
        wait(lambda: bench.weighing.of(bench.state.bscan) is not None)
        run_for(2.0, lambda: None, 1.0)
        yield dock


def measure_boundaries(folder: Path, volume: Path, mouse: XMouse, steps: int) -> dict[str, Any]:
    """Time drags of one boundary in the workbench."""
    found: dict[str, Any] = {}
    with open_boundaries(folder, volume) as dock:
        sheet = dock.curve_view.sheet
        assert sheet is not None
        drawn, solved = Drawn(), []
        _listen(sheet, drawn)
        curves = dock.bench.curves
        solve = curves._solve

        def timed(hand: Any) -> None:
            began = time.perf_counter()
            solve(hand)
            solved.append(1000 * (time.perf_counter() - began))

        curves._solve = timed  # type: ignore[method-assign]
        for width in (64, 300):
            curves.width = width
            for name, key in (("snapping", ""), ("freely", "shift"), ("along", "ctrl")):
                solved.clear()
                moves, release = drag(dock, sheet, drawn, mouse, key=key, steps=steps)
                found[f"{name}, +- {width} A-scans"] = {
                    **summarise(moves),
                    "solving": summarise(solved),
                    "release_ms": round(release, 1),
                }
    return found


def drag(
    dock: WorkbenchDock, sheet: QWidget, drawn: Drawn, mouse: XMouse, *, key: str, steps: int
) -> tuple[list[float], float]:
    """Drag the fourth boundary; return what each move took, and the release, in milliseconds."""
    curves = dock.bench.curves
    assert curves.rows is not None
    column = WIDTH // 2
    row = float(curves.rows[3, column])
    mouse.move(find_place(sheet, column, row))
    run_for(0.3, lambda: None, 1.0)
    assert curves.is_near
    if key:
        mouse.send(f"keydown {key}")
    mouse.send("mousedown 1")
    wait(lambda: curves.is_held)
    times = []
    for across, down in wave(steps):
        place = find_place(sheet, column + across, row + down)
        times.append(drawn.time(lambda place=place: mouse.move(place)))  # type: ignore[misc]
        run_for(0.02, lambda: None, 1.0)
    release = drawn.time(lambda: mouse.send("mouseup 1"))
    if key:
        mouse.send(f"keyup {key}")
    run_for(0.5, lambda: None, 1.0)
    dock.bench.correcting.undo()
    run_for(0.5, lambda: None, 1.0)
    return times, release


def find_place(sheet: QWidget, column: float, row: float) -> QPoint:
    """Return where a pixel of the B-scan is on the screen."""
    assert isinstance(sheet, CurveOverlay)
    place = sheet.find_transform()
    assert place is not None
    return sheet.mapToGlobal(place.map(QPointF(column, row)).toPoint())


def _listen(sheet: CurveOverlay, drawn: Drawn) -> None:
    """Count what is drawn, once it is."""
    paint = sheet.paintEvent

    def count(event: Any) -> None:
        paint(event)
        drawn.note()

    sheet.paintEvent = count  # type: ignore[method-assign, assignment]


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bscans", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--steps", type=int, default=60)
    arguments = parser.parse_args()
    found: dict[str, Any] = {}
    mouse = XMouse()
    with tempfile.TemporaryDirectory() as name:
        os.environ["NAPARI_RETSEG_STATE"] = str(Path(name) / "state")
        for count in arguments.bscans:
            volume = make_volume(Path(name), count)
            found[f"{count} x {DEPTH} x {WIDTH}"] = {
                "napari alone": measure_alone(volume, mouse, arguments.steps),
                "workbench": measure_boundaries(
                    Path(name) / f"work{count}", volume, mouse, arguments.steps
                ),
            }
    mouse.close()
    print(json.dumps({**found, "load": os.getloadavg()}, indent=1))


if __name__ == "__main__":
    main()

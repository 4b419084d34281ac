"""How late the viewer is while models train and predict, and what a stroke costs with the docks.

Run ``python benchmarks/viewer.py`` with a display (``xvfb-run -a`` gives one). One run measures

1. how long the user waits: for the docks to open, for a B-scan to be segmented with a warm engine,
   also while a training runs, for the first point of the loss, and for Stop to be acknowledged;
2. the lateness of a 10 ms Qt timer in napari with the workbench and the Scores dock, on a volume of
   61 x 496 x 768, while a training and a prediction of the volume run and the user paints, one dab
   every 10 ms as the mouse moves; the same with the window hidden, so that nothing is drawn, and in
   napari without the docks under the same load: without a GPU most of the time is drawing;
3. the time of a stroke of forty dabs in napari alone, and with both docks open, on 61 and on 244
   B-scans.

The scans are simulated, and everything is written to a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import napari
import numpy as np
import tifffile
from napari.layers import Image, Labels
from qtpy.QtCore import QElapsedTimer, Qt, QTimer
from qtpy.QtWidgets import QApplication

from napari_retseg.samples import sample_folder
from napari_retseg.ui.scores.scores_dock import ScoresDock
from napari_retseg.ui.workbench.workbench_dock import WorkbenchDock

SIZES = (61, 244)
DEPTH, WIDTH = 496, 768
TICK_MS = 10


class Lateness:
    """Milliseconds by which a timer of 10 ms came late, tick by tick."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self._clock = QElapsedTimer()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)

    def start(self) -> None:
        """Measure from now on."""
        self.late.clear()
        self._clock.start()
        self._timer.start()

    def stop(self) -> None:
        """Measure no longer."""
        self._timer.stop()

    def _tick(self) -> None:
        self.late.append(max(0.0, self._clock.nsecsElapsed() / 1e6 - TICK_MS))
        self._clock.restart()

    def to_json(self) -> dict[str, float]:
        """Return the number of ticks, and how late they were."""
        values = np.array(self.late)
        return {
            "ticks": len(values),
            "p50_ms": round(float(np.percentile(values, 50)), 2),
            "p99_ms": round(float(np.percentile(values, 99)), 2),
            "max_ms": round(float(values.max()), 2),
        }


def make_volume(folder: Path, n_bscans: int) -> Path:
    """Repeat the B-scans of the sample until they fill a volume."""
    small = tifffile.imread(sample_folder() / "volumes" / "device-a.tif")
    rows, columns = -(-DEPTH // small.shape[1]), -(-WIDTH // small.shape[2])
    bscans = [np.tile(bscan, (rows, columns))[:DEPTH, :WIDTH] for bscan in small]
    volume = np.stack([bscans[k % len(bscans)] for k in range(n_bscans)])
    path = folder / f"volume{n_bscans}.tif"
    tifffile.imwrite(path, volume, photometric="minisblack", metadata={"axes": "ZYX"})
    return path


def wait(until: Callable[[], bool], seconds: float = 300) -> None:
    """Let Qt work until something is so."""
    deadline = time.monotonic() + seconds
    while not until():
        if time.monotonic() > deadline:
            raise TimeoutError("the viewer did not get there")
        QApplication.processEvents()
        time.sleep(0.001)


def run_for(seconds: float, each: Callable[[], None], pause: float) -> None:
    """Let Qt work, and do something now and then."""
    end = time.monotonic() + seconds
    due = time.monotonic()
    while time.monotonic() < end:
        QApplication.processEvents()
        if time.monotonic() >= due:
            each()
            due = time.monotonic() + pause
        time.sleep(0.0005)


@contextmanager
def open_bench(folder: Path, volume: Path) -> Iterator[WorkbenchDock]:
    """Open napari with both docks and a workspace that holds the volume."""
    viewer = napari.Viewer()
    dock = open_docks(viewer)
    state = dock.bench.state
    dock.bench.create(folder)
    wait(lambda: state.folder is not None)
    dock.bench.scan_import.add_files([volume])
    wait(lambda: state.n_bscans > 0)
    dock.tabs.show_tab("Training")
    run_for(1.0, lambda: None, 1.0)
    try:
        yield dock
    finally:
        viewer.close()


def open_docks(viewer: napari.Viewer) -> WorkbenchDock:
    """Open both docks, as the plugin menu does."""
    _, dock = viewer.window.add_plugin_dock_widget("napari-retseg", "Retseg workbench")
    _, scores = viewer.window.add_plugin_dock_widget("napari-retseg", "Scores")
    assert isinstance(dock, WorkbenchDock)
    assert isinstance(scores, ScoresDock)
    return dock


def measure_opening() -> dict[str, float]:
    """Time the opening of both docks in a viewer that is up."""
    viewer = napari.Viewer()
    run_for(1.0, lambda: None, 1.0)
    began = time.perf_counter()
    dock = open_docks(viewer)
    wait(dock.isVisible)
    QApplication.processEvents()
    seconds = time.perf_counter() - began
    assert "torch" not in sys.modules
    viewer.close()
    return {"docks_open_s": round(seconds, 2)}


def measure_waits(folder: Path, repeats: int = 5) -> dict[str, float]:
    """Time what the user waits for."""
    volume = make_volume(folder, SIZES[0])
    found: dict[str, float] = {}
    with open_bench(folder / "waits", volume) as dock:
        bench, state = dock.bench, dock.bench.state
        segment(dock)  # the first one waits for the worker
        found["segment_s"] = statistics.median(segment(dock) for _ in range(repeats))
        prepare_training(dock)
        run_for(6.0, lambda: None, 1.0)  # the user looks at what will happen
        began = time.perf_counter()
        bench.training.retrain()
        wait(lambda: len(bench.training.curves.iterations) > 0)
        found["first_loss_s"] = time.perf_counter() - began
        run_for(3.0, lambda: None, 1.0)
        found["segment_while_training_s"] = statistics.median(segment(dock) for _ in range(repeats))
        began = time.perf_counter()
        bench.training.stop()
        wait(lambda: state.is_stopping)
        found["stop_acknowledged_s"] = time.perf_counter() - began
        wait(lambda: not state.is_training)
        found["stopped_s"] = time.perf_counter() - began
    return {name: round(value, 2) for name, value in found.items()}


def segment(dock: WorkbenchDock) -> float:
    """Segment the B-scan in view; return how many seconds that took."""
    state = dock.bench.state
    began = time.perf_counter()
    dock.bench.predicting.segment_bscan()
    wait(lambda: state.work is None)
    return time.perf_counter() - began


def prepare_training(dock: WorkbenchDock) -> None:
    """Paint and confirm three B-scans, and set a training that does not end by itself."""
    bench, state = dock.bench, dock.bench.state
    rng = np.random.default_rng(0)
    for bscan in (3, 20, 50):
        bench.navigation.go_to(bscan)
        for _ in range(5):
            paint(labels_of(dock), bscan, rng)
        bench.correcting.confirm()
    dock.retrain_panel.form.set_values({"iterations": 100000, "score_every": 100000})
    dock.retrain_panel.form.changed.emit()
    wait(lambda: not state.round_problem and bool(state.round_text))


def measure_lateness(folder: Path, seconds: float) -> dict[str, object]:
    """Paint while a training and a prediction run: with the docks, hidden, and in napari alone."""
    volume = make_volume(folder, SIZES[0])
    with open_bench(folder / "lateness", volume) as dock:
        bench, state = dock.bench, dock.bench.state
        prepare_training(dock)
        bench.training.retrain()
        wait(lambda: len(bench.training.curves.iterations) > 1)
        bench.predicting.segment_volume()
        wait(lambda: state.work is not None and state.work.done > 0)
        brush = Brush(labels_of(dock), state.bscan)
        found: dict[str, object] = {"with the docks": follow(brush, seconds)}
        window = dock.window()
        assert window is not None
        window.hide()
        found["with the docks, window hidden"] = follow(brush, seconds)
        found["napari alone"] = run_alone(volume, seconds)
        found["iterations"] = len(bench.training.curves.iterations)
        found["bscans_predicted"] = SIZES[0] if state.work is None else state.work.done
        bench.training.stop()
        wait(lambda: not state.is_training)
        return found


def follow(brush: Brush, seconds: float) -> dict[str, float]:
    """Paint for a while; return how late the timer came."""
    lateness = Lateness()
    lateness.start()
    run_for(seconds, brush.dab, 0.01)
    lateness.stop()
    return lateness.to_json()


def run_alone(volume: Path, seconds: float) -> dict[str, float]:
    """Have another process paint in napari without docks, under the same load."""
    command = [sys.executable, __file__, "--alone", str(volume), "--seconds", str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    wait(lambda: process.poll() is not None)
    assert process.stdout is not None
    result: dict[str, float] = json.loads(process.stdout.read().splitlines()[-1])
    return result


def paint_alone(volume: Path, seconds: float) -> None:
    """Paint in napari without docks, and print how late the timer came."""
    viewer = napari.Viewer()
    pixels = tifffile.imread(volume)
    labels = Labels(np.zeros(pixels.shape, np.uint8))
    for layer in (Image(pixels), Labels(np.zeros(pixels.shape, np.uint8), opacity=0.35), labels):
        viewer.layers.append(layer)
    run_for(2.0, lambda: None, 1.0)
    print(json.dumps(follow(Brush(labels, len(pixels) // 2), seconds)))
    viewer.close()


class Brush:
    """Paints strokes of forty dabs, one dab at a time, as a mouse does that moves."""

    def __init__(self, layer: Labels, bscan: int) -> None:
        self._layer, self._bscan = layer, bscan
        self._rng = np.random.default_rng(0)
        self._step = 0

    def dab(self) -> None:
        """Paint the next dab; a pause of twenty follows each stroke."""
        if self._step % 60 == 0:
            self._row, self._column = self._rng.integers(100, 300), self._rng.integers(100, 600)
            self._value = int(self._rng.integers(1, 9))
        k = self._step % 60
        self._step += 1
        if k < 40:
            place = (self._bscan, int(self._row) + k // 4, int(self._column) + k)
            self._layer.paint(place, self._value)


def labels_of(dock: WorkbenchDock) -> Labels:
    """Return the layer that the user paints on."""
    opened = dock.bench.session.opened
    assert opened is not None
    return opened.labels


def paint(layer: Labels, bscan: int, rng: np.random.Generator) -> None:
    """Paint one stroke of forty dabs along a line."""
    row, column = int(rng.integers(100, 300)), int(rng.integers(100, 600))
    for step in range(40):
        layer.paint((bscan, row + step // 4, column + step), int(rng.integers(1, 9)))


def measure_strokes(folder: Path, n_bscans: int, count: int) -> dict[str, float]:
    """Time strokes in napari alone and with the docks, in turns, on the same volume."""
    volume = make_volume(folder, n_bscans)
    rng = np.random.default_rng(1)
    times: dict[str, list[float]] = {"alone": [], "docks": []}
    with open_bench(folder / f"strokes{n_bscans}", volume) as dock:
        other = napari.Viewer()
        plain = Labels(np.zeros((n_bscans, DEPTH, WIDTH), np.uint8))
        other.layers.append(plain)
        other.dims.set_point(0, n_bscans // 2)
        dock.bench.predicting.segment_bscan()
        wait(lambda: dock.bench.state.work is None)
        for _ in range(count):
            for name, layer in (("alone", plain), ("docks", labels_of(dock))):
                began = time.perf_counter()
                paint(layer, n_bscans // 2, rng)
                times[name].append(1000 * (time.perf_counter() - began))
                run_for(0.02, lambda: None, 1.0)
        other.close()
    return {
        f"{name}_{label}_ms": round(float(np.percentile(values, share)), 2)
        for name, values in times.items()
        for label, share in (("median", 50), ("p99", 99))
    }


def main() -> None:
    """Measure both and print JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--strokes", type=int, default=60)
    parser.add_argument("--alone", type=Path, help="only paint in napari without docks")
    arguments = parser.parse_args()
    if arguments.alone is not None:
        paint_alone(arguments.alone, arguments.seconds)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["NAPARI_RETSEG_STATE"] = str(folder / "state")
        found: dict[str, object] = {"waits": measure_opening() | measure_waits(folder)}
        found["lateness"] = measure_lateness(folder, arguments.seconds)
        for n_bscans in SIZES:
            key = f"stroke on {n_bscans} x {DEPTH} x {WIDTH}, 40 dabs"
            found[key] = measure_strokes(folder, n_bscans, arguments.strokes)
    print(json.dumps({**found, "load": os.getloadavg()}, indent=2))


if __name__ == "__main__":
    main()

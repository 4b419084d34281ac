"""What a second worker brings to `predict` and `measure`: two workers of one thread against one.

Run ``python benchmarks/throughput.py`` on a machine with two idle cores. Volumes are simulated, and
each command is run with one worker and with two in turn, as a process of its own with one thread
for each worker, into a new folder. Reported is the time of two, as a fraction of that of one, of
each turn and their median; start-up is in it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from napari_retseg.simulate import SimulatorConfig, simulate_dataset

#: Threads of each worker: of all libraries that have some.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def make_volumes(folder: Path, *, count: int, bscans: int, size: tuple[int, int]) -> Path:
    """Simulate a volume, and copy it."""
    config = SimulatorConfig(size=size, n_bscans=bscans)
    data = simulate_dataset(folder / "data", count=1, seed=0, config=config, file_format="tiff")
    scans = folder / "scans"
    scans.mkdir()
    for number in range(count):
        shutil.copyfile(data.cases[0].image, scans / f"eye{number:03d}.tif")
    return scans


def time_command(*words: str | Path, workers: int) -> float:
    """Run a command; return its seconds."""
    command = [sys.executable, "-m", "napari_retseg", *map(str, words), "--workers", str(workers)]
    began = time.perf_counter()
    subprocess.run(command, env={**os.environ, **ONE_THREAD}, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def take_turn(folder: Path, scans: Path, turn: int) -> dict[str, dict[int, float]]:
    """Predict and measure with one worker and with two; who is first changes with the turn."""
    took: dict[str, dict[int, float]] = {"predict": {}, "measure": {}}
    for workers in (1, 2) if turn % 2 == 0 else (2, 1):
        labels, measures = (folder / f"{name}{turn}-{workers}" for name in ("labels", "measures"))
        took["predict"][workers] = time_command(
            "predict", scans, "--output", labels, "--device", "cpu", workers=workers
        )
        took["measure"][workers] = time_command(
            "measure", labels, "--scan", scans, "--output", measures, workers=workers
        )
        shutil.rmtree(labels)
        shutil.rmtree(measures)
    return took


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--volumes", type=int, default=200)
    parser.add_argument("--bscans", type=int, default=7, help="of a volume")
    parser.add_argument("--size", type=int, nargs=2, default=(496, 768), help="rows and columns")
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scans = make_volumes(
            folder,
            count=arguments.volumes,
            bscans=arguments.bscans,
            size=(arguments.size[0], arguments.size[1]),
        )
        turns = [take_turn(folder, scans, turn) for turn in range(arguments.turns)]
    ratios = {
        command: [round(turn[command][2] / turn[command][1], 3) for turn in turns]
        for command in ("predict", "measure")
    }
    print(
        json.dumps(
            {
                "volumes": arguments.volumes,
                "bscans": arguments.bscans,
                "seconds": turns,
                "ratios": ratios,
                "median": {command: statistics.median(all_) for command, all_ in ratios.items()},
                "load": os.getloadavg(),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()

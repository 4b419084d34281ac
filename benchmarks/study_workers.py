"""What a second worker brings to a study: the time of a grid of equal runs with one and with two.

Run ``python -m benchmarks.study_workers``. Each worker has one thread, so that both find the same;
the grid is done with one and with two in turn, on simulated scans, into new folders.
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
from pathlib import Path
from typing import Any

import yaml


def write_recipe(path: Path, *, runs: int, iterations: int) -> Path:
    """Write a grid of runs that differ in their seed alone."""
    simulate = {"count": 4, "n_bscans": 2, "depth": 256, "width": 256}
    recipe: dict[str, Any] = {
        "name": "equal",
        "title": "Equal runs",
        "description": "Runs that take the same time.",
        "data": {"target": {"description": "B-scans", "simulate": simulate}},
        "start": "starter",
        "train": {"iterations": iterations, "score_every": 10_000, "crop": "256x256"},
        "splits": {"one": {"plan": "50/50"}},
        "seeds": list(range(runs)),
        "grids": {"equal": {"factors": {"lr": [0.001]}}},
    }
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return path


def measure(recipe: Path, output: Path, workers: int) -> float:
    """Do the study in a new folder, report and all; return its seconds."""
    command = [sys.executable, "-m", "napari_retseg", "study", str(recipe)]
    command += ["--output", str(output), "--workers", str(workers), "--no-scans"]
    began = time.monotonic()
    subprocess.run(
        command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True
    )
    return time.monotonic() - began


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--iterations", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    seconds: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recipe = write_recipe(
            folder / "equal.yaml", runs=options.runs, iterations=options.iterations
        )
        for repeat in range(options.repeats):
            for workers in seconds:
                output = folder / f"{repeat}-{workers}"
                seconds[workers].append(measure(recipe, output, workers))
    ratios = [two / one for one, two in zip(seconds[1], seconds[2], strict=True)]
    found = {
        "seconds": {workers: [round(one, 1) for one in own] for workers, own in seconds.items()},
        "ratio": round(statistics.median(ratios), 3),
        "load": os.getloadavg(),
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()

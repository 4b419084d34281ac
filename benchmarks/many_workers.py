"""How well `predict --scheduler` keeps many workers busy: simulated ones, which only sleep.

Run ``python -m benchmarks.many_workers`` in the repository's folder. The client is the command's
own code, with its scheduler; in the place of a prediction a worker sleeps as long as one takes.
The workers are those of dask, in one other process, so that 64 of them need no 64 processes.
Reported are the time against the ideal (no worker ever waits), the client's highest memory, how far
the time left, as the progress line told it, was off, and the milliseconds of CPU that a scan takes
of the client, and of scheduler and workers: on a machine that is busy, these decide.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from napari_retseg.cli import batch
from napari_retseg.cli.labeller import open_labeller
from napari_retseg.cli.listing import Place
from napari_retseg.cli.predict_files import LabelJob, Labelled, Wanted
from napari_retseg.cli.reporting import Reporter
from napari_retseg.config import PredictConfig
from napari_retseg.events import Cancel, Event, Finished
from napari_retseg.models import STARTER

#: B-scans of a scan: single ones, and volumes as devices make them.
SIZES = (1, 1, 7, 19, 25, 31, 49, 61, 97, 128)
#: Recorded with the starter: a B-scan of 496 x 768 takes one core so long.
SECONDS = 0.042
#: A B-scan as it lies on the disk.
BYTES = 496 * 768
#: What each worker measures of its process, several times a second: 64 times the same here.
ONE_PROCESS = {
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__INTERVAL": "60s",
    "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "2s",
    "DASK_DISTRIBUTED__ADMIN__TICK__CYCLE": "60s",
}


class SleepJob(LabelJob):
    """A job as `predict` sends it, whose scan's name says how long it takes."""

    def run(self, cancel: Cancel) -> Iterator[Event]:  # noqa: ARG002 - too short to be stopped
        """Sleep, and say what a prediction would."""
        n_bscans, seconds = self.place.path.stem.split("_")[1:]
        time.sleep(float(seconds))
        found = Labelled("predicted", f"{self.place.path.stem}.tif", int(n_bscans), float(seconds))
        yield Finished(result=asdict(found))


class Watched(Reporter):
    """Keeps when how many scans were done, and what the progress lines said of the time left."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[float, float]] = []

    def say(self, text: str) -> None:
        """Note the time left, in seconds."""
        if text.endswith(" left"):
            parts = [int(part) for part in text.split()[-2].split(":")]
            left = sum(part * 60**k for k, part in enumerate(reversed(parts)))
            self.told.append((time.monotonic(), left))


class Memory(threading.Thread):
    """Watches the memory of this process."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.highest = 0
        self.ended = threading.Event()

    def run(self) -> None:
        """Look four times a second."""
        process = psutil.Process()
        while not self.ended.wait(0.25):
            self.highest = max(self.highest, process.memory_info().rss)


async def serve(workers: int) -> None:
    """Run a scheduler and workers, which print the address, until standard input ends."""
    from distributed import LocalCluster

    async with LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=False,
        protocol="tcp://",
        dashboard_address=None,
        memory_limit=0,
        asynchronous=True,
    ) as cluster:
        print(cluster.scheduler_address, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def make_scans(
    folder: Path, count: int, seed: int, seconds_each: float
) -> tuple[list[Place], float]:
    """Make the files of scans of mixed sizes, without any content; return all their seconds."""
    rng = np.random.default_rng(seed)
    places, total = [], 0.0
    for number in range(count):
        n_bscans = int(rng.choice(SIZES))
        seconds = n_bscans * seconds_each
        path = folder / f"scan{number:06d}_{n_bscans}_{seconds:.4f}.tif"
        with path.open("wb") as file:
            file.truncate(n_bscans * BYTES)
        places.append(Place(path))
        total += seconds
    return places, total


def count_cpu(process: psutil.Process) -> float:
    """Count the seconds of CPU that a process has taken."""
    times = process.cpu_times()
    return float(times.user + times.system)


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Label the scans; return times and memory."""
    vars(batch)["LabelJob"] = SleepJob
    scans = folder / "scans"
    scans.mkdir()
    places, seconds = make_scans(scans, arguments.scans, arguments.seed, arguments.seconds)
    memory, reporter = Memory(), Watched()
    command = [sys.executable, "-m", "benchmarks.many_workers", "--serve", str(arguments.workers)]
    env = {**os.environ, **ONE_PROCESS}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
    ) as far:
        assert far.stdout is not None
        address = far.stdout.readline().strip()
        memory.start()
        labeller = open_labeller(STARTER, PredictConfig(), scheduler=address)
        processes = [psutil.Process(), psutil.Process(far.pid)]
        before = [count_cpu(one) for one in processes]
        began = time.monotonic()
        summary = batch.Batch(
            wanted=Wanted(folder / "labels"),
            labeller=labeller,
            reporter=reporter,
            scheduler=address,
        ).run(places)
        took = time.monotonic() - began
        spent = [count_cpu(one) - first for one, first in zip(processes, before, strict=True)]
        memory.ended.set()
        far.communicate("")
    assert len(summary.predicted) == len(places), summary.failed[:3]
    ideal = seconds / arguments.workers
    off = [abs(left - (began + took - at)) / took for at, left in reporter.told]
    return {
        "workers": arguments.workers,
        "scans": len(places),
        "seconds": round(took, 1),
        "ideal_seconds": round(ideal, 1),
        "of_ideal": round(ideal / took, 3),
        "client_cpu_ms": round(1000 * spent[0] / len(places), 1),
        "others_cpu_ms": round(1000 * spent[1] / len(places), 1),
        "client_mb": round(memory.highest / 1e6),
        "time_left_off": round(max(off, default=0.0), 3),
        "load": os.getloadavg(),
    }


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--scans", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for each B-scan")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(serve(arguments.serve))
        return
    with tempfile.TemporaryDirectory() as name, redirect_stdout(io.StringIO()):
        found = measure(arguments, Path(name))
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()

"""A grader in a process of its own, to be killed: paints and confirms B-scans, and says so.

Prints a line before each plane that it hands over (``put``), and one after each confirmation that
the autosaver says is on disk (``kept``), with the time on the system's monotonic clock.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_retseg.workspace.autosave import Autosaver
from napari_retseg.workspace.restore import RestorePoints
from napari_retseg.workspace.workspace import Workspace

NAME = "volume"
N_BSCANS = 12
SHAPE = (96, 128)
_DIGITS = 8


def draw(value: int) -> NDArray[np.uint8]:
    """Draw a plane that no other value gives: digits in its first row, noise below."""
    coarse = np.random.default_rng(value).integers(0, 9, (24, 32), dtype=np.uint8)
    plane = np.kron(coarse, np.ones((4, 4), np.uint8))
    plane[0, :_DIGITS] = [value // 9**n % 9 for n in range(_DIGITS)]
    return plane


def read_value(plane: NDArray[np.uint8]) -> int:
    """Return the value that the first row of a plane says."""
    return sum(int(digit) * 9**n for n, digit in enumerate(plane[0, :_DIGITS]))


def say(*words: object) -> None:
    """Print a line with the time; all of it is in the pipe when this returns."""
    sys.stdout.write(" ".join(str(word) for word in (*words, time.monotonic())) + "\n")
    sys.stdout.flush()


def work(folder: Path, value: int, *, confirms: float) -> None:
    """Paint until killed; each plane has a value of its own, from `value` on.

    `confirms` is how often a B-scan is confirmed; with 0, nothing but time brings strokes to disk.
    """
    rng = np.random.default_rng(value)
    workspace = Workspace.open(folder)
    saver = Autosaver(workspace, on_error=lambda text: say("error", text))
    points = RestorePoints(workspace, keep=5, flush=lambda: saver.flush(30))
    say("ready")
    while True:
        bscan = int(rng.integers(N_BSCANS))
        if rng.random() < confirms / 2:
            points.make("before the first stroke", name=NAME, bscans=[bscan])
        for _ in range(int(rng.integers(0, 12))):
            value += 1
            say("put", bscan, value, "corrected")
            saver.put(NAME, bscan, draw(value))
            time.sleep(rng.uniform(0, 0.03))
        if rng.random() < confirms:
            value += 1
            say("put", bscan, value, "confirmed")
            saver.put(NAME, bscan, draw(value), state="confirmed")
            if rng.random() < 0.7 and saver.flush(30):
                say("kept", bscan, value)


if __name__ == "__main__":
    work(Path(sys.argv[1]), int(sys.argv[2]), confirms=float(sys.argv[3]))

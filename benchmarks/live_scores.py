"""Time of one stroke with live scores against counting the whole volume anew, in one run.

Run ``python benchmarks/live_scores.py``. It makes volumes of 61 and 244 B-scans of 496 x 768
with wavy layers, and paints on them. A stroke is a run of overlapping discs, as a mouse draws
them, that changes about 200 or 3000 pixels. Timed is what follows one stroke:

- stroke: find the changed pixels (``PlaneWatch.changes``), count them (``LiveScores.repaint``)
  and score the volume (``LiveScores.scores``);
- stroke_with_list: the same, and score the B-scan and find the five worst;
- whole_volume_anew: the confusion matrix of every B-scan, and the scores from them.

Both ways give the same scores, which is checked at the end. Reported are medians, 99th percentiles
and the longest, in milliseconds, and the time of each step.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import psutil
from numpy.typing import NDArray

from napari_retseg.classes import RETINA
from napari_retseg.label_diff import PlaneWatch
from napari_retseg.livescores import LiveScores
from napari_retseg.scores import Overlap, ScoreCounter, confusion_matrix

SHAPE = (496, 768)
COUNTS = (61, 244)
#: Radius in pixels and number of discs of each stroke, by the pixels that it changes.
STROKES = {200: (5, 13), 3000: (14, 88)}
#: No live update of a stroke shall take longer, in milliseconds.
LIMIT_MS = 3.0

Volume = NDArray[np.uint8]


@dataclass
class Times:
    """Seconds of each step, a value for each stroke."""

    steps: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    pixels: list[int] = field(default_factory=list)

    def report(self) -> dict[str, dict[str, float]]:
        """Return median, 99th percentile and longest of each step, in milliseconds."""
        steps = {
            name: {
                "median_ms": round(float(np.median(seconds)) * 1e3, 3),
                "p99_ms": round(float(np.percentile(seconds, 99)) * 1e3, 3),
                "longest_ms": round(max(seconds) * 1e3, 3),
            }
            for name, seconds in self.steps.items()
        }
        changed = {"median": float(np.median(self.pixels)), "most": float(max(self.pixels))}
        return {"changed_pixels": changed, **steps}


def make_volume(n_bscans: int, *, shift: int) -> Volume:
    """Draw eight layers with waves, `shift` pixels lower."""
    depth, width = SHAPE
    rows = np.arange(depth)[:, np.newaxis]
    volume = np.zeros((n_bscans, depth, width), dtype=np.uint8)
    for bscan, plane in enumerate(volume):
        top = 150 + shift + 20 * np.sin(np.arange(width) / 90 + bscan / 10)
        layer = (rows - top) // 25
        plane[:] = np.where((layer >= 0) & (layer < 8), layer + 1, 0)
    return volume


def paint(plane: Volume, n_pixels: int, rng: np.random.Generator) -> None:
    """Draw one stroke of a random class, in a random place."""
    radius, n_discs = STROKES[n_pixels]
    rows, columns = np.ogrid[: SHAPE[0], : SHAPE[1]]
    y, x = rng.uniform(150, 350), rng.uniform(radius, SHAPE[1] - radius - n_discs)
    value = rng.integers(1, len(RETINA))
    beside = columns - np.clip(columns, x, x + n_discs - 1)
    inside = (rows - y) ** 2 + beside**2 <= radius**2
    # every pixel of a stroke changes, so that its size is what it says
    plane[inside] = np.where(plane[inside] == value, 0, value)


def time_live(
    reference: Volume, predicted: Volume, n_pixels: int, *, repeats: int, rng: np.random.Generator
) -> tuple[Times, Overlap]:
    """Paint on the reference, each stroke on a B-scan of its own choice."""
    live = LiveScores(RETINA, reference.shape)
    live.count_rest(reference, predicted)
    live.worst(5)
    times = Times()
    for _ in range(repeats):
        bscan = int(rng.integers(len(reference)))
        watch = PlaneWatch(reference[bscan])
        paint(reference[bscan], n_pixels, rng)
        began = time.perf_counter()
        found = watch.changes(reference[bscan])
        compared = time.perf_counter()
        assert found is not None
        live.repaint(
            bscan,
            side="reference",
            flat=found.flat,
            before=found.before,
            after=found.after,
            other=predicted[bscan],
        )
        counted = time.perf_counter()
        live.scores()
        scored = time.perf_counter()
        live.bscan_scores(bscan)
        live.worst(5)
        listed = time.perf_counter()
        times.pixels.append(len(found))
        times.steps["changes"].append(compared - began)
        times.steps["repaint"].append(counted - compared)
        times.steps["scores"].append(scored - counted)
        times.steps["stroke"].append(scored - began)
        times.steps["stroke_with_list"].append(listed - began)
    return times, live.scores()


def count_anew(reference: Volume, predicted: Volume) -> Overlap:
    """Count every pixel of both volumes."""
    counter = ScoreCounter(RETINA)
    for number, (wanted, found) in enumerate(zip(reference, predicted, strict=True)):
        matrix = confusion_matrix(wanted, found, len(RETINA))
        counter.add(matrix, name=str(number), group="P")
    return Overlap(counter.scores().classes)


def measure(
    n_bscans: int, n_pixels: int, *, repeats: int, seed: int
) -> dict[str, dict[str, float]]:
    """Time both ways on the same volumes, and compare what they say."""
    reference, predicted = make_volume(n_bscans, shift=0), make_volume(n_bscans, shift=3)
    rng = np.random.default_rng(seed)
    times, live = time_live(reference, predicted, n_pixels, repeats=repeats, rng=rng)
    for _ in range(max(3, repeats // 100)):
        began = time.perf_counter()
        anew = count_anew(reference, predicted)
        times.steps["whole_volume_anew"].append(time.perf_counter() - began)
    if live != anew:
        raise SystemExit("live scores are not those of a new count")
    return times.report()


def main() -> None:
    """Measure and print as JSON; exit with 1 where a stroke takes too long."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--bscans", type=int, nargs="+", default=list(COUNTS))
    parser.add_argument("--repeats", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    found = {
        f"{n_bscans} B-scans, {n_pixels} pixels": measure(
            n_bscans, n_pixels, repeats=options.repeats, seed=options.seed
        )
        for n_bscans in options.bscans
        for n_pixels in STROKES
    }
    slow = [name for name, steps in found.items() if steps["stroke"]["p99_ms"] > LIMIT_MS]
    about = {"limit_ms": LIMIT_MS, "over_the_limit": slow, "load_average": psutil.getloadavg()}
    print(json.dumps({**about, "times": found}, indent=1))
    raise SystemExit(1 if slow else 0)


if __name__ == "__main__":
    main()

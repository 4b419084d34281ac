"""How well one click finds a pocket of fluid: Dice where it begins, and at the wheel's best notch.

Each labelled pocket of 80 pixels or more is clicked in its middle and at two random places
inside. Nothing but grey values and the outer boundaries of the labelled layers is used.

Run ``python -m benchmarks.pocket_click [--count 36] [--chiu FOLDER --patients S01 S02]``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from napari_retseg.classes import IGNORE, RETINA
from napari_retseg.decode.pocket_click import propose_pocket
from napari_retseg.layers import layer_order
from napari_retseg.simulate import SimulatorConfig, draw_bscan

FLUID = next(c.value for c in RETINA.classes if c.name == "fluid")
LAYERS = [RETINA.classes[k].value for k in layer_order(RETINA)]
SEED, SMALLEST, CLICKS = 991177, 80, 3
ILL = {"ill": 1.0, "cysts": 0.7, "pockets": 0.6, "subretinal": 0.25}

Bscan = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def simulate(count: int) -> Iterator[Bscan]:
    """Draw B-scans of 496 x 768 pixels that show fluid, of all devices, with their labels."""
    config = SimulatorConfig(size=(496, 768)).with_ranges(disease=ILL)
    index = 0
    while count:
        grey, labels, _ = draw_bscan(config, SEED, index)
        index += 1
        if (labels == FLUID).sum() >= 150:
            count -= 1
            yield grey, labels


def read_chiu(folder: Path, patients: list[str]) -> Iterator[Bscan]:
    """Read B-scans of Chiu et al. 2015 with the labels of grader 1."""
    for file in sorted((folder / "images").glob("S*.png")):
        if file.name[:3] in patients:
            yield np.array(Image.open(file)), np.array(Image.open(folder / "labels" / file.name))


def list_clicks(
    labels: NDArray[np.uint8], rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.bool_], tuple[int, int]]]:
    """List each pocket with the places at which it is clicked."""
    parts, n = ndimage.label(labels == FLUID)
    for number in range(1, n + 1):
        pocket = parts == number
        if pocket.sum() < SMALLEST:
            continue
        depth = ndimage.distance_transform_edt(pocket)
        inside = np.argwhere(depth >= max(1.5, 0.4 * depth.max()))
        chosen = rng.choice(len(inside), min(CLICKS - 1, len(inside)), replace=False)
        middle = np.array(np.unravel_index(depth.argmax(), depth.shape))
        for row, column in (middle, *inside[chosen]):
            yield pocket, (int(row), int(column))


def measure(bscans: Iterator[Bscan]) -> str:
    """Click all pockets, and say how well they were found."""
    rng = np.random.default_rng(0)
    began, best, notches, seconds = [], [], [], []
    for grey, labels in bscans:
        shown = np.where(labels == IGNORE, np.uint8(0), labels)
        for pocket, place in list_clicks(labels, rng):
            start = time.perf_counter()
            found = propose_pocket(grey, place, labels=shown, layers=LAYERS)
            seconds.append(time.perf_counter() - start)
            if found is None:
                continue
            regions = (found.region(k, grey.shape) for k in range(found.n_regions))
            dice = [2 * (r & pocket).sum() / (r.sum() + pocket.sum()) for r in regions]
            began.append(dice[found.best])
            best.append(max(dice))
            notches.append(abs(int(np.argmax(dice)) - found.best))
    ms = 1000 * np.array(seconds)
    return (
        f"{len(seconds)} clicks: Dice {np.mean(began):.3f} at first, {np.mean(best):.3f} at the "
        f"best notch, which is {np.median(notches):.0f} away (median); {ms.mean():.0f} ms, 95 % "
        f"within {np.percentile(ms, 95):.0f} ms"
    )


def main() -> None:
    """Measure on simulated B-scans, and on real ones where their folder is given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=36)
    parser.add_argument("--chiu", type=Path)
    parser.add_argument("--patients", nargs="+", default=["S01", "S02"])
    options = parser.parse_args()
    print("simulated:", measure(simulate(options.count)))
    if options.chiu is not None:
        patients = options.patients
        print("Chiu 2015", *patients, ":", measure(read_chiu(options.chiu, patients)))


if __name__ == "__main__":
    main()

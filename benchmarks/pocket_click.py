"""How well one click, or a line around it, finds a pocket of fluid.

Dice where the proposal begins and at the wheel's best notch: the mean over clicks, the mean by the
pocket's size, and that of all pixels together. Each labelled pocket of 80 pixels or more is
clicked in its middle and at two random places inside; each of 20 pixels or more is encircled three
pixels outside, by a hand that trembles by one pixel. The layers are the reference's without
its fluid, or with the starter those that it predicts.

Run ``python -m benchmarks.pocket_click [--count 36] [--chiu FOLDER --patients S01 S02]``.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.measure import find_contours

from napari_retseg.classes import IGNORE, RETINA
from napari_retseg.config import PredictConfig
from napari_retseg.decode.pocket_click import propose_pocket
from napari_retseg.decode.pocket_edit import take_out
from napari_retseg.decode.pocket_outline import propose_inside
from napari_retseg.decode.pocket_regions import PocketProposal
from napari_retseg.infer.predictor import Predictor
from napari_retseg.layers import layer_order
from napari_retseg.nets.bundle import load_model
from napari_retseg.scan import OctScan
from napari_retseg.simulate import SimulatorConfig, draw_bscan

FLUID = next(c.value for c in RETINA.classes if c.name == "fluid")
LAYERS = [RETINA.classes[k].value for k in layer_order(RETINA)]
SEED, SMALLEST, CLICKS = 991177, 80, 3
MARGIN, TREMBLE, LEAST = 3, 1.0, 20
SIZES = (20, 80, 300, 1000, 10**9)
STARTER = Path(__file__).parents[1] / "sample_data" / "starter"
ILL = {"ill": 1.0, "cysts": 0.7, "pockets": 0.6, "subretinal": 0.25}

Mask = NDArray[np.bool_]
Bscan = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def simulate(count: int, seed: int = SEED) -> Iterator[Bscan]:
    """Draw B-scans of 496 x 768 pixels that show fluid, of all devices, with their labels."""
    config = SimulatorConfig(size=(496, 768)).with_ranges(disease=ILL)
    index = 0
    while count:
        grey, labels, _ = draw_bscan(config, seed, index)
        index += 1
        if (labels == FLUID).sum() >= 150:
            count -= 1
            yield grey, labels


def read_chiu(folder: Path, patients: list[str]) -> Iterator[Bscan]:
    """Read B-scans of Chiu et al. 2015 with the labels of grader 1."""
    for file in sorted((folder / "images").glob("S*.png")):
        if file.name[:3] in patients:
            yield np.array(Image.open(file)), np.array(Image.open(folder / "labels" / file.name))


@cache
def _load_starter() -> tuple[Predictor, NDArray[np.uint8], int]:
    model = load_model(STARTER)
    names = list(model.info.classes.names)
    predictor = Predictor(model.network, model.info, PredictConfig())
    return predictor, np.asarray(model.info.classes.values, np.uint8), names.index("fluid")


def predict(grey: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Labels, and the probability of fluid, that the starter gives."""
    predictor, values, fluid = _load_starter()
    scan = OctScan(pixels=grey, axes=("depth", "width"))
    ((_, logits),) = predictor.predict_logits(scan, [0])
    ((_, found),) = predictor.label_scan(scan, [0])
    return values[found.labels], logits.float().softmax(1)[0, fluid].numpy()


def list_pockets(labels: NDArray[np.uint8], smallest: int) -> Iterator[Mask]:
    """List the labelled pockets."""
    parts, n = ndimage.label(labels == FLUID)
    for number in range(1, n + 1):
        pocket = parts == number
        if pocket.sum() >= smallest:
            yield pocket


def list_clicks(
    labels: NDArray[np.uint8],
    rng: np.random.Generator,
    *,
    clicks: int = CLICKS,
    smallest: int = SMALLEST,
) -> Iterator[tuple[Mask, tuple[int, int]]]:
    """List each pocket with the places at which it is clicked."""
    for pocket in list_pockets(labels, smallest):
        depth = ndimage.distance_transform_edt(pocket)
        inside = np.argwhere(depth >= max(1.5, 0.4 * depth.max()))
        chosen = rng.choice(len(inside), min(clicks - 1, len(inside)), replace=False)
        middle = np.array(np.unravel_index(depth.argmax(), depth.shape))
        for row, column in (middle, *inside[chosen]):
            yield pocket, (int(row), int(column))


def list_lines(
    labels: NDArray[np.uint8], rng: np.random.Generator
) -> Iterator[tuple[Mask, NDArray[np.float64]]]:
    """List each pocket with a line around it."""
    for pocket in list_pockets(labels, LEAST):
        around = np.pad(pocket, MARGIN + 2)
        from_pocket = ndimage.distance_transform_edt(~around)
        contours = find_contours(from_pocket, MARGIN + 0.5)  # type: ignore[no-untyped-call]
        line = max(contours, key=len)[::4] - (MARGIN + 2)
        trembling = rng.normal(0, TREMBLE, line.shape)
        yield pocket, line + np.clip(trembling, -2 * TREMBLE, 2 * TREMBLE)


@dataclass
class Tally:
    """Of each proposal: pixels of pocket, region and both, at first and at the best notch."""

    first: list[tuple[int, int, int]] = field(default_factory=list)
    best: list[tuple[int, int, int]] = field(default_factory=list)
    notches: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def add(self, pocket: Mask, propose: Callable[[], PocketProposal | None]) -> None:
        """Time a proposal, and compare its regions with a pocket; nothing proposed is 0."""
        start = time.perf_counter()
        found = propose()
        self.seconds.append(time.perf_counter() - start)
        size = int(pocket.sum())
        if found is None:
            self.first.append((size, 0, 0))
            self.best.append((size, 0, 0))
            return
        regions = (found.region(k, (len(pocket), pocket.shape[1])) for k in range(found.n_regions))
        counts = [(size, int(r.sum()), int((r & pocket).sum())) for r in regions]
        best = int(np.argmax([2 * both / (one + other) for one, other, both in counts]))
        self.first.append(counts[found.best])
        self.best.append(counts[best])
        self.notches.append(abs(best - found.best))

    def __str__(self) -> str:
        ms = 1000 * np.array(self.seconds)
        return (
            f"{len(ms)} proposals, {ms.mean():.0f} ms, 95 % within {np.percentile(ms, 95):.0f} ms; "
            f"best notch {np.median(self.notches):.0f} away (median)\n"
            f"  first {_say_dice(self.first)}\n  best  {_say_dice(self.best)}"
        )


def _say_dice(counts: list[tuple[int, int, int]]) -> str:
    sizes, regions, both = np.array(counts).T
    dice = 2 * both / (sizes + regions)
    said = f"{dice.mean():.3f}; all pixels {2 * both.sum() / (sizes.sum() + regions.sum()):.3f}"
    for low, high in itertools.pairwise(SIZES):
        chosen = (sizes >= low) & (sizes < high)
        if chosen.any():
            said += f"; from {low} px {dice[chosen].mean():.3f} ({chosen.sum()})"
    return said


def measure(name: str, bscans: Iterator[Bscan], *, has_model: bool) -> None:
    """Click and encircle all pockets, and print how well they were found."""
    rng, clicks, lines = np.random.default_rng(0), Tally(), Tally()
    for grey, labels in (bscan for bscan in bscans if (bscan[1] == FLUID).any()):
        if has_model:
            layers, said = predict(grey)
        else:
            shown = np.where(labels == IGNORE, np.uint8(0), labels)
            layers, said = take_out(shown, shown == FLUID, LAYERS), None
        known: dict[str, Any] = {"labels": layers, "layers": LAYERS, "probability": said}
        for pocket, place in list_clicks(labels, rng):
            clicks.add(pocket, partial(propose_pocket, grey, place, **known))
        for pocket, line in list_lines(labels, np.random.default_rng(1)):
            lines.add(pocket, partial(propose_inside, grey, line, **known))
    name += ", with the starter" if has_model else ", without a model"
    print(f"{name}: clicks: {clicks}\n{name}: lines around: {lines}")


def main() -> None:
    """Measure on simulated B-scans, and on real ones where their folder is given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=36)
    parser.add_argument("--chiu", type=Path)
    parser.add_argument("--patients", nargs="+", default=["S01", "S02"])
    options = parser.parse_args()
    for has_model in (False, True):
        if options.count:
            measure("simulated", simulate(options.count), has_model=has_model)
        if options.chiu is not None:
            name = " ".join(["Chiu 2015", *options.patients])
            bscans = read_chiu(options.chiu, options.patients)
            measure(name, bscans, has_model=has_model)


if __name__ == "__main__":
    main()

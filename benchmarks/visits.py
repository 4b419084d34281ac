"""What `change` marks: planted changes, and nothing in two visits of an unchanged eye.

Run ``python -m benchmarks.visits`` from the root of the repository. Eyes with vessels are drawn
twice, with other noise and light: shifted by up to 0.3 mm, rotated by up to 5 degrees, scaled by up
to 1 %. Labels have errors in both visits. The coefficient of repeatability comes from other pairs.

With ``--starter N`` instead: simulated eyes, each of a device of its own, that are scanned twice
and labelled by the starter model; eyes that its repeatability was not measured on.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import LabelSet
from napari_retseg.config import PredictConfig
from napari_retseg.errors import InputError
from napari_retseg.infer.predict import load_predictor
from napari_retseg.measures.sectors import INNER_RING, WHOLE
from napari_retseg.models import find_model, read_retest
from napari_retseg.starter.calibrating import label_twice
from napari_retseg.visits import Change, Repeatability, Visit, find_change
from napari_retseg.visits.change import measure_changes
from napari_retseg.visits.repeatability import OWN
from tests.visits.eyes import LAYERS, LENGTH_MM, WIDTH, Eye, Pose, visit

Floats = NDArray[np.float64]

FLUID = "fluid"
CLASSES = LabelSet.from_names([*LAYERS, FLUID])
#: Errors of a boundary along the B-scan (SD), and the cyst that each eye has.
NOISE_UM, CYST_NL = 2.0, 30.0
#: Planted: um within the inner ring, and nl.
PLANTED_UM, PLANTED_NL = 5.0, 10.0
INNER = ("C0", "S1", "N1", "I1", "T1")
#: Of simulated eyes that chose nothing.
FRESH_SEED = 9700
ASCAN_UM = LENGTH_MM / WIDTH * 1000


@dataclass(frozen=True)
class Pair:
    """Two visits of an eye: what changed, and how far places are from where they should be."""

    change: Change
    away_um: float

    def marked(self) -> set[tuple[str, str]]:
        """Structure and sector of what is marked."""
        return {(one.structure, one.sector) for one in self.change.rows if one.is_change}


def see(seed: int, repeatability: Repeatability, sign: int = 0) -> Pair:
    """Draw an eye twice; with a sign, the second visit is thicker (thinner) and has more fluid."""
    rng = np.random.default_rng([seed, 7])
    poses = [draw_pose(rng, 2.5) for _ in range(2)]
    eye, visits = Eye(seed), []
    for number, pose in enumerate(poses):
        planted = sign * number
        scan, labels = visit(
            eye,
            pose,
            2 * seed + number,
            thicken=partial(thicken, um=PLANTED_UM * planted),
            cyst_nl=CYST_NL + PLANTED_NL * planted,
            noise_um=NOISE_UM,
        )
        visits.append(Visit(f"visit {number}", scan, labels, CLASSES))
    change = find_change(*visits, repeatability=repeatability)
    places = np.random.default_rng(seed).uniform(-2.5, 2.5, (2, 400))
    found = change.registration.find(poses[0].see(places))
    return Pair(change, 1000 * float(np.hypot(*(found - poses[1].see(places))).max()))


def thicken(eye_mm: Floats, *, um: float) -> Floats:
    """As much within the inner ring, nothing outside; smooth in between."""
    thicker: Floats = um / (1 + np.exp((np.hypot(*eye_mm) - 1.6) / 0.05))
    return thicker


def draw_pose(rng: np.random.Generator, turn_deg: float) -> Pose:
    """Half of what two visits differ by, either way."""
    return Pose(
        rng.uniform(-turn_deg, turn_deg),
        (rng.uniform(-0.15, 0.15), rng.uniform(-0.15, 0.15)),
        1 + rng.uniform(-0.005, 0.005),
    )


def find_repeatability(changes: Iterable[Change]) -> Repeatability:
    """Coefficient of each structure, of the sector that repeats worst."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for change in changes:
        for one in change.rows:
            found[one.structure, one.sector].append(one.change or 0.0)
    least: dict[str, float] = {}
    for (name, _), values in found.items():
        coefficient = 1.96 * float(np.sqrt(np.mean(np.square(values))))
        least[name] = max(least.get(name, 0.0), coefficient)
    return Repeatability(least, OWN)


def show_unchanged(pairs: Iterable[Pair]) -> list[float]:
    """Print how many unchanged eyes have a mark; how far places are off, in um."""
    away: list[float] = []
    n_marked, worst = 0, 0.0
    for pair in pairs:
        away.append(pair.away_um)
        n_marked += bool(pair.marked())
        for one in pair.change.rows:
            if one.change is not None and one.smallest_change is not None:
                worst = max(worst, abs(one.change) / one.smallest_change)
    print(
        f"{len(away)} unchanged eyes: {n_marked} with a mark; the largest change is {worst:.2f} of "
        "the smallest that would be marked",
        flush=True,
    )
    return away


def show_planted(pairs: list[Pair], sign: int) -> None:
    """Print what was found of what was planted."""
    marks = [pair.marked() for pair in pairs]
    rows = [{(one.structure, one.sector): one for one in pair.change.rows} for pair in pairs]
    print(f"{len(pairs)} eyes with {sign * PLANTED_UM:+.0f} um and {sign * PLANTED_NL:+.0f} nl:")
    for name in ("retina", "ONL"):
        n_ring = sum((name, INNER_RING) in one for one in marks)
        n_sectors = sum((name, sector) in one for one in marks for sector in INNER)
        um = [one[name, sector].change or 0.0 for one in rows for sector in INNER]
        print(
            f"  {name}: inner ring found in {n_ring}, {n_sectors} of {len(um)} sectors; measured "
            f"{np.mean(um):+.2f} um (SD {np.std(um):.2f})"
        )
    nl = [one[FLUID, WHOLE].change or 0.0 for one in rows]
    n_fluid = sum((FLUID, WHOLE) in one for one in marks)
    print(f"  fluid: found in {n_fluid}; measured {np.mean(nl):+.2f} nl (SD {np.std(nl):.2f})")
    wrong = sum(any(name in ("NFL", "OPL", "RPE") for name, _ in one) for one in marks)
    print(f"  layers that did not change: a mark in {wrong}", flush=True)


def show_starter(n_eyes: int, first: int) -> None:
    """Print what is marked in unchanged eyes that the starter has labelled, and what is refused."""
    folder = find_model("starter")
    retest = read_retest(folder)
    assert retest is not None
    own = Repeatability.of_model(retest)
    predictor = load_predictor(folder, PredictConfig(device="cpu"))
    marked = refused = 0
    noises: list[float] = []
    shares: list[float] = []
    least: list[float] = []
    for index in range(first, first + n_eyes):
        before, after, registration = label_twice(predictor, FRESH_SEED, index)
        try:
            find_change(before, after)
        except InputError:
            refused += 1
        rows, _ = own.judge(measure_changes(before, after, registration))
        marks = [(one.structure, one.sector) for one in rows if one.is_change]
        marked += bool(marks)
        noises.append(retest.find_noise(rows) or np.nan)
        judged = [one for one in rows if one.smallest_change is not None]
        shares += [abs(one.change or 0.0) / (one.smallest_change or 1.0) for one in judged]
        least += [one.smallest_change or 0.0 for one in judged if one.structure == "retina"]
        if marks:
            print(f"eye {index}: {marks}", flush=True)
    print(
        f"{n_eyes} unchanged eyes, labelled by the starter: {marked} with a mark; the largest "
        f"change is {max(shares):.2f} of the smallest that would be marked. Smallest changes of "
        f"the retina: median {np.median(least):.0f} um, 10 % below {np.quantile(least, 0.1):.0f}. "
        f"Noise: median {np.nanmedian(noises):.2f}. Registered by the vessels: "
        f"{n_eyes - refused} of {n_eyes}"
    )


def main() -> None:
    """Print what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=200, help="unchanged eyes")
    parser.add_argument("--planted", type=int, default=20, help="eyes of each sign")
    parser.add_argument("--calibrate", type=int, default=40, help="eyes for the coefficients")
    parser.add_argument("--starter", type=int, default=0, help="simulated eyes, instead of these")
    parser.add_argument("--first", type=int, default=0, help="number of the first of them")
    given = parser.parse_args()
    if given.starter:
        show_starter(given.starter, given.first)
        return
    own = find_repeatability(
        see(20_000 + k, Repeatability()).change for k in range(given.calibrate)
    )
    found = ", ".join(f"{name} {value:.2f}" for name, value in own.by_name.items())
    print(f"coefficients of {given.calibrate} eyes: {found}", flush=True)
    away = show_unchanged(see(seed, own) for seed in range(given.pairs))
    for sign, first in ((1, 30_000), (-1, 40_000)):
        pairs = [see(first + k, own, sign) for k in range(given.planted)]
        away += [pair.away_um for pair in pairs]
        show_planted(pairs, sign)
    print(
        f"registration of {len(away)} pairs: at most {max(away):.1f} um off within 3.5 mm, median "
        f"{np.median(away):.1f} um (an A-scan is {ASCAN_UM:.0f} um)"
    )


if __name__ == "__main__":
    main()

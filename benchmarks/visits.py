"""What `change` marks: planted changes, and nothing in two visits of an unchanged eye.

Run ``python -m benchmarks.visits`` from the root of the repository. Eyes with vessels are drawn
twice, with other noise and light: shifted by up to 0.3 mm, rotated by up to 5 degrees, scaled by up
to 1 %. Labels have errors in both visits. The coefficient of repeatability comes from other pairs.

With ``--starter N`` instead: simulated eyes that are scanned twice at the same place with other
speckle, light and motion, labelled by the starter model.
"""

from __future__ import annotations

import argparse
import zlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

import napari_retseg as rs
from napari_retseg.classes import RETINA as RETINA_CLASSES
from napari_retseg.classes import LabelSet
from napari_retseg.errors import InputError
from napari_retseg.measures.sectors import INNER_RING, WHOLE
from napari_retseg.simulate import ScanParameters, draw_parameters, make_device_config
from napari_retseg.simulate.volume import render
from napari_retseg.visits import Change, Repeatability, Visit, find_change
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
#: Random parts of a simulated scan that differ from one scan of an eye to the next.
OTHERS = {
    *("speckle", "mottle", "jitter", "disturb", "streaks", "fray", "shading", "motion"),
    *("blank", "blank of one"),
}
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


class Again(ScanParameters):
    """A simulated eye in one of its visits: another noise, the same eye."""

    visit: int

    def stream(self, name: str, number: int = 0) -> np.random.Generator:
        """Random numbers of a part; of some parts, others in each visit."""
        if name not in OTHERS:
            return super().stream(name, number)
        part = zlib.crc32(name.encode())
        return np.random.default_rng([self.seed, self.index, part, number, self.visit])


def scan_again(
    seed: int, starter: rs.Model, repeatability: Repeatability | None = None
) -> Change | None:
    """Scan a healthy simulated eye twice, 25 B-scans 240 um apart, and label it.

    None where its vessels, straight lines here, match at several places: then it is refused.
    """
    config = make_device_config("A", size=(496, 384), n_bscans=25, bscan_um=240.0).with_ranges(
        disease={"ill": 0.0},
        gaze={"through_fovea": 0.0, "along_um": (-100, 100), "across_um": (-100, 100)},
        anatomy={"vessels": (12, 14)},
    )
    drawn = draw_parameters(config, seed).model_dump()
    visits = []
    for number in (1, 2):
        scan = render(Again.model_validate({**drawn, "visit": number})).scan
        labels = starter.predict(scan, progress=False)
        visits.append(Visit(f"visit {number}", scan, labels, RETINA_CLASSES))
    try:
        return find_change(*visits, repeatability=repeatability)
    except InputError:
        return None


def show_starter(n_eyes: int) -> None:
    """Print how well the starter's thickness repeats, and what is marked."""
    starter = rs.load_model("starter")
    half = n_eyes // 2
    changes = [scan_again(300 + k, starter) for k in range(half)]
    own = find_repeatability(filter(None, changes))
    found = ", ".join(f"{name} {value:.2f}" for name, value in own.by_name.items())
    print(f"starter, coefficients of {half} eyes: {found}", flush=True)
    found_in = [scan_again(600 + k, starter, own) for k in range(n_eyes - half)]
    others = [one for one in found_in if one is not None]
    retina = [one.change or 0.0 for c in others for one in c.rows if one.structure == "retina"]
    n_marked = sum(any(one.is_change for one in c.rows) for c in others)
    print(
        f"{len(others)} other unchanged eyes: {n_marked} with a mark; the retina differs by "
        f"{np.abs(retina).max():.2f} um at most (SD {np.std(retina):.2f}); refused: "
        f"{sum(one is None for one in (*changes, *found_in))} of {n_eyes}"
    )


def main() -> None:
    """Print what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=200, help="unchanged eyes")
    parser.add_argument("--planted", type=int, default=20, help="eyes of each sign")
    parser.add_argument("--calibrate", type=int, default=40, help="eyes for the coefficients")
    parser.add_argument("--starter", type=int, default=0, help="simulated eyes, instead of these")
    given = parser.parse_args()
    if given.starter:
        show_starter(given.starter)
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

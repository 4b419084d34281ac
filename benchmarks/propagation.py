"""Measure what propagation mends, and that it makes no right B-scan worse.

Run ``python -m benchmarks.propagation``. Dense simulated volumes (60 um between B-scans) get a
prediction with errors that neighbouring B-scans share: boundaries moved by 3 to 12 rows over a
stretch, pockets of fluid missed on all their B-scans, pockets that do not exist. Every sixth
B-scan is confirmed. With ``--rounds 2`` those half-way between are confirmed, too, and it is done
again. An A-scan's boundary is wrong where it lies more than one row from the truth.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from benchmarks.shared_errors import BETWEEN_UM, FLUID, LAYERS, Planted, plant
from napari_retseg.decode.distances import REACH_UM
from napari_retseg.decode.propagation import Propagation
from napari_retseg.layers import boundaries_of_labels

#: A right B-scan is worse where its mean boundary error rises, or a Dice falls, by more than this.
_ROWS, _DICE = 0.02, 0.002


@dataclass
class Tally:
    """What was counted."""

    right: int = 0
    touched: int = 0
    worse: int = 0
    wrong: int = 0
    better: int = 0
    wrong_worse: int = 0
    ascans_wrong: int = 0
    ascans_mended: int = 0
    ascans_harmed: int = 0
    fluid_wrong: int = 0
    fluid_better: int = 0
    fluid_right: int = 0
    fluid_worse: int = 0
    seconds: float = 0.0

    def add(self, other: Tally) -> None:
        """Add the counts of another volume."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))


def measure(planted: Planted, *, every: int = 6, rounds: int = 1) -> Tally:
    """Confirm every sixth B-scan, propagate, and compare all others with the truth."""
    n = len(planted.truth)
    apart = np.abs(np.subtract.outer(np.arange(n), np.arange(n))) * BETWEEN_UM / REACH_UM
    now = planted.prediction.copy()
    confirmed: set[int] = set()
    tally, began = Tally(), time.perf_counter()
    for first in (every // 2, 0)[:rounds]:
        confirmed.update(range(first, n, every))
        propagation = Propagation(
            grey=lambda b: planted.pixels[b].astype(np.float32),
            prediction=lambda b: planted.prediction[b],
            current=lambda b: now[b],
            labels={b: planted.truth[b] for b in confirmed},
            layers=LAYERS,
            lesions=(FLUID,),
            distances=apart,
        )
        for bscan, proposal in propagation.propose([b for b in range(n) if b not in confirmed]):
            if proposal is not None:
                now[bscan] = proposal.labels
    tally.seconds = time.perf_counter() - began
    for bscan in set(range(n)).difference(confirmed):
        _count(tally, planted, bscan, now[bscan])
    return tally


def _count(tally: Tally, planted: Planted, bscan: int, after: NDArray[np.uint8]) -> None:
    truth, before = planted.truth[bscan], planted.prediction[bscan]
    errors = [_measure_rows(labels, truth) for labels in (before, after)]
    was, now = (np.abs(e) > 1 for e in errors)
    dice = [_measure_dice(labels, truth) for labels in (before, after)]
    rise = np.nanmean(np.abs(errors[1])) - np.nanmean(np.abs(errors[0]))
    fall = dice[0] - dice[1]
    if planted.is_wrong[bscan]:
        tally.wrong += 1
        tally.better += bool(rise < -_ROWS or fall.mean() < -_DICE)
        tally.wrong_worse += bool(rise > _ROWS or fall.mean() > _DICE)
    else:
        tally.right += 1
        tally.touched += not np.array_equal(before, after)
        tally.worse += bool(rise > _ROWS or fall.max() > _DICE)
    tally.ascans_wrong += int(was.sum())
    tally.ascans_mended += int((was & ~now).sum())
    tally.ascans_harmed += int((~was & now).sum())
    tally.fluid_wrong += bool(dice[0][-1] < 0.9)
    tally.fluid_better += bool(fall[-1] < -0.1)
    tally.fluid_right += bool(dice[0][-1] < 0.9 <= dice[1][-1])
    tally.fluid_worse += bool(fall[-1] > _DICE)


def _measure_rows(labels: NDArray[np.uint8], truth: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Rows by which each boundary lies too deep, NaN where the truth does not show it.

    In a pocket a boundary counts at the place that is nearest to the truth, as in scores.
    """
    reference = boundaries_of_labels(truth, LAYERS)
    seen = np.where(reference.is_ordered, reference.visible_rows(), np.nan)
    found = boundaries_of_labels(labels, LAYERS)
    nearest = np.clip(seen, found.highest_rows(), found.rows)
    return np.where(np.isfinite(found.rows), nearest, found.rows) - seen


def _measure_dice(labels: NDArray[np.uint8], truth: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Dice of each class; 1 where neither has it."""
    found = []
    for value in (*LAYERS, FLUID):
        one, other = labels == value, truth == value
        total = one.sum() + other.sum()
        found.append(2 * (one & other).sum() / total if total else 1.0)
    return np.array(found)


def main() -> None:
    """Print the counts of both devices."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--volumes", type=int, default=40, help="of each device")
    parser.add_argument("--rounds", type=int, default=1, choices=(1, 2))
    arguments = parser.parse_args()
    whole = Tally()
    for device in ("A", "B"):
        part = Tally()
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.volumes):
            part.add(measure(plant(seed, device=device), rounds=arguments.rounds))
        print(f"device {device}: {part}", flush=True)
        whole.add(part)
    print(f"both: {whole}")


if __name__ == "__main__":
    main()

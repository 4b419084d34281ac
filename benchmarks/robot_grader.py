"""Measure what correcting costs with each tool, by a robot that corrects towards a reference.

Run ``python -m benchmarks.robot_grader simulated`` (dense simulated volumes with errors that
neighbours share) or ``python -m benchmarks.robot_grader DATASET`` (predictions of a model that has
not seen the patients: the starter has seen none; with ``--model`` and ``--patients`` a fine-tuned
one and those kept back from it). A B-scan is right where every boundary is within one row on
average (``--near``) and fluid has a Dice of 0.9. Seconds are those of ``benchmarks/hand.py``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import grading
from benchmarks.grading import Bscan, Tools, correct_layers
from benchmarks.hand import Hand
from benchmarks.pocket_grading import correct_pockets
from benchmarks.shared_errors import BETWEEN_UM, FLUID, LAYERS, Planted, plant
from napari_retseg.config import PredictConfig
from napari_retseg.dataset import load_dataset
from napari_retseg.decode.distances import REACH_UM
from napari_retseg.decode.evidence import Evidence, Placement
from napari_retseg.decode.propagation import Propagation
from napari_retseg.engine import EvidenceJob, PredictJob
from napari_retseg.events import BscanPredicted, CancelToken, EvidenceFound
from napari_retseg.layers import layer_order, translate_classes
from napari_retseg.models import find_model, read_info

TOOLS = {
    "brush": Tools(),
    "curves": Tools(curves=True),
    "curves that snap": Tools(curves=True, snapping=True),
    "and pockets by click": Tools(curves=True, snapping=True, clicks=True),
}
#: On dense volumes each sixth B-scan is corrected before Propagate is pressed; then those half-way
#: between, before it is pressed again; then all others.
EVERY, ROUNDS = 6, (3, 0, None)


def report(name: str, part: str, hands: list[Hand]) -> None:
    """Print what a B-scan took, as mean and median."""
    actions, seconds = ([getattr(hand, what) for hand in hands] for what in ("actions", "seconds"))
    print(
        f"{name:20} {part:7} {np.mean(actions):6.1f} actions (median {np.median(actions):.1f}), "
        f"{np.mean(seconds):6.1f} s (median {np.median(seconds):.1f})",
        flush=True,
    )


def correct(bscan: Bscan, tools: Tools, seed: int) -> tuple[Hand, Hand, bool]:
    """Correct layers, then fluid; what each took, and whether the layers are right."""
    layers, fluid = (Hand(np.random.default_rng([seed, part])) for part in range(2))
    is_right = correct_layers(bscan, tools, layers)
    correct_pockets(bscan, fluid, clicks=tools.clicks)
    return layers, fluid, is_right


def grade_all(bscans: Callable[[], Iterator[Bscan]]) -> None:
    """Correct B-scans with each set of tools."""
    for name, tools in TOOLS.items():
        done = [correct(bscan, tools, seed) for seed, bscan in enumerate(bscans())]
        layers, fluid = [one[0] for one in done], [one[1] for one in done]
        report(name, "layers", layers)
        report(name, "fluid", fluid)
        report(name, "both", [one.plus(other) for one, other in zip(layers, fluid, strict=True)])
        n_left = sum(not one[2] for one in done)
        if n_left:
            print(f"  the layers of {n_left} B-scans were given up")


def open_planted(planted: Planted, number: int) -> Bscan:
    """One B-scan of a simulated volume; no model has looked at it."""
    return Bscan(
        planted.pixels[number].astype(np.float32),
        planted.prediction[number],
        planted.truth[number],
        LAYERS,
        FLUID,
    )


def grade_with_propagation(planted: Planted, seed: int) -> list[Hand]:
    """Correct each sixth B-scan, propagate, and once more with those half-way; then the rest.

    A hand for each B-scan.
    """
    n, tools = len(planted.truth), TOOLS["and pockets by click"]
    confirmed: dict[int, NDArray[np.uint8]] = {}
    now, hands = planted.prediction.copy(), []
    for first in ROUNDS:
        some = [b for b in range(n) if b not in confirmed]
        for number in some if first is None else range(first, n, EVERY):
            bscan = open_planted(replace(planted, prediction=now), number)
            layers, fluid, _ = correct(bscan, tools, seed + number)
            hands.append(layers.plus(fluid))
            confirmed[number] = bscan.draw()
        if first is not None:
            propagate(planted, now, confirmed, hands[-1])
    return hands


def propagate(
    planted: Planted,
    now: NDArray[np.uint8],
    confirmed: dict[int, NDArray[np.uint8]],
    hand: Hand,
) -> None:
    """Take corrections to all other B-scans: what is predicted now changes."""
    hand.click(0, 0, 20)  # the button, and the one of its dialog
    hand.click(0, 0, 20)
    numbers = np.arange(len(now))
    propagation = Propagation(
        grey=lambda b: planted.pixels[b].astype(np.float32),
        prediction=lambda b: planted.prediction[b],
        current=lambda b: now[b],
        labels=confirmed,
        layers=LAYERS,
        lesions=(FLUID,),
        distances=np.abs(np.subtract.outer(numbers, numbers)) * BETWEEN_UM / REACH_UM,
    )
    targets = [b for b in range(len(numbers)) if b not in confirmed]
    for number, proposal in propagation.propose(targets):
        if proposal is not None:
            now[number] = proposal.labels


def grade_simulated(first_seed: int, volumes: int) -> None:
    """Correct dense simulated volumes with each set of tools."""
    planted = [
        plant(first_seed + k, device="AB"[k % 2], n_boundaries=8, reach=(0.25, 0.75))  # type: ignore[arg-type]
        for k in range(volumes)
    ]
    n = sum(len(one.truth) for one in planted)
    print(f"{volumes} volumes, {n} B-scans, {sum(p.is_wrong.sum() for p in planted)} with errors")
    grade_all(lambda: (open_planted(p, b) for p in planted for b in range(len(p.truth))))
    hands = [grade_with_propagation(one, 1000 * k) for k, one in enumerate(planted)]
    report("and propagation", "both", [hand for some in hands for hand in some])


def predict_dataset(folder: Path, patients: list[str], model: str) -> list[Bscan]:
    """Predict the annotated B-scans of patients of a dataset."""
    dataset, place = load_dataset(folder), find_model(model)
    info, config, never = read_info(place), PredictConfig(), CancelToken()
    classes, found = dataset.labels, []
    order = layer_order(classes)
    names = [classes.classes[k].name for k in order]
    layers = [classes.classes[k].value for k in order]
    fluid = next(c.value for c in classes.foreground if c.name == "fluid")
    table = translate_classes(classes, info.classes)
    for case in (case for case in dataset.cases if case.group in patients):
        scan, reference = case.read_scan(), case.read_labels(classes)
        labels = {
            e.index: table[e.labels]
            for e in PredictJob(scan, place, config).run(never)
            if isinstance(e, BscanPredicted)
        }
        for event in EvidenceJob(scan, place, config).run(never):
            if not isinstance(event, EvidenceFound):
                continue
            plane = reference if reference.ndim == 2 else reference[event.index]
            if (plane == 255).all():
                continue
            evidence = Evidence(
                info.classes,
                event.probabilities,
                Placement(*event.rows),
                Placement(*event.columns),
            )
            grey = scan.read_bscan(event.index).astype(np.float32).mean(axis=0)
            gains = evidence.gain(names, grey.shape)
            probability = evidence.probability("fluid", grey.shape)
            bscan = Bscan(
                grey,
                labels[event.index],
                plane,
                layers,
                fluid,
                gains.astype(np.float32),
                probability,
            )
            found.append(bscan)
    return found


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", help="folder of a dataset, or 'simulated'")
    parser.add_argument("--patients", nargs="*", default=["S03", "S04", "S05", "S06", "S07", "S08"])
    parser.add_argument("--model", default="starter")
    parser.add_argument("--first-seed", type=int, default=2000)
    parser.add_argument("--volumes", type=int, default=4)
    parser.add_argument("--near", type=float, default=grading.NEAR, help="rows")
    arguments = parser.parse_args()
    grading.NEAR = arguments.near
    if arguments.data == "simulated":
        grade_simulated(arguments.first_seed, arguments.volumes)
        return
    bscans = predict_dataset(Path(arguments.data), arguments.patients, arguments.model)
    print(f"{len(bscans)} B-scans of {', '.join(arguments.patients)}, model {arguments.model}")
    grade_all(lambda: (replace(bscan) for bscan in bscans))


if __name__ == "__main__":
    main()

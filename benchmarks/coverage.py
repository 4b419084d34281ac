"""How often intervals hold the right number, and how wide they are.

Run ``python -m benchmarks.coverage simulated --eyes 300 --seed 9200 --cache FOLDER``: intervals of
the starter as it ships, on maculae of simulated devices that its calibration did not see, each of a
device of its own.

Run ``python -m benchmarks.coverage devices --eyes 30 --seed 9300 --cache FOLDER``: the same on the
two narrow devices A and B; then calibrations that leave a family of devices out, tested on it (made
from the eyes of the starter's calibration, seed 9100).

Run ``python -m benchmarks.coverage patients DATASET --runs RUN ...``: each patient in turn with the
intervals of the others, from the labels of runs of ``napari-retseg train`` that kept them back (the
last iteration, which nothing chose). Beside it, the starter as it ships. With so few patients the
levels are those that they allow.

Eyes and patients count alike, whatever they have of scans and sectors.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.boundary_folds import read_heldout
from napari_retseg.classes import LabelSet
from napari_retseg.config import PredictConfig
from napari_retseg.dataset import load_dataset
from napari_retseg.infer.calibrate import predict_doubt
from napari_retseg.infer.predict import load_predictor
from napari_retseg.measures import Calibration, Intervals, Widener
from napari_retseg.measures.calibrating import match, measure_both
from napari_retseg.models import find_model, read_info, read_intervals
from napari_retseg.scan import OctScan
from napari_retseg.simulate import (
    ScanParameters,
    SimulatedDevice,
    SimulatedVolume,
    SimulatorConfig,
    draw_volume,
    make_device_config,
)
from napari_retseg.starter.calibrating import CALIBRATION_EYES, CALIBRATION_SEED
from napari_retseg.starter.eyes import make_macula_config

#: Rows of a layer's mean thickness have its volumes, too.
_NOT_COUNTED = "mm3"
_SHOWN = (
    ("CST, retina", "CST", "retina"),
    ("mean thickness, retina", "mean thickness", "retina"),
    ("mean thickness, layers and spans", "mean thickness", None),
    ("minimum thickness", "minimum thickness", None),
    ("maximum thickness", "maximum thickness", None),
    ("SD of thickness", "SD of thickness", None),
    *(
        (f"{structure}, {measure}", measure, structure)
        for structure in ("fluid", "IRF", "SRF", "sub-RPE")
        for measure in ("volume", "area", "pockets", "height", "distance to the fovea")
    ),
    ("RPE elevation, volume", "volume", "RPE elevation"),
)


@dataclass(frozen=True, eq=False)
class Eye:
    """A scan with its labels, predicted and right ones."""

    group: str
    scan: OctScan
    labels: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    is_doubtful: NDArray[np.bool_]
    family: str = ""


class Coverage:
    """Counts what lies within its interval: by measure, structure, and eye."""

    def __init__(self) -> None:
        self._within: dict[tuple[str, str], dict[str, list[bool]]] = defaultdict(
            lambda: defaultdict(list)
        )
        self._widths: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(
            lambda: defaultdict(list)
        )
        self._units: dict[str, str] = {}

    def add(self, eye: Eye, intervals: Intervals, classes: LabelSet) -> None:
        """Count the numbers of an eye."""
        found, right = measure_both(eye.labels, eye.truth, classes, eye.scan, eye.is_doubtful)
        found = Widener(intervals, eye.scan).widen_all(found)
        for one, wanted in match(found, right):
            if one.low is None or one.high is None or wanted.value is None:
                continue
            if one.unit == _NOT_COUNTED:
                continue
            key, slack = (one.measure, one.structure), 1e-6 * (1 + abs(one.high))
            is_within = one.low - slack <= wanted.value <= one.high + slack
            self._within[key][eye.group].append(is_within)
            self._widths[key][eye.group].append(one.high - one.low)
            self._units[one.measure] = one.unit

    def show(self, title: str) -> None:
        """Print a row for each kind of number."""
        print(f"\n{title}\n\n| | eyes | within | median width |\n|---|---|---|---|")
        for name, measure, structure in (("all numbers", None, None), *_SHOWN):
            keys = [
                key
                for key in self._within
                if measure in (None, key[0]) and structure in (None, key[1])
            ]
            eyes = sorted({group for key in keys for group in self._within[key]})
            if not eyes:
                continue
            shares = [
                np.mean([x for key in keys for x in self._within[key].get(group, [])])
                for group in eyes
            ]
            widths = [
                np.median([x for key in keys for x in self._widths[key].get(group, [])])
                for group in eyes
            ]
            error = np.std(shares) / np.sqrt(len(shares))
            width = f"{np.median(widths):.3g} {self._units[measure]}" if measure else ""
            share = f"{np.mean(shares):.1%} ± {error:.1%}"
            print(f"| {name} | {len(eyes)} | {share} | {width} |", flush=True)


def draw_eyes(config: SimulatorConfig, seed: int, count: int, cache: Path | None) -> Iterator[Eye]:
    """Draw simulated eyes with the starter's labels, kept in a folder if there is one."""
    predictor = load_predictor("starter", PredictConfig(device="cpu"))
    for index in range(count):
        name = f"{config.name.split()[-1]}-{seed}-{index}"
        place = None if cache is None else cache / f"{name}.npz"
        if place is not None and place.is_file():
            with np.load(place) as file:
                drawn = ScanParameters.model_validate_json(str(file["par"]))
                labels, truth, doubtful = file["labels"], file["truth"], file["doubt"]
            # measures need no pixels
            scan = SimulatedVolume(np.zeros_like(labels), truth, drawn).scan
        else:
            volume = draw_volume(config, seed, index)
            scan, truth, drawn = volume.scan, volume.labels, volume.parameters
            labels, doubtful = predict_doubt(scan, predictor)
            if place is not None:
                par = drawn.model_dump_json()
                np.savez_compressed(place, labels=labels, truth=truth, doubt=doubtful, par=par)
        yield Eye(name, scan, labels, truth, doubtful, drawn.device)


def score_simulated(eyes: int, seed: int, cache: Path | None) -> None:
    """Score the starter's intervals on eyes of devices that the calibration did not draw."""
    folder = find_model("starter")
    intervals, classes = read_intervals(folder), read_info(folder).classes
    if intervals is None:
        raise SystemExit("the starter is not calibrated")
    coverage = Coverage()
    for eye in draw_eyes(make_macula_config().with_classes(classes), seed, eyes, cache):
        coverage.add(eye, intervals, classes)
    coverage.show(f"{eyes} eyes of as many devices (seed {seed}), {intervals.describe()}")


def score_devices(eyes: int, seed: int, cache: Path | None) -> None:
    """Score on two narrow devices, and on families of devices that calibrations leave out."""
    folder = find_model("starter")
    intervals, classes = read_intervals(folder), read_info(folder).classes
    assert intervals is not None
    names: tuple[SimulatedDevice, ...] = ("A", "B")
    for name in names:
        config = make_device_config(name, n_bscans=9, bscan_um=500).with_classes(classes)
        coverage = Coverage()
        for eye in draw_eyes(config, seed, eyes, cache):
            coverage.add(eye, intervals, classes)
        coverage.show(f"{eyes} eyes of device {name}")
    maculae = make_macula_config().with_classes(classes)
    known = list(draw_eyes(maculae, CALIBRATION_SEED, CALIBRATION_EYES, cache))
    families: dict[str, Calibration] = {}
    for eye in known:
        one = families.setdefault(eye.family, Calibration(classes))
        one.add(eye.group, eye.labels, eye.truth, eye.scan, eye.is_doubtful)
    for family in families:
        others = [one for name, one in families.items() if name != family]
        found = join(others, classes).finish(weights_id="", data="other families")
        coverage = Coverage()
        for eye in known:
            if eye.family == family:
                coverage.add(eye, found, classes)
        coverage.show(f"family {family}, calibrated on {found.groups} eyes of the others")


def join(parts: Sequence[Calibration], classes: LabelSet) -> Calibration:
    """Join the errors of several calibrations."""
    whole = Calibration(classes)
    for part in parts:
        whole.join(part)
    return whole


def score_patients(folder: Path, runs: Sequence[Path], levels: Sequence[float]) -> None:
    """Score each patient of a dataset with the intervals of the others."""
    classes = load_dataset(folder).labels
    eyes = [eye for run in runs for eye in predict_heldout(folder, str(run / "model-last"), run)]
    parts: dict[str, Calibration] = {}
    for eye in eyes:
        one = parts.setdefault(eye.group, Calibration(classes))
        one.add(eye.group, eye.labels, eye.truth, eye.scan, eye.is_doubtful)
    for level in levels:
        coverage = Coverage()
        for group in parts:
            others = join([one for name, one in parts.items() if name != group], classes)
            found = others.finish(weights_id="", data="the others", level=level)
            for eye in eyes:
                if eye.group == group:
                    coverage.add(eye, found, classes)
        coverage.show(f"{len(parts)} patients, each with {level:.1%} intervals of the others")
    intervals = read_intervals(find_model("starter"))
    if intervals is not None:
        coverage = Coverage()
        for eye in predict_heldout(folder, "starter", None):
            coverage.add(eye, intervals, classes)
        coverage.show(f"the starter, {intervals.describe()}")


def predict_heldout(folder: Path, model: str, run: Path | None) -> Iterator[Eye]:
    """Predict the patients that a run kept back; all of them without a run."""
    dataset = load_dataset(folder)
    heldout = None if run is None else read_heldout(run)
    predictor = load_predictor(model, PredictConfig(device="cpu"))
    for case in dataset.cases:
        if case.label is None or (heldout is not None and case.group not in heldout):
            continue
        scan = case.read_scan()
        truth = case.read_labels(dataset.labels, shape=scan.spatial_shape)
        labels, is_doubtful = predict_doubt(scan, predictor)
        yield Eye(case.group, replace(scan, pixels=labels), labels, truth, is_doubtful)


def main() -> None:
    """Read the arguments and print tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, eyes, seed in (("simulated", 300, 9200), ("devices", 30, 9300)):
        simulated = commands.add_parser(name)
        simulated.add_argument("--eyes", type=int, default=eyes)
        simulated.add_argument("--seed", type=int, default=seed)
        simulated.add_argument("--cache", type=Path, help="folder that keeps the eyes")
    patients = commands.add_parser("patients")
    patients.add_argument("dataset", type=Path)
    patients.add_argument("--runs", type=Path, nargs="+", required=True)
    patients.add_argument("--levels", type=float, nargs="+", default=[0.8, 0.875])
    arguments = parser.parse_args()
    if arguments.command == "patients":
        score_patients(arguments.dataset, arguments.runs, arguments.levels)
        return
    if arguments.cache is not None:
        arguments.cache.mkdir(parents=True, exist_ok=True)
    score = score_simulated if arguments.command == "simulated" else score_devices
    score(arguments.eyes, arguments.seed, arguments.cache)


if __name__ == "__main__":
    main()

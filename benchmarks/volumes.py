"""Accuracy of a 3D network on volumes that chose nothing, as they are, padded and cropped.

Run ``python benchmarks/volumes.py DATASET --output DIR [--seeds 0 1 2] [options of train]``.
Of the patients 60 % are trained on, 10 % are scored while training and 30 % are kept back; the
last iteration, which no score chose, labels those. ``padded`` repeats the edges four times on
every side; ``cropped`` leaves four voxels around the reference. With ``--model`` nothing is
trained: that bundle labels the kept-back volumes.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_retseg.config import PredictConfig
from napari_retseg.dataset import Dataset, load_dataset, pin_split, save_dataset
from napari_retseg.infer.evaluate import read_case
from napari_retseg.infer.predict import load_predictor
from napari_retseg.infer.predictor import Predictor
from napari_retseg.scan import OctScan

SHARES = (0.6, 0.1, 0.3)
MARGIN = 4


def pin(source: Path, target: Path) -> Dataset:
    """Copy a dataset and pin the split."""
    if not target.is_dir():
        shutil.copytree(source, target, copy_function=shutil.copyfile)
        target.chmod(0o755)  # a write-protected folder of data stays one when it is copied
        save_dataset(pin_split(load_dataset(target), fractions=SHARES))
    return load_dataset(target)


def train(dataset: Path, output: Path, seed: int, options: list[str]) -> None:
    """Train with one seed, or go on with a run that was stopped."""
    command = [str(Path(sys.executable).with_name("napari-retseg")), "train", str(dataset)]
    command += ["--output", str(output), "--seed", str(seed), "--dims", "3", *options]
    if (output / "run.json").is_file():
        command = [*command[:5], "--resume"]
    subprocess.run(command, check=True)


def label(predictor: Predictor, grey: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Label a volume."""
    scan = OctScan(np.ascontiguousarray(grey), ("z", "y", "x"))
    return np.stack([result.labels for _, result in predictor.label_scan(scan, range(len(grey)))])


def score(found: NDArray[np.uint8], reference: NDArray[np.uint8], n_classes: int) -> list[float]:
    """Return the Dice of each foreground class."""
    pairs = [(found == k, reference == k) for k in range(1, n_classes)]
    return [float(2 * (a & b).sum() / (a.sum() + b.sum())) for a, b in pairs]


def measure(predictor: Predictor, dataset: Dataset) -> None:
    """Print the Dice of the kept-back volumes: the mean of all, and the worst."""
    rows: dict[str, list[list[float]]] = {"as they are": [], "padded": [], "cropped": []}
    for case in dataset.of_split("test"):
        scan, reference = read_case(case, dataset)
        grey = np.asarray(scan.pixels)
        inside = []
        for axis in range(3):
            place = np.flatnonzero(reference.any(axis=tuple({0, 1, 2} - {axis})))
            inside.append(slice(max(0, place[0] - MARGIN), place[-1] + 1 + MARGIN))
        middle = (slice(MARGIN, -MARGIN),) * 3
        padded = label(predictor, np.pad(grey, MARGIN, mode="edge"))[middle]
        pairs = {
            "as they are": (label(predictor, grey), reference),
            "padded": (padded, reference),
            "cropped": (label(predictor, grey[tuple(inside)]), reference[tuple(inside)]),
        }
        for name, (found, wanted) in pairs.items():
            rows[name].append(score(found, wanted, len(dataset.labels)))
    print("| volumes | " + " | ".join(dataset.labels.names[1:]) + " | mean | worst |")
    print("|---" * (len(dataset.labels) + 2) + "|")
    for name, values in rows.items():
        table = np.array(values)
        cells = [*table.mean(axis=0), table.mean(), table.mean(axis=1).min()]
        print(f"| {name} | " + " | ".join(f"{cell:.3f}" for cell in cells) + " |")


def main() -> None:
    """Train with each seed and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--model", type=Path)
    arguments, options = parser.parse_known_args()
    dataset = pin(arguments.dataset, arguments.output / "data")
    models = [arguments.model] if arguments.model else []
    for seed in arguments.seeds if not models else []:
        output = arguments.output / f"seed{seed}"
        train(dataset.root, output, seed, options)
        models.append(output / "model-last")
    for model in models:
        print(f"\n{model}\n")
        measure(load_predictor(model, PredictConfig(device="cpu")), dataset)


if __name__ == "__main__":
    main()

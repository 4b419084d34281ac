"""How far wrong pixels lie from where they would be right: what a small shift of boundaries costs.

Run ``python -m benchmarks.error_distance DATASET --model RUN/model ... --patients S07 S08``. A
wrong pixel is n rows off if the reference has the predicted class n rows above or below, and not
nearer. The table has the Dice of each class as it is, and with pixels counted as right that are
off by one row, by two, and so on; and how many of the wrong pixels those are.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.zero_shot import take_patients
from napari_retseg.classes import IGNORE
from napari_retseg.config import PredictConfig
from napari_retseg.dataset import Dataset, load_dataset
from napari_retseg.infer.predict import load_predictor, predict_labels
from napari_retseg.infer.predictor import Predictor
from napari_retseg.models import find_model
from napari_retseg.scores import confusion_matrix

FARTHEST = 4

Labels = NDArray[np.uint8]
Counts = NDArray[np.int64]


def shift_rows(labels: Labels, rows: int) -> Labels:
    """Move labels of ``(..., depth, width)`` down; what comes in is not annotated."""
    moved = np.full_like(labels, IGNORE)
    depth = labels.shape[-2]
    source = slice(max(0, -rows), depth - max(0, rows))
    target = slice(max(0, rows), depth - max(0, -rows))
    moved[..., target, :] = labels[..., source, :]
    return moved


def forgive(found: Labels, reference: Labels, rows: int) -> Labels:
    """Return what was found, with the reference in its place where it is off by `rows` at most."""
    near = np.zeros(found.shape, dtype=bool)
    for shift in range(-rows, rows + 1):
        near |= shift_rows(reference, shift) == found
    return np.where(near, reference, found)


def count_errors(predictor: Predictor, dataset: Dataset) -> list[Counts]:
    """Confusion matrices, pooled over all B-scans, for each distance that is forgiven."""
    classes = predictor.info.classes
    totals = [np.zeros((len(classes),) * 2, np.int64) for _ in range(FARTHEST + 1)]
    for case in dataset.cases:
        found = predict_labels(case.read_scan(), predictor, predictor.config)
        reference = case.read_labels(dataset.labels)
        for rows, total in enumerate(totals):
            lenient = forgive(found, reference, rows)
            total[...] += confusion_matrix(
                classes.to_indices(reference), classes.to_indices(lenient), len(classes)
            )
    return totals


def dice_of(matrix: Counts) -> list[float]:
    """Dice of each class but the background."""
    both = matrix.sum(axis=0) + matrix.sum(axis=1)
    return [float(2 * matrix[k, k] / both[k]) for k in range(1, len(matrix))]


def describe(totals: list[Counts], names: list[str]) -> str:
    """Make a table with a row for each distance."""
    wrong = [int(matrix.sum() - np.trace(matrix)) for matrix in totals]
    lines = ["| rows | wrong pixels | mean | " + " | ".join(names) + " |"]
    lines.append("|---" * (len(names) + 3) + "|")
    for rows, matrix in enumerate(totals):
        dice = dice_of(matrix)
        cells = [str(rows), f"{wrong[rows] / wrong[0]:.0%}"]
        cells += [f"{value:.3f}" for value in (statistics.mean(dice), *dice)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Predict with each model and print its table, then that of all together."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--model", nargs="+", default=["starter"])
    parser.add_argument("--patients", nargs="+", required=True)
    arguments = parser.parse_args()
    dataset = take_patients(load_dataset(arguments.dataset), arguments.patients)
    found = []
    for name in arguments.model:
        predictor = load_predictor(find_model(name), PredictConfig())
        found.append(count_errors(predictor, dataset))
        print(name, describe(found[-1], list(predictor.info.classes.names[1:])), sep="\n")
    if len(found) > 1:
        pooled = [sum(one, np.zeros_like(one[0])) for one in zip(*found, strict=True)]
        print("all", describe(pooled, list(predictor.info.classes.names[1:])), sep="\n")


if __name__ == "__main__":
    main()

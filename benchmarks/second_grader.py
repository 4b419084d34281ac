"""Score a second grader's labels against the dataset's own: what two people agree on.

Run ``python benchmarks/second_grader.py DATASET --labels DIR [--patients S07 S08 ...]``. ``DIR``
holds a label file of the same name for each B-scan. Pixels that either left out do not count.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from napari_retseg.classes import IGNORE
from napari_retseg.dataset import Dataset, load_dataset
from napari_retseg.io import read_labels
from napari_retseg.scores import ScoreCounter, Scores, confusion_matrix


def compare(dataset: Dataset, folder: Path, patients: list[str]) -> tuple[Scores, int]:
    """Scores of the second labels, pooled over these patients' B-scans, and their number."""
    counter, n_bscans = ScoreCounter(dataset.labels), 0
    for case in dataset.cases:
        if case.label is None or (patients and case.group not in patients):
            continue
        first = dataset.labels.to_indices(read_labels(case.label))
        second = dataset.labels.to_indices(read_labels(folder / case.label.name))
        first = np.where(second == IGNORE, IGNORE, first)
        second = np.where(first == IGNORE, 0, second)
        matrix = confusion_matrix(first, second, len(dataset.labels))
        counter.add(matrix, group=case.group, name=case.label.name)
        n_bscans += 1
    return counter.scores(), n_bscans


def main() -> None:
    """Print Dice of each class."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--patients", nargs="*", default=[])
    arguments = parser.parse_args()
    scores, n_bscans = compare(
        load_dataset(arguments.dataset), arguments.labels, arguments.patients
    )
    print(f"{n_bscans} B-scans, mean foreground Dice {scores.mean_foreground_dice:.3f}")
    for name, row in scores.to_json()["classes"].items():
        print(f"{name}: {row['dice']:.3f}")


if __name__ == "__main__":
    main()

"""Score a second grader's labels against the dataset's own.

Run ``python benchmarks/second_grader.py DATASET --labels DIR``, with ``--patients S07 ...`` and
``--curves FILE`` where wanted. ``DIR`` holds a label file of the same name for each B-scan. Pixels
that either left out do not count. With ``--curves``, layers are drawn between the second grader's
own curves (NPZ: ``names``, ``grader2`` with rows ``(bscan, boundary, width)``), and the label files
give the rest.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_retseg.benchmark.cases import draw_layers, read_curves
from napari_retseg.classes import IGNORE
from napari_retseg.dataset import Dataset, load_dataset
from napari_retseg.io import read_labels
from napari_retseg.scores import ScoreCounter, Scores, confusion_matrix


def compare(
    dataset: Dataset,
    folder: Path,
    patients: list[str],
    curves: dict[str, NDArray[np.float32]] | None = None,
) -> tuple[Scores, int]:
    """Scores of the second labels, pooled over these patients' B-scans, and their number."""
    counter, n_bscans = ScoreCounter(dataset.labels), 0
    for case in dataset.cases:
        if case.label is None or (patients and case.group not in patients):
            continue
        first = dataset.labels.to_indices(read_labels(case.label))
        second = read_labels(folder / case.label.name)
        if curves is not None:
            second = draw_layers(second, curves[case.label.stem], dataset.labels)
        second = dataset.labels.to_indices(second)
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
    parser.add_argument("--curves", type=Path)
    parser.add_argument("--patients", nargs="*", default=[])
    arguments = parser.parse_args()
    curves = None if arguments.curves is None else read_curves(arguments.curves)
    dataset = load_dataset(arguments.dataset)
    scores, n_bscans = compare(dataset, arguments.labels, arguments.patients, curves)
    print(f"{n_bscans} B-scans, mean foreground Dice {scores.mean_foreground_dice:.3f}")
    for name, row in scores.to_json()["classes"].items():
        print(f"{name}: {row['dice']:.3f}")


if __name__ == "__main__":
    main()

"""Boundaries of patients that a training kept back, beside those of a second grader.

Run ``python -m benchmarks.boundary_folds DATASET --curves FILE --runs RUN ...``. Each run is a
folder of ``napari-retseg train``, and its last iteration, which nothing chose, is scored on the
patients that it kept back. ``FILE`` holds the curves of both graders (NPZ: ``names``, ``grader1``
and ``grader2`` with rows ``(bscan, boundary, width)``). Errors are in pixels against grader 1,
pooled over the A-scans of all runs.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_retseg.config import PredictConfig
from napari_retseg.dataset import load_dataset
from napari_retseg.infer.predict import load_predictor
from napari_retseg.layers import BoundaryCounter, layer_order
from napari_retseg.layers.anatomy import name_boundaries
from napari_retseg.layers.boundaries import LayerMap, boundaries_of_labels


def read_heldout(run: Path) -> set[str]:
    """Read the patients that a run kept back from its events."""
    for line in (run / "events.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["event"] == "TrainingPlanned":
            return set(event["heldout_groups"])
    raise SystemExit(f"{run}: no training began here")


def predict_heldout(dataset_folder: Path, run: Path) -> Iterator[tuple[str, str, LayerMap]]:
    """Patient, name and boundaries of each B-scan that a run kept back."""
    dataset, heldout = load_dataset(dataset_folder), read_heldout(run)
    predictor = load_predictor(str(run / "model-last"), PredictConfig())
    for case in dataset.cases:
        if case.group in heldout and case.label is not None:
            ((_, found),) = predictor.label_scan(case.read_scan(), [0])
            order = layer_order(predictor.info.classes)
            yield case.group, case.label.stem, boundaries_of_labels(found.labels, order)


def show(name: str, counter: BoundaryCounter) -> None:
    """Print mean and 95th percentile, of all boundaries and of each."""
    errors = counter.errors()
    each = [f"{one.mean_px:.2f} ({one.p95_px:.0f})" for one in errors.boundaries.values()]
    print(f"{name:28} {errors.mean_px:.3f} ({errors.p95_px:.2f}) | {' | '.join(each)}", flush=True)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--curves", type=Path, required=True)
    parser.add_argument("--runs", type=Path, nargs="+", required=True)
    parser.add_argument("--patients", nargs="*", help="only these of those kept back")
    arguments = parser.parse_args()
    classes = load_dataset(arguments.dataset).labels
    names = name_boundaries([classes.classes[k].name for k in layer_order(classes)])
    print(" | ".join(names))
    with np.load(arguments.curves) as file:
        at = {str(name): k for k, name in enumerate(file["names"])}
        first: NDArray[np.float32] = file["grader1"]
        second: NDArray[np.float32] = file["grader2"]
    ours, theirs, n = BoundaryCounter(names), BoundaryCounter(names), 0
    for run in arguments.runs:
        for patient, name, found in predict_heldout(arguments.dataset, run):
            if arguments.patients and patient not in arguments.patients:
                continue
            reference = first[at[name]]
            ours.add(reference, found.annotated_rows(), highest=found.highest_rows())
            theirs.add(reference, second[at[name]])
            n += 1
    print(f"{n} B-scans; mean (95th percentile), all boundaries and each:")
    show("model", ours)
    show("second grader", theirs)


if __name__ == "__main__":
    main()

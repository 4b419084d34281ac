"""Score models on real scans that none of them was trained on, and draw the overlays.

Run ``python benchmarks/zero_shot.py DATASET [--model starter ...] [--patients S03 S04 ...]``.
The table has each class, the mean of the layers (all classes but the fluid) and the fluid.
``--overlays DIR`` writes one picture for each B-scan: the scan, the model's labels, the reference;
files begin with the mean foreground Dice, so that the worst come first. ``--record TEXT`` writes
the scores into the model's bundle and card, under that name of the data.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_retseg.classes import LabelSet
from napari_retseg.config import PredictConfig
from napari_retseg.dataset import Dataset, load_dataset
from napari_retseg.events import Finished
from napari_retseg.infer.evaluate import evaluate
from napari_retseg.infer.predict import load_predictor, predict_labels
from napari_retseg.infer.predictor import Predictor
from napari_retseg.models import Measurement, find_model
from napari_retseg.nets.bundle import load_model, save_model
from napari_retseg.overlay import draw_overlay
from napari_retseg.scores import ScoreCounter, confusion_matrix

FLUID = "fluid"


def take_patients(dataset: Dataset, patients: list[str]) -> Dataset:
    """Hold out these patients (all of them where none is named); leave the others out."""
    cases = tuple(
        case.model_copy(update={"split": "val"})
        for case in dataset.cases
        if not patients or case.group in patients
    )
    unknown = set(patients) - {case.group for case in cases}
    if unknown:
        raise SystemExit(f"no such patients: {', '.join(sorted(unknown))}")
    return dataset.model_copy(update={"cases": cases})


def score(predictor: Predictor, dataset: Dataset) -> dict[str, Any]:
    """Dice of each class, pooled over all B-scans, with the mean of the layers."""
    result: dict[str, Any] = {}
    for event in evaluate(predictor, dataset):
        if isinstance(event, Finished):
            result = event.result
    dice = {name: row["dice"] for name, row in result["classes"].items() if name != "background"}
    layers = statistics.mean(value for name, value in dice.items() if name != FLUID)
    return {"layers": layers, **dice, "n_bscans": result["n_bscans"]}


def format_table(rows: dict[str, dict[str, Any]]) -> str:
    """Make a table with a row for each model."""
    names = [name for name in next(iter(rows.values())) if name not in ("layers", "n_bscans")]
    lines = ["| model | " + " | ".join(names) + " | layers |", "|---" * (len(names) + 2) + "|"]
    for model, row in rows.items():
        cells = [f"{row[name]:.3f}" for name in (*names, "layers")]
        lines.append(f"| {model} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw_cases(predictor: Predictor, dataset: Dataset, folder: Path) -> None:
    """Write a picture of each B-scan: grey, predicted, reference."""
    folder.mkdir(parents=True, exist_ok=True)
    classes = predictor.info.classes
    for case in dataset.cases:
        scan, reference = case.read_scan(), case.read_labels(dataset.labels)
        found = predict_labels(scan, predictor, predictor.config)
        dice = _mean_dice(found, reference, classes)
        nothing = np.zeros_like(found)
        parts = [
            draw_overlay(scan.pixels, labels, classes) for labels in (nothing, found, reference)
        ]
        name = f"{dice:.3f}-{case.image.stem}.png"
        Image.fromarray(np.hstack(parts)).save(folder / name)


def record(folder: Path, data: str, row: dict[str, Any]) -> None:
    """Write scores into a bundle of half precision, in the place of older ones of that name."""
    model = load_model(folder)
    dice = {name: value for name, value in row.items() if name not in ("layers", "n_bscans")}
    others = tuple(one for one in model.info.measured if one.data != data)
    measured = (*others, Measurement(data=data, dice=dice))
    info = model.info.model_copy(update={"measured": measured})
    with tempfile.TemporaryDirectory() as trial:
        if save_model(Path(trial), model.network, info, half=True).weights_id != info.weights_id:
            raise SystemExit(f"{folder}: its weights are not in half precision; nothing is written")
    save_model(folder, model.network, info, half=True)


def _mean_dice(found: NDArray[np.uint8], reference: NDArray[np.uint8], classes: LabelSet) -> float:
    counter = ScoreCounter(classes)
    matrix = confusion_matrix(
        classes.to_indices(reference), classes.to_indices(found), len(classes)
    )
    counter.add(matrix, group="", name="")
    return counter.scores().mean_foreground_dice or 0.0


def main() -> None:
    """Score each model and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--model", nargs="+", default=["starter"])
    parser.add_argument("--patients", nargs="*", default=[])
    parser.add_argument("--overlays", type=Path)
    parser.add_argument("--record", metavar="TEXT")
    arguments = parser.parse_args()
    if arguments.record and len(arguments.model) > 1:
        parser.error("--record is for one model")
    dataset = take_patients(load_dataset(arguments.dataset), arguments.patients)
    rows = {}
    for name in arguments.model:
        predictor = load_predictor(find_model(name), PredictConfig())
        rows[name] = score(predictor, dataset)
        if arguments.overlays:
            draw_cases(predictor, dataset, arguments.overlays / Path(name).name)
    if arguments.record:
        record(find_model(arguments.model[0]), arguments.record, rows[arguments.model[0]])
    n_bscans, n_patients = rows[arguments.model[0]]["n_bscans"], len(dataset.groups("val"))
    print(f"{n_bscans} B-scans of {n_patients} patients")
    print(format_table(rows))


if __name__ == "__main__":
    main()

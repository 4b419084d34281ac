from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_retseg.config import PredictConfig
from napari_retseg.dataset import load_dataset
from napari_retseg.errors import InputError, ModelError
from napari_retseg.events import CancelToken, Event, Finished
from napari_retseg.infer.evaluate import evaluate, evaluate_predictions
from napari_retseg.infer.predict import predict_labels
from napari_retseg.io import label_path, read_labels, write_labels

CPU = PredictConfig(device="cpu")


def _result(events: list[Event]) -> dict[str, object]:
    last = events[-1]
    assert isinstance(last, Finished)
    return last.result


def test_a_model_and_its_written_predictions_score_the_same(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    dataset = load_dataset(tiny_dataset)
    for case in dataset.of_split("val"):
        scan = case.read_scan()
        labels = predict_labels(scan, tiny_bundle, CPU)
        write_labels(label_path(scan, tmp_path / "out"), labels, scan=scan)
    by_model = _result(list(evaluate(tiny_bundle, dataset, config=CPU)))
    by_files = _result(list(evaluate_predictions(tmp_path / "out", dataset)))
    assert by_model["classes"] == by_files["classes"]
    assert by_model["bscans"] == by_files["bscans"]
    assert (by_model["n_bscans"], by_model["n_groups"]) == (4, 1)


def test_perfect_predictions_score_one(tiny_dataset: Path, tmp_path: Path) -> None:
    dataset = load_dataset(tiny_dataset)
    for case in dataset.of_split("val"):
        scan = case.read_scan()
        assert case.label is not None
        labels = read_labels(case.label)
        write_labels(label_path(scan, tmp_path), np.where(labels == 255, 1, labels), scan=scan)
    found = _result(list(evaluate_predictions(tmp_path, dataset)))
    assert found["mean_foreground_dice"] == 1
    assert found["mean_iou_with_background"] == 1


def test_a_missing_prediction_is_named(tiny_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"P3_B0\.png"):
        list(evaluate_predictions(tmp_path, load_dataset(tiny_dataset)))


def test_an_empty_split_is_named(tiny_dataset: Path, tiny_bundle: Path) -> None:
    with pytest.raises(InputError, match="split 'test' holds no labelled B-scan"):
        list(evaluate(tiny_bundle, load_dataset(tiny_dataset), split="test", config=CPU))


def test_other_classes_are_named(tiny_dataset: Path, tiny_bundle: Path) -> None:
    path = tiny_dataset / "dataset.json"
    path.write_text(path.read_text().replace('"fluid"', '"drusen"'))
    with pytest.raises(ModelError, match="drusen"):
        list(evaluate(tiny_bundle, load_dataset(tiny_dataset), config=CPU))


def test_cancel_stops_it(tiny_dataset: Path, tiny_bundle: Path) -> None:
    cancel = CancelToken()
    cancel.cancel()
    dataset = load_dataset(tiny_dataset)
    assert list(evaluate(tiny_bundle, dataset, config=CPU, cancel=cancel)) == [
        Finished(cancelled=True)
    ]

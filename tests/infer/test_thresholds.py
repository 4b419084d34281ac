from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_retseg.config import PredictConfig
from napari_retseg.dataset import Dataset, load_dataset
from napari_retseg.errors import InputError, UsageError
from napari_retseg.events import CancelToken
from napari_retseg.infer.predict import load_predictor
from napari_retseg.infer.predictor import Predictor
from napari_retseg.infer.thresholds import choose_thresholds
from tests.infer.networks import Table, make_model

EXACT = PredictConfig(device="cpu", precision="fp32")
SURE = [[0.0, -1.0], [0.0, 1.0]]


def write_dataset(folder: Path, values: list[int], labels: list[int], names: list[str]) -> Dataset:
    """One held-out B-scan of a row of grey values with their labels, and one for training."""
    cases = []
    for split in ("val", "train"):
        for kind, row in (("images", values), ("labels", labels)):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.array([row], np.uint8)).save(folder / kind / f"{split}.png")
        files = {kind[:-1]: f"./{kind}/{split}.png" for kind in ("images", "labels")}
        cases.append({**files, "group": split, "split": split})
    known = {str(k): name for k, name in enumerate(["background", *names])}
    content = {"name": "rows", "labels": known, "ignore": 255, "training": cases}
    (folder / "dataset.json").write_text(json.dumps(content))
    return load_dataset(folder)


def predictor_of(rows: list[list[float]], *names: str) -> Predictor:
    return load_predictor(make_model(Table(rows), names=names), EXACT)


def test_the_threshold_with_the_best_dice_is_found(tmp_path: Path) -> None:
    # grey value k stands for a probability of foreground
    probabilities = [0.05, 0.1, 0.2, 0.3, 0.6, 0.9]
    rows = [[0.0, float(np.log(p / (1 - p)))] for p in probabilities]
    dataset = write_dataset(tmp_path, [0, 1, 2, 3, 4, 5, 1], [0, 0, 1, 1, 1, 1, 255], ["drusen"])
    chosen = choose_thresholds(predictor_of(rows, "drusen"), dataset)
    assert set(chosen) == {"drusen"}
    # the one nearest to 0.5 that lets 0.2 through
    assert 0.19 < chosen["drusen"] < 0.2


def test_one_that_is_too_low_is_raised(tmp_path: Path) -> None:
    probabilities = [0.55, 0.8, 0.95]
    rows = [[0.0, float(np.log(p / (1 - p)))] for p in probabilities]
    dataset = write_dataset(tmp_path, [0, 1, 2, 0], [0, 0, 1, 0], ["drusen"])
    chosen = choose_thresholds(predictor_of(rows, "drusen"), dataset)
    assert 0.8 <= chosen["drusen"] < 0.81


def test_what_is_best_already_stays(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, [0, 1, 1], [0, 1, 1], ["drusen"])
    assert choose_thresholds(predictor_of(SURE, "drusen"), dataset) == {}


def test_thresholds_that_spoil_each_other_are_dropped(tmp_path: Path) -> None:
    rows = [[0.0, -9.0, -9.0], [0.0, 0.5, -1.0], [0.0, -9.0, -3.0]]
    # alone, a low threshold finds all of the second class; but then it takes the first one's
    values = [0] * 50 + [1] * 10 + [2] * 100
    dataset = write_dataset(tmp_path, values, [0] * 50 + [1] * 10 + [2] * 100, ["a", "b"])
    assert choose_thresholds(predictor_of(rows, "a", "b"), dataset) == {}
    # without the first class there is nothing to spoil
    second = write_dataset(
        tmp_path / "other", values, [0] * 50 + [255] * 10 + [2] * 100, ["a", "b"]
    )
    chosen = choose_thresholds(predictor_of(rows, "a", "b"), second)
    assert set(chosen) == {"b"}
    assert chosen["b"] < 1 / (1 + np.exp(3))


def test_the_point_that_a_model_has_is_not_looked_at(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, [0, 1, 1], [0, 1, 1], ["drusen"])
    model = make_model(Table(SURE), names=("drusen",), thresholds={"drusen": 0.01})
    assert choose_thresholds(load_predictor(model, EXACT), dataset) == {}


def test_the_test_split_is_refused(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, [0, 1], [0, 1], ["drusen"])
    predictor = predictor_of(SURE, "drusen")
    with pytest.raises(UsageError, match="not be chosen on split 'test'"):
        choose_thresholds(predictor, dataset, "test")
    empty = dataset.model_copy(update={"cases": dataset.cases[1:]})
    with pytest.raises(InputError, match="'val' has no labelled B-scans"):
        choose_thresholds(predictor, empty)


def test_it_chooses_nothing_when_stopped(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, [0, 1], [1, 1], ["drusen"])
    predictor = predictor_of(SURE, "drusen")
    assert choose_thresholds(predictor, dataset)
    cancel = CancelToken()
    cancel.cancel()
    assert choose_thresholds(predictor, dataset, cancel=cancel) == {}

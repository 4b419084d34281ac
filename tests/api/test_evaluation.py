"""Scores of models, label files and arrays as tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_retseg as rs
from napari_retseg.dataset import load_dataset
from napari_retseg.errors import InputError, ModelError, RetsegError, UsageError
from napari_retseg.events import Finished
from napari_retseg.infer.evaluate import evaluate
from napari_retseg.io import write_labels
from tests.conftest import check_line


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    """A reference of one class, and a prediction that hits 80 % of it."""
    reference, predicted = (np.zeros((2, 64, 96), np.uint8) for _ in range(2))
    reference[:, 20:30] = 1
    predicted[:, 22:32] = 1
    return predicted, reference


def test_a_model_has_the_scores_that_the_engine_counts(model: rs.Model, tiny_dataset: Path) -> None:
    table = rs.evaluate(model, tiny_dataset, progress=False)
    *_, last = evaluate(model, load_dataset(tiny_dataset))
    assert isinstance(last, Finished)
    scores = last.result
    assert list(table.index) == ["upper", "lower", "fluid", "mean"]
    assert table.loc["upper", "dice"] == scores["classes"]["upper"]["dice"]
    assert table.loc["mean", "iou"] == scores["mean_foreground_iou"]
    assert table.loc["mean", "bscans"] == 4
    assert table.attrs == {
        "model": "tiny",
        "dataset": "tiny",
        "split": "val",
        "n_bscans": 4,
        "n_groups": 1,
    }


def test_a_row_for_each_boundary(pair: tuple[np.ndarray, np.ndarray]) -> None:
    predicted, reference = pair
    predicted[:, 32:40] = reference[:, 30:40] = 2
    table = rs.evaluate(predicted, reference, classes=["NFL", "INL"], by="boundary")
    assert list(table.index) == [
        "inner boundary of NFL", "NFL / INL", "outer boundary of INL", "mean",
    ]  # fmt: skip
    assert table["bias_px"].tolist()[:3] == [2, 2, 0]
    assert table.loc["mean", "mean_px"] == pytest.approx(4 / 3)
    assert table["mean_um"].isna().all()
    assert table["ascans"].tolist() == [192, 192, 192, 576]
    with pytest.raises(UsageError, match="retinal layers"):
        rs.evaluate(predicted, reference, by="boundary")


def test_model_and_data_are_named_by_text_paths_or_themselves(
    model: rs.Model, tiny_bundle: Path, tiny_dataset: Path
) -> None:
    wanted = rs.evaluate(model, tiny_dataset, progress=False)
    for predicted, data in (
        (str(tiny_bundle), str(tiny_dataset)),
        (tiny_bundle, tiny_dataset / "dataset.json"),
        (model, load_dataset(tiny_dataset)),
    ):
        assert rs.evaluate(predicted, data, progress=False).equals(wanted)


def test_a_row_for_each_bscan(model: rs.Model, tiny_dataset: Path) -> None:
    table = rs.evaluate(model, tiny_dataset, by="bscan", split="train", progress=False)
    assert list(table.columns) == ["patient", "mean", "upper", "lower", "fluid"]
    assert set(table["patient"]) == {"P1", "P2"}
    assert len(table) == 8


def test_all_labelled_bscans_can_be_scored(model: rs.Model, tiny_dataset: Path) -> None:
    table = rs.evaluate(model, tiny_dataset, split="all", progress=False)
    assert (table.attrs["split"], table.attrs["n_bscans"]) == ("all", 12)


def test_a_dataset_without_a_split_says_what_to_give(model: rs.Model, tiny_dataset: Path) -> None:
    path = tiny_dataset / "dataset.json"
    content = json.loads(path.read_text())
    for case in content["training"]:
        del case["split"]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError) as caught:
        rs.evaluate(model, tiny_dataset, progress=False)
    assert "split='all'" in check_line(caught.value)


def test_a_folder_of_label_files_is_scored(
    model: rs.Model, tiny_dataset: Path, tmp_path: Path
) -> None:
    for case in load_dataset(tiny_dataset).of_split("val"):
        scan = case.read_scan()
        folder = tmp_path / "labels"
        folder.mkdir(exist_ok=True)
        labels = model.predict(scan, progress=False)
        write_labels(folder / case.image.name, labels, scan=scan)
    found = rs.evaluate(tmp_path / "labels", tiny_dataset, progress=False)
    assert found.equals(rs.evaluate(model, tiny_dataset, progress=False))
    with pytest.raises(UsageError, match="tta can only be used with models"):
        rs.evaluate(tmp_path / "labels", tiny_dataset, tta=True, progress=False)


def test_arrays_are_compared(pair: tuple[np.ndarray, np.ndarray]) -> None:
    table = rs.evaluate(*pair, classes={1: "NFL", 2: "fluid"})
    assert table.loc["NFL", "dice"] == pytest.approx(0.8)
    assert table.loc["NFL", "precision"] == pytest.approx(0.8)
    assert bool(table["dice"].isna().loc["fluid"])
    assert table.loc["mean", "dice"] == pytest.approx(0.8)
    assert list(rs.evaluate(*pair).index) == ["class 1", "mean"]
    assert len(rs.evaluate(*pair, by="bscan")) == 2


def test_pixels_that_are_not_annotated_do_not_count(pair: tuple[np.ndarray, np.ndarray]) -> None:
    predicted, reference = pair
    reference[:, 20:22] = 255
    reference[:, 30:32] = 255
    assert rs.evaluate(predicted, reference).loc["class 1", "dice"] == 1


def test_label_files_are_compared(tmp_path: Path, pair: tuple[np.ndarray, np.ndarray]) -> None:
    paths = [write_labels(tmp_path / f"{k}.tif", one) for k, one in enumerate(pair)]
    wanted = rs.evaluate(*pair)
    assert rs.evaluate(*paths).equals(wanted)
    assert rs.evaluate(str(paths[0]), pair[1]).equals(wanted)


@pytest.mark.parametrize(
    ("arguments", "kind", "line"),
    [
        ((np.zeros((4, 4)), np.zeros((4, 5))), InputError, "shape (4, 5), got (4, 4)"),
        ((np.full((4, 4), 0.5), np.zeros((4, 4))), InputError, "whole numbers"),
        ((np.full((4, 4), 256), np.zeros((4, 4))), InputError, "from 0 to 255"),
        ((np.full((4, 4), np.nan), np.zeros((4, 4))), InputError, "NaN"),
        ((np.zeros((4, 4)), np.zeros((1, 1, 1, 4, 4))), InputError, "(bscan, depth, width)"),
        (
            (np.zeros((4, 4)), "study"),
            UsageError,
            "an array or a label file as reference of class values",
        ),
        ((["a.png"], np.zeros((4, 4))), UsageError, "list of str"),
        (("nowhere.png", np.zeros((4, 4))), InputError, "nowhere.png"),
        (("starter", np.zeros((4, 4))), UsageError, "a dataset's folder"),
        (("starter", "nowhere"), InputError, "nowhere"),
        (("nowhere", "nowhere"), InputError, "nowhere"),
        ((7, "nowhere"), RetsegError, "nowhere"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_cannot_be_scored_is_one_line(
    arguments: tuple[Any, Any], kind: type[RetsegError], line: str
) -> None:
    with pytest.raises(kind) as caught:
        rs.evaluate(*arguments, progress=False)
    assert line in check_line(caught.value)


def test_wrong_choices_are_one_line(model: rs.Model, tiny_dataset: Path) -> None:
    choices: list[tuple[dict[str, Any], str]] = [
        ({"by": "patient"}, "by='bscan' or by='boundary'"),
        ({"split": "validation"}, "'train', 'val', 'test' or 'all'"),
        ({"classes": ["a"]}, "classes can only be given for arrays"),
        ({"ttta": True}, "did you mean"),
    ]
    for arguments, line in choices:
        with pytest.raises(UsageError) as caught:
            rs.evaluate(model, tiny_dataset, progress=False, **arguments)
        assert line in check_line(caught.value)
    with pytest.raises(UsageError, match="expected a model"):
        rs.evaluate(7, tiny_dataset)
    with pytest.raises(ModelError, match="no model of this name"):
        rs.evaluate("nowhere", tiny_dataset)
    with pytest.raises(ModelError, match="classes"):
        rs.evaluate("starter", tiny_dataset, progress=False)

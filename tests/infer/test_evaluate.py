from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from napari_retseg.classes import LabelSet
from napari_retseg.config import PredictConfig
from napari_retseg.dataset import Case, Dataset, load_dataset
from napari_retseg.errors import InputError, ModelError, UsageError
from napari_retseg.events import CancelToken, Event, Finished, Message
from napari_retseg.infer.evaluate import evaluate, evaluate_predictions
from napari_retseg.infer.predict import load_predictor, predict_labels
from napari_retseg.io import label_path, read_labels, write_labels, write_scan
from napari_retseg.models import ModelInfo, TrainedOn, describe_groups
from napari_retseg.nets.bundle import Model
from napari_retseg.scan import OctScan
from tests.infer.networks import Table, make_model, random_convolution

CPU = PredictConfig(device="cpu")
EXACT = PredictConfig(device="cpu", precision="fp32")


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
    with pytest.raises(InputError, match="split 'test' has no labelled B-scans"):
        list(evaluate(tiny_bundle, load_dataset(tiny_dataset), split="test", config=CPU))


def test_other_classes_are_named(tiny_dataset: Path, tiny_bundle: Path) -> None:
    path = tiny_dataset / "dataset.json"
    path.write_text(path.read_text().replace('"fluid"', '"drusen"'))
    with pytest.raises(ModelError, match="drusen"):
        list(evaluate(tiny_bundle, load_dataset(tiny_dataset), config=CPU))


def test_two_kinds_of_fluid_are_the_one_that_the_dataset_knows(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    grey = rng.integers(0, 4, (32, 32), dtype=np.uint8)
    write_scan(tmp_path / "scan.png", OctScan(grey, ("depth", "width")))
    Image.fromarray((grey % 3 > 0).astype(np.uint8)).save(tmp_path / "label.png")
    case = {"image": "./scan.png", "label": "./label.png", "group": "P", "split": "val"}
    content = {"name": "x", "labels": {"0": "background", "1": "fluid"}, "training": [case]}
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    table = Table(
        (9 * np.eye(4)).tolist()
    )  # the fourth class is one that the dataset does not know
    model = make_model(table, names=("IRF", "SRF", "drusen"))
    found = _result(list(evaluate(load_predictor(model, EXACT), load_dataset(tmp_path))))
    assert found["mean_dice_with_background"] == 1


def test_cancel_stops_it(tiny_dataset: Path, tiny_bundle: Path) -> None:
    cancel = CancelToken()
    cancel.cancel()
    dataset = load_dataset(tiny_dataset)
    assert list(evaluate(tiny_bundle, dataset, config=CPU, cancel=cancel)) == [
        Finished(cancelled=True)
    ]


@pytest.fixture
def volumes(tmp_path: Path, rng: np.random.Generator) -> Dataset:
    """Two NIfTI volumes whose grey values are their labels; the second is held out."""
    cases = []
    for number, split in enumerate(("train", "val")):
        scan = OctScan(rng.integers(0, 3, (6, 9, 11), dtype=np.uint8), ("z", "y", "x"))
        files = {kind: f"./{kind}{number}.nii.gz" for kind in ("image", "label")}
        for name in files.values():
            write_scan(tmp_path / name, scan)
        cases.append({**files, "group": f"P{number}", "split": split})
    names = {"0": "background", "1": "upper", "2": "lower"}
    content = {"name": "cubes", "labels": names, "ignore": 255, "training": cases}
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    return load_dataset(tmp_path)


def test_a_3d_model_is_scored_on_the_grid_of_the_volumes(volumes: Dataset) -> None:
    table = Table([[9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 9.0]])
    predictor = load_predictor(make_model(table, dims=3), EXACT)
    used = predictor._network
    assert isinstance(used, Table)
    used.calls = 0
    found = _result(list(evaluate(predictor, volumes)))
    assert found["mean_dice_with_background"] == 1
    assert found["n_bscans"] == 6
    # B-scans are asked for one by one, the volume is predicted once
    assert used.calls == 1


def test_slices_along_another_axis_are_scored_on_the_same_grid(volumes: Dataset) -> None:
    shifted = random_convolution(2)
    by_axis = [
        _result(list(evaluate(make_model(shifted), volumes, config=config)))["bscans"]
        for config in (EXACT, EXACT.model_copy(update={"axis": 2}))
    ]
    assert by_axis[0] != by_axis[1]
    table = Table([[9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 9.0]])
    config = EXACT.model_copy(update={"axis": 2})
    found = _result(list(evaluate(make_model(table), volumes, config=config)))
    assert found["mean_dice_with_background"] == 1


def test_tta_is_scored_and_surfaces_need_layers(tiny_dataset: Path, tiny_bundle: Path) -> None:
    dataset = load_dataset(tiny_dataset)
    config = PredictConfig(device="cpu", tta=True)
    plain = _result(list(evaluate(tiny_bundle, dataset, config=CPU)))
    assert _result(list(evaluate(tiny_bundle, dataset, config=config))) != plain
    surfaces = PredictConfig(device="cpu", decode="surfaces")
    with pytest.raises(UsageError, match="upper, lower, fluid"):
        list(evaluate(tiny_bundle, dataset, config=surfaces))


def test_patients_that_the_model_was_trained_on_are_named(
    tiny_dataset: Path, tiny_info: ModelInfo, tiny_network: torch.nn.Module
) -> None:
    trained = TrainedOn(
        dataset="tiny",
        sha256="f00d",
        **describe_groups(("P2", "P3"), ("P1",), dataset="tiny", sha256="f00d"),
        bscans=8,
        iterations=1,
        split="fold 1 of 3",
    )
    model = Model(tiny_info.model_copy(update={"trained_on": trained}), tiny_network)
    said = [e.text for e in evaluate(model, load_dataset(tiny_dataset)) if isinstance(e, Message)]
    assert len(said) == 1
    assert "trained on P3, now in split 'val'" in said[0]
    honest = Model(
        tiny_info.model_copy(
            update={
                "trained_on": trained.model_copy(
                    update=describe_groups(("P1", "P2"), ("P3",), dataset="tiny", sha256="f00d")
                )
            }
        ),
        tiny_network,
    )
    events = evaluate(honest, load_dataset(tiny_dataset))
    assert not [e for e in events if isinstance(e, Message)]


def test_one_file_is_not_scored_as_several_patients(tmp_path: Path) -> None:
    """Scans of one name in the folders of four patients, and a single file of labels."""
    rng = np.random.default_rng(0)
    cases = []
    for number in range(4):
        image = tmp_path / "data" / "images" / f"P{number}" / "macula.png"
        label = tmp_path / "data" / "labels" / f"P{number}" / "macula.png"
        for path, values in ((image, 256), (label, 2)):
            path.parent.mkdir(parents=True)
            Image.fromarray(rng.integers(0, values, (8, 8)).astype(np.uint8)).save(path)
        cases.append(Case(image=image, label=label, group=f"P{number}", split="val"))
    classes = LabelSet.from_names(["layer"])
    dataset = Dataset(root=tmp_path / "data", name="x", labels=classes, cases=tuple(cases))
    folder = tmp_path / "predictions"
    folder.mkdir()
    first = dataset.cases[0].label
    assert first is not None
    shutil.copy(first, folder / "macula.png")
    with pytest.raises(
        InputError, match=r"macula\.png: does it belong to .*P0.* or to .*P1"
    ) as raised:
        list(evaluate_predictions(folder, dataset))
    assert "\n" not in str(raised.value)
    for case in dataset.cases:
        assert case.label is not None
        (folder / case.group).mkdir()
        shutil.copy(case.label, folder / case.group / "macula.png")
    *_, last = evaluate_predictions(folder, dataset)
    assert isinstance(last, Finished)
    assert (last.result["n_groups"], last.result["mean_foreground_dice"]) == (4, 1.0)

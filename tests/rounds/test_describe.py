"""The line above the Retrain button, and what is missing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from napari_retseg.classes import LabelSet
from napari_retseg.config import TrainConfig
from napari_retseg.dataset import Dataset, load_dataset, save_dataset
from napari_retseg.errors import RetsegError
from napari_retseg.models import ModelInfo, TrainedOn, describe_groups
from napari_retseg.rounds import (
    check_round,
    describe_round,
    foresee_judging,
    list_remarks,
    plan_split,
)
from tests.rounds.conftest import MakeDataset

CONFIG = TrainConfig(iterations=400)
SPLITS = {"S01": "train", "S02": "train", "S03": "val"}


def _describe(dataset: Dataset, config: TrainConfig = CONFIG, **options: Any) -> str:
    values: dict[str, Any] = {"parameters": None, "seconds_per_step": None, "device": "cpu"}
    return describe_round(dataset, config, None, **{**values, **options})


def test_it_says_who_what_where_and_how_long(make_dataset: MakeDataset) -> None:
    dataset = make_dataset({"S01": [0, 1, 2], "S02": [3, 4], "S03": [5, 6, 7]}, SPLITS)
    text = _describe(dataset, parameters=(1_250_000, 13_000_000), seconds_per_step=0.9)
    assert text == (
        "Trains on 5 confirmed B-scans of 2 patients (S01, S02); held out: 3 B-scans of S03. "
        "1.25 million of 14.2 million parameters are trained on the CPU, for 400 iterations: "
        "about 6 minutes, without the time for scores."
    )


def test_held_out_patients_are_counted_one_by_one(make_dataset: MakeDataset) -> None:
    splits = {**SPLITS, "S02": "val"}
    dataset = make_dataset({"S01": [0], "S02": [3, 4], "S03": [5]}, splits)
    assert "of S01; held out: 3 B-scans, 2 of S02 and 1 of S03. " in _describe(dataset)


def test_many_patients_are_named_in_part(make_dataset: MakeDataset) -> None:
    groups = [f"S{n:02d}" for n in range(1, 8)]
    splits = {group: "val" if group == "S07" else "train" for group in groups}
    dataset = make_dataset({group: [1] for group in groups}, splits)
    assert "of 6 patients (S01, S02, S03, S04, ...); held out" in _describe(dataset)


@pytest.mark.parametrize(
    ("options", "end"),
    [
        ({"iterations": 1}, "for 1 iteration."),
        ({"minutes": 10}, "for 10 minutes, without the time for scores."),
        ({"minutes": 1}, "for 1 minute, without the time for scores."),
        ({"epochs": 8, "batch_size": 4}, "for 6 iterations."),
    ],
)
def test_each_budget_has_its_words(
    make_dataset: MakeDataset, options: dict[str, Any], end: str
) -> None:
    dataset = make_dataset({"S01": [0, 1, 2], "S03": [5]}, SPLITS)
    assert _describe(dataset, TrainConfig(**options)).endswith(end)


@pytest.mark.parametrize(
    ("options", "length"),
    [({}, "for 109 iterations."), ({"strategy": "scratch"}, "for 1000 iterations.")],
)
def test_without_a_budget_the_labels_say_how_long(
    make_dataset: MakeDataset, tiny_info: ModelInfo, options: dict[str, Any], length: str
) -> None:
    dataset = make_dataset({"S01": [0, 1, 2], "S03": [5]}, SPLITS)
    about: dict[str, Any] = {"parameters": None, "seconds_per_step": None, "device": "cpu"}
    assert describe_round(dataset, TrainConfig(**options), tiny_info, **about).endswith(length)


@pytest.mark.parametrize(
    ("parameters", "strategy", "words"),
    [
        ((370_000, 0), "all", "All 370 thousand parameters are trained on tcp://gpu:8786"),
        ((2_100, 367_900), "head", "2,100 of 370 thousand parameters are trained"),
        (None, "decoder", "Fine-tunes tiny with strategy decoder"),
        (None, "scratch", "Trains a network from scratch"),
    ],
)
def test_the_parameters_in_words(
    make_dataset: MakeDataset,
    tiny_info: ModelInfo,
    parameters: tuple[int, int] | None,
    strategy: str,
    words: str,
) -> None:
    text = describe_round(
        make_dataset({"S01": [0], "S03": [5]}, SPLITS),
        TrainConfig(strategy=strategy),
        tiny_info,
        parameters=parameters,
        seconds_per_step=None,
        device="tcp://gpu:8786",
    )
    assert words in text


def test_without_a_split_new_patients_are_divided_as_in_training(
    make_dataset: MakeDataset,
) -> None:
    dataset = make_dataset({f"S{n:02d}": [1, 2] for n in range(5)})
    divided = plan_split(dataset, CONFIG)
    (heldout,) = divided.groups("val")
    assert f"8 confirmed B-scans of 4 patients ({', '.join(divided.groups('train'))})" in _describe(
        dataset
    )
    assert f"held out: 2 B-scans of {heldout}." in _describe(dataset)
    folds = TrainConfig(split="fold:2/5")
    assert plan_split(dataset, folds).groups("val") != (heldout,)
    assert f"of {plan_split(dataset, folds).groups('val')[0]}." in _describe(dataset, folds)


def test_one_patient_keeps_the_end_of_the_volume_held_out(make_dataset: MakeDataset) -> None:
    dataset = make_dataset({"S01": [0, 2, 8]})
    assert check_round(dataset, CONFIG, None) is None
    text = _describe(dataset)
    assert "Trains on 2 confirmed B-scans of S01" in text
    assert "held out: 1 B-scan of the same patient (B-scans 8 to 9 of S01)." in text
    one, few = list_remarks(dataset, CONFIG, None)
    assert one == (
        "There is only one patient (S01): B-scans 8 to 9 of S01 are held out, and the scores "
        "say nothing about other patients."
    )
    assert few == "Only 1 B-scan is held out: small differences in the scores can be chance."


def test_enough_held_out_patients_need_no_remark(make_dataset: MakeDataset) -> None:
    dataset = make_dataset({"S01": [0], "S03": [1, 2, 3, 4, 5]}, SPLITS)
    assert list_remarks(dataset, CONFIG, None) == ()


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["upper", "lower", "fluid"], ""),
        (["upper", "lower"], "upper and lower start from tiny; fluid starts from scratch."),
        (
            ["fluid", "RPE", "drusen"],
            "fluid starts from tiny; upper and lower start from scratch; RPE and drusen are not "
            "used here.",
        ),
        (
            ["RPE"],
            "Model tiny has none of the classes here (upper, lower and fluid): its output layer is "
            "trained from scratch, all other weights are kept.",
        ),
    ],
)
def test_a_model_of_other_classes_is_remarked(
    make_dataset: MakeDataset, tiny_info: ModelInfo, names: list[str], words: str
) -> None:
    dataset = make_dataset({"S01": [0], "S03": [1, 2, 3, 4, 5]}, SPLITS)
    start = tiny_info.model_copy(update={"classes": LabelSet.from_names(names)})
    assert check_round(dataset, CONFIG, start) is None
    assert "".join(list_remarks(dataset, CONFIG, start)) == words
    assert list_remarks(dataset, TrainConfig(strategy="scratch"), start) == ()


CASES: dict[str, tuple[dict[str, list[int]], dict[str, str], dict[str, Any], str | None]] = {
    "ready": ({"S01": [0], "S03": [1]}, SPLITS, {}, None),
    "new patients": ({"A": [0], "B": [1]}, {}, {}, None),
    "nothing": ({"S01": [], "S03": []}, SPLITS, {}, "No confirmed B-scans yet: "),
    "one B-scan": ({"S01": [4], "S03": []}, SPLITS, {}, "Only one B-scan is confirmed, "),
    "all held out": (
        {"S01": [], "S03": [1, 2]},
        SPLITS,
        {},
        "All confirmed B-scans are held out (S03), so none is left for training. ",
    ),
    "none held out": (
        {"S01": [0, 1], "S03": []},
        SPLITS,
        {},
        "No confirmed B-scan is held out, so there would be no scores: confirm one of S03.",
    ),
    "nobody held out": (
        {"S01": [0, 1], "S02": [1]},
        SPLITS,
        {},
        "so there would be no scores: confirm some of a second patient.",
    ),
    "too many folds": ({"A": [0], "B": [1]}, {}, {"split": "fold:1/3"}, "at least 3 labelled"),
    "by image": (
        {"A": [0], "B": [1]},
        {},
        {"split_by": "image"},
        "give percentages (--split 80/20)",
    ),
    "part of nothing": (
        {"S01": [0], "S03": [1]},
        SPLITS,
        {"strategy": "head"},
        "Strategy head needs a starting model. Choose a model",
    ),
    "no older data set": (
        {"S01": [0], "S03": [1]},
        SPLITS,
        {"rehearse": "/nowhere/older"},
        "Rehearsal dataset /nowhere/older not found. ",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_missing_is_one_sentence_and_the_training_refuses_it(
    make_dataset: MakeDataset, case: str
) -> None:
    from napari_retseg.learn.setup import prepare

    confirmed, splits, options, words = CASES[case]
    dataset = make_dataset(confirmed, splits)
    options = {"encoder": "tu-resnet10t", "resize": "none", "device": "cpu", **options}
    config = TrainConfig(**options)
    found = check_round(dataset, config, None)
    if words is None:
        assert found is None
        prepare(dataset, config, start=None)
        return
    assert found is not None
    assert words in found
    assert _describe(dataset, config) == ""
    assert found.endswith(".")
    assert "\n" not in found
    with pytest.raises(RetsegError):
        prepare(dataset, config, start=None)


def test_no_scan_and_a_scan_that_is_gone(make_dataset: MakeDataset, tmp_path: Path) -> None:
    empty = Dataset(root=tmp_path, name="new", labels=LabelSet.from_names(["a"]), cases=())
    assert _describe(empty) == ""
    assert "No scans yet" in str(check_round(empty, CONFIG, None))
    dataset = make_dataset({"S01": [0, 2, 8]})
    dataset.cases[0].image.unlink()
    found = check_round(dataset, CONFIG, None)
    assert found is not None
    assert str(dataset.cases[0].image) in found
    assert list_remarks(dataset, CONFIG, None) == ()


def test_a_2d_model_makes_no_3d_network(make_dataset: MakeDataset, tiny_info: ModelInfo) -> None:
    dataset = make_dataset({"S01": [0], "S03": [1]}, SPLITS)
    found = check_round(dataset, TrainConfig(dims="3"), tiny_info)
    assert found is not None
    assert "tiny is a 2D network" in found
    assert check_round(dataset, TrainConfig(dims="2"), tiny_info) is None


def test_asking_changes_no_file(make_dataset: MakeDataset, tmp_path: Path) -> None:
    dataset = make_dataset({"A": [0], "B": [1]})
    path = save_dataset(dataset)
    before = path.read_bytes()
    assert check_round(load_dataset(path.parent), CONFIG, None) is None
    _describe(load_dataset(path.parent))
    assert path.read_bytes() == before
    assert "split" not in json.loads(before)["training"][0]
    shutil.rmtree(path.parent)


def test_how_well_a_training_can_be_judged_is_said_before(
    make_dataset: MakeDataset, tiny_info: ModelInfo
) -> None:
    config = TrainConfig()
    nothing = foresee_judging(make_dataset({"P1": []}), config, None)
    assert nothing.level == "not"
    assert nothing.text.startswith("No confirmed B-scans yet")
    alone = foresee_judging(make_dataset({"P1": range(0, 10, 2)}), config, None)
    assert alone.level == "barely"
    assert "There is only one patient (P1)" in alone.text
    assert "held out: small differences in the scores can be chance" in alone.text
    good = make_dataset({"P1": range(6), "P2": range(6)}, {"P1": "train", "P2": "val"})
    assert foresee_judging(good, config, None).level == "well"
    begun = make_dataset(
        {"P1": range(6), "P2": range(6)}, {"P1": "train", "P2": "val"}, model="abc"
    )
    derived = foresee_judging(begun, config, tiny_info.model_copy(update={"weights_id": "abc"}))
    assert derived.level == "barely"
    assert "6 of 6 held-out B-scans started from a prediction of tiny" in derived.text
    other = tiny_info.model_copy(update={"weights_id": "abd"})
    assert foresee_judging(begun, config, other).level == "well"
    groups = describe_groups(["P2"], ["P1"], dataset="d", sha256="")
    trained = TrainedOn(dataset="d", sha256="", bscans=1, iterations=1, **groups)
    seen = foresee_judging(good, config, tiny_info.model_copy(update={"trained_on": trained}))
    assert seen.level == "barely"
    assert "was trained on P2, now held out" in seen.text

from __future__ import annotations

import math
from typing import Any

import pytest

from napari_retseg.errors import UsageError
from napari_retseg.study.catalogue import merge, read_recipe, recipe_names
from napari_retseg.study.recipe import Grid
from napari_retseg.study.request import split_changes
from napari_retseg.study.run_plan import expand
from tests.study.conftest import Write

NAMES = {
    "cross-disease",
    "cross-disease-oct",
    "dme-transfer",
    "label-efficiency",
    "msd-slices",
    "prostate-3d",
}


def test_all_recipes_ship_and_are_valid_in_both_sizes() -> None:
    assert set(recipe_names()) == NAMES
    for name in NAMES:
        assert read_recipe(name).name == name
        assert read_recipe(name, quick=True).name == name


def test_every_row_of_the_published_table_is_in_the_recipe() -> None:
    rows = read_recipe("dme-transfer").grids["published"].factors["row"]
    pairs = {
        (row.published["mean_dice_with_background"], row.published["mean_iou_with_background"])
        for row in rows.values()
        if "mean_dice_with_background" in row.published
    }
    assert pairs >= {
        (0.7721, 0.6855),
        (0.7173, 0.6371),
        (0.7040, 0.6263),
        (0.6951, 0.6190),
        (0.7106, 0.6299),
        (0.8401, 0.7567),
        (0.8395, 0.7560),
        (0.8280, 0.7429),
        (0.4981, 0.4963),
        (0.8430, 0.7600),
        (0.8312, 0.7464),
    }


def test_published_fluid_scores_fit_together() -> None:
    for level in read_recipe("dme-transfer").grids["published"].factors["row"].values():
        if "dice" in level.published:
            dice, iou = level.published["dice"], level.published["iou"]
            assert math.isclose(iou, dice / (2 - dice), abs_tol=2e-4)


def test_factors_are_crossed_unless_they_are_zipped() -> None:
    factors = {"lr": [0.1, 0.2], "batch_size": [1, 2], "ema": [0, 0.5, 0.9]}
    crossed = Grid.model_validate({"factors": factors})
    assert len(list(expand(crossed))) == 12
    zipped = Grid.model_validate({"factors": factors, "zip": [["lr", "batch_size"]]})
    found = [names for names, _ in expand(zipped)]
    assert len(found) == 6
    assert {(one["lr"], one["batch_size"]) for one in found} == {("0.1", "1"), ("0.2", "2")}


def test_changes_go_into_nested_parts() -> None:
    values = {"a": {"b": 1, "c": [1, 2]}, "d": 4}
    assert merge(values, {"a": {"c": [3], "e": 5}, "d": None}) == {"a": {"b": 1, "c": [3], "e": 5}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": {"lrr": 1}}, "'lrr' is not a training option"),
        ({"train": {"seed": 1}}, "'seed' is set by the study"),
        ({"splits": {"folds": {"plan": "folds:1"}}}, "use at least 2 folds"),
        ({"splits": {"folds": {"plan": "fold:1/4"}}}, "write 'folds:4'"),
        ({"splits": {"folds": {"plan": "80/30"}}}, "must add up"),
        ({"splits": {"folds": {"data": "other"}}}, "'other', which does not exist"),
        ({"grids": {"rates": {"factors": {"lr": []}}}}, "has no level"),
        ({"grids": {"rates": {"splits": ["other"]}}}, "uses split 'other'"),
        ({"grids": {"rates": {"zip": [["lr", "ema"]]}}}, "'ema' is zipped, but is not a factor"),
        ({"grids": None}, "grids: Field required"),
        ({"data": {"source": {"description": ""}, "target": None}}, "no 'target'"),
        ({"data": {"target": {"part": "40-20"}}}, "part must be A-B"),
        ({"data": {"target": {"part": "half"}}}, "part must be A-B"),
        ({"unheard": 1}, "unheard: Extra inputs"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(
    change: dict[str, Any], message: str, small_values: dict[str, Any], write_recipe: Write
) -> None:
    path = write_recipe(merge(small_values, change))
    with pytest.raises(UsageError, match=message):
        read_recipe(str(path))


def test_unknown_recipes_are_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"choose from cross-disease, .*msd-slices"):
        read_recipe("dme")


def test_a_recipe_without_a_quick_version_says_so(
    small_values: dict[str, Any], write_recipe: Write
) -> None:
    with pytest.raises(UsageError, match="no quick version"):
        read_recipe(str(write_recipe(small_values)), quick=True)


def test_values_of_set_are_yaml_but_on_and_off_are_words() -> None:
    pairs = {
        "n4": "off",
        "lr": "0.01",
        "crop": "32x32",
        "deterministic": "true",
        "sizes": "[5, 10]",
    }
    pairs |= {"pretraining.train.n4": "on", "splits.four-fold.validation": "10"}
    changes, options = split_changes(pairs)
    assert options == {"n4": "off", "lr": 0.01, "crop": "32x32", "deterministic": True}
    assert changes["pretraining"] == {"train": {"n4": "on"}}
    assert changes["splits"] == {"four-fold": {"validation": 10}}
    assert changes["sizes"] == [5, 10]

"""What was given with the command stands in the report beside what the recipe says."""

from __future__ import annotations

from napari_retseg.config import TrainConfig
from napari_retseg.study.catalogue import read_recipe
from napari_retseg.study.changes import list_changes
from napari_retseg.study.request import split_changes


def test_a_recipe_as_it_is_has_no_changes() -> None:
    recipe = read_recipe("cross-disease")
    assert list_changes(recipe, read_recipe("cross-disease")) == []


def test_parts_of_the_recipe_and_options_are_named_with_both_values() -> None:
    pairs = {
        "splits.four-fold.validation": "10",
        "sizes": "[5, 10]",
        "data.source.part": "0-40",
        "data.source.classes": "{Anterior: [Anterior]}",
        "grids.strategies.factors.strategy.decoder": "null",
        "iterations": "300",
        "ema": "0.5",
        "lr": "1.0e-3",
        "device": "cpu",
    }
    edits, options = split_changes(pairs)
    wanted = read_recipe("cross-disease", changes=edits)
    found = {
        name: (before, here)
        for name, before, here in list_changes(read_recipe("cross-disease"), wanted, options)
    }
    assert found.pop("grids.strategies.factors.strategy.decoder")[1] == "none"
    assert found == {
        "data.source.part": ("none", "0-40"),
        "data.source.classes": ("none", "{Anterior: [Anterior]}"),
        "splits.four-fold.validation": ("50", "10"),
        "sizes": ("20, 50, 100, 150", "5, 10"),
        "iterations": ("2000", "300"),
        "ema": ("0", "0.5"),
    }


def test_the_quick_version_is_another_one() -> None:
    recipe = read_recipe("msd-slices")
    changed = {name for name, _, _ in list_changes(recipe, read_recipe("msd-slices", quick=True))}
    assert {"train.epochs", "train.encoder", "data.target.simulate"} <= changed
    assert "quick" not in changed
    assert "train.device" not in changed


def test_an_option_for_all_is_named_wherever_it_takes_the_place_of_another() -> None:
    recipe = read_recipe("cross-disease-oct")
    assert list_changes(recipe, recipe, {"iterations": 200, "lr": 0.01}) == [
        ("iterations", "300", "200"),
        ("pretraining.train.iterations", "1000", "200"),
        ("lr", str(TrainConfig().lr), "0.01"),
        ("pretraining.train.lr", "0.002", "0.01"),
    ]
    found = list_changes(recipe, recipe, {"strategy": "all"})
    assert ("grids.strategies.factors.strategy.scratch.set.strategy", "scratch", "all") in found

"""Which classes are layers, and how their boundaries are called."""

from __future__ import annotations

from napari_retseg.classes import RETINA, LabelSet
from napari_retseg.layers import layer_order, name_boundaries


def test_layers_of_known_names_are_ordered_from_the_vitreous() -> None:
    assert layer_order(RETINA) == [1, 2, 3, 4, 5, 6, 7]
    names = ["fluid", "Choroid", "RPE", "GCL+IPL", "RNFL", "inl", "PED", "EZ", "drops"]
    labels = LabelSet.from_names(names)
    ordered = [labels.names[k] for k in layer_order(labels)]
    assert ordered == ["RNFL", "GCL+IPL", "inl", "EZ", "RPE", "PED", "Choroid"]


def test_classes_that_are_not_layers() -> None:
    assert layer_order(LabelSet.from_names(["hippocampus", "fluid", "vessel"])) == []
    assert layer_order(LabelSet.from_names({3: "fluid", 5: "RNFL"})) == [2]


def test_names_of_boundaries() -> None:
    assert name_boundaries(["NFL", "INL"]) == [
        "inner boundary of NFL",
        "NFL / INL",
        "outer boundary of INL",
    ]
    assert name_boundaries(["RPE"]) == ["inner boundary of RPE", "outer boundary of RPE"]

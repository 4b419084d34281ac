"""Which classes are layers, and how their boundaries are called."""

from __future__ import annotations

import pytest

from napari_retseg.classes import RETINA, LabelSet
from napari_retseg.layers import is_gapless, is_lesion, layer_order, name_boundaries


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


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("NFL", "GCL-IPL", "INL", "OPL", "ONL-ISM", "ISE", "OS-RPE", "fluid"), True),
        (("RNFL", "GCIPL", "INL", "OPL", "ONL", "EZ", "RPE", "choroid"), True),
        (("GCC", "INL", "OPL", "HFL", "ONL", "ELM", "ISM", "ISE", "RPE", "BM"), True),
        (("NFL", "INL"), False),
        (("ONL", "RPE"), False),
        (("RPE", "sclera"), False),
        (("RPE", "fluid"), False),
        (("drops",), False),
    ],
)
def test_layers_without_gaps(names: tuple[str, ...], expected: bool) -> None:
    classes = LabelSet.from_names(names)
    assert is_gapless(classes, layer_order(classes)) is expected


def test_lesions_lie_in_the_retina() -> None:
    assert all(map(is_lesion, ("fluid", "IRF", "srf", "Intraretinal fluid", "cysts")))
    assert not any(map(is_lesion, ("RPE", "vessel", "ERM", "choroid")))

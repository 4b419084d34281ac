"""What two labels layers are compared as."""

from __future__ import annotations

import numpy as np
import pytest

from napari_retseg.classes import LabelSet
from napari_retseg.errors import InputError
from napari_retseg.scan import OctScan
from napari_retseg.ui.workbench.control.agreeing import LayerValues, compare_layers

NAMED = LabelSet.from_names({0: "background", 1: "NFL", 4: "RPE"})
SHAPE = (3, 40, 32)


@pytest.fixture
def scan() -> OctScan:
    return OctScan(
        pixels=np.zeros(SHAPE, np.uint8),
        axes=("bscan", "depth", "width"),
        spacing_um=(100.0, 4.0, 10.0),
        spacing_source="file",
    )


def draw(top: int, *, last: int = 4, dtype: type = np.uint8) -> np.ndarray:
    values: np.ndarray = np.zeros(SHAPE, dtype)
    values[:, top:20] = 1
    values[:, 20:30] = last
    return values


def test_boundaries_and_thickness_in_um(scan: OctScan) -> None:
    found = compare_layers(
        LayerValues("a", draw(10), NAMED, None), LayerValues("b", draw(12), NAMED, None), scan
    )
    errors = found.cohort.scores.boundaries
    assert errors is not None
    assert errors.boundaries["inner boundary of NFL"].bias_um == 8.0
    thickness = {one.structure: one for one in found.eye.numbers if one.sector == "scan"}
    assert (thickness["NFL"].first, thickness["NFL"].second) == (40.0, 32.0)


def test_only_bscans_that_count_in_both(scan: OctScan) -> None:
    other = draw(12)
    other[2] = draw(10)[2]
    found = compare_layers(
        LayerValues("a", draw(10), NAMED, {0, 2}), LayerValues("b", other, NAMED, {1, 2}), scan
    )
    assert found.cohort.scores.classes["NFL"].dice == 1.0
    assert found.cohort.scores.classes["NFL"].reference_pixels == 10 * 32
    with pytest.raises(InputError, match="no B-scan has both"):
        compare_layers(
            LayerValues("a", draw(10), NAMED, {0}), LayerValues("b", other, NAMED, {1}), scan
        )


def test_classes_are_told_by_name_and_one_side_names_both(scan: OctScan) -> None:
    theirs = LabelSet.from_names({0: "background", 1: "NFL", 9: "RPE"})
    ours = LayerValues("a", draw(10), NAMED, None)
    found = compare_layers(ours, LayerValues("b", draw(10, last=9), theirs, None), scan)
    assert found.cohort.scores.classes["RPE"].dice == 1.0
    found = compare_layers(LayerValues("b", draw(10, dtype=np.int32), None, None), ours, scan)
    assert found.cohort.scores.classes["RPE"].dice == 1.0
    other = LabelSet.from_names({0: "background", 1: "NFL", 4: "BM"})
    with pytest.raises(InputError, match="only b has BM"):
        compare_layers(ours, LayerValues("b", draw(10), other, None), scan)
    with pytest.raises(InputError, match=r"b: label values \[9\] have no class"):
        compare_layers(ours, LayerValues("b", draw(10, last=9), None, None), scan)


def test_values_without_names_are_classes_of_their_own(scan: OctScan) -> None:
    first, second = (LayerValues(name, draw(10), None, None) for name in "ab")
    found = compare_layers(first, second, scan)
    assert found.cohort.scores.classes["class 4"].dice == 1.0
    assert "only overlap is compared" in found.eye.notes[0]
    large = LayerValues("a", draw(10, last=300, dtype=np.int32), None, None)
    with pytest.raises(InputError, match="a: label values go from 0 to 255"):
        compare_layers(large, second, scan)

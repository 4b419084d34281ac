"""Classes of one set in terms of another: by name, and by what a name is made of."""

from __future__ import annotations

import pytest

from napari_retseg.classes import RETINA, LabelSet
from napari_retseg.layers import find_common_classes, list_missing_classes, translate_classes

FINE = LabelSet.from_names(["RNFL", "GCL", "IPL", "IRF", "SRF", "drusen"])


def test_parts_become_the_class_that_they_make_up() -> None:
    table = translate_classes(RETINA, FINE)
    assert table[:8].tolist() == [0, 1, 2, 2, 8, 8, 0, 0]
    assert table[255] == 255


def test_a_class_is_not_divided_into_its_parts() -> None:
    table = translate_classes(FINE, RETINA)
    assert table[:9].tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 0]


def test_the_same_classes_are_themselves_even_with_other_values() -> None:
    moved = LabelSet.from_names({3: "fluid", 5: "NFL"})
    table = translate_classes(RETINA, moved)
    assert (table[3], table[5]) == (8, 1)
    assert translate_classes(RETINA, RETINA)[:9].tolist() == list(range(9))


def test_a_part_alone_is_not_the_whole() -> None:
    assert not translate_classes(RETINA, LabelSet.from_names(["SRF", "GCL"]))[:3].any()


def test_a_class_is_missing_only_where_its_parts_are() -> None:
    assert list_missing_classes(RETINA, FINE) == ["INL", "OPL", "ONL-ISM", "ISE", "OS-RPE"]
    assert list_missing_classes(FINE, RETINA) == ["GCL", "IPL", "IRF", "SRF", "drusen"]


def test_an_exact_name_counts_before_its_parts() -> None:
    both = LabelSet.from_names(["fluid", "IRF", "SRF"])
    assert translate_classes(RETINA, both)[:4].tolist() == [0, 8, 0, 0]


@pytest.mark.parametrize("is_turned", [False, True])
def test_common_classes_are_as_coarse_as_the_coarser_ones(is_turned: bool) -> None:
    first, second = (FINE, RETINA) if is_turned else (RETINA, FINE)
    common = find_common_classes(first, second)
    assert set(common.names[1:]) in ({"NFL", "GCL-IPL", "fluid"}, {"RNFL", "GCL-IPL", "fluid"})
    a, b = translate_classes(common, first), translate_classes(common, second)
    ours, theirs = (b, a) if is_turned else (a, b)
    assert ours[1] == theirs[1] > 0
    assert ours[2] == theirs[2] == theirs[3] > 0
    assert ours[8] == theirs[4] == theirs[5] > 0
    assert theirs[6] == 0


def test_names_of_one_kind_meet_and_others_do_not() -> None:
    one = LabelSet.from_names(["sub-RPE", "tumor", "my_lesion"])
    two = LabelSet.from_names(["drusen", "Tumor", "other"])
    assert find_common_classes(one, two).names == ("background", "sub-RPE", "tumor")

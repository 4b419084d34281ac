"""Sizes on an axis: none lies over another, and lines lie beside each other."""

from __future__ import annotations

from itertools import pairwise

import pytest
from matplotlib.figure import Figure

from napari_retseg.study.size_axis import SizeAxis

#: Width of a panel of a report, inches.
_WIDTH = 2.6
#: A number of two digits needs so many points of it.
_LABEL = 11.0


@pytest.mark.parametrize(
    ("sizes", "is_log"),
    [([1, 3, 5, 11, 22, 44, 66], True), ([20, 50, 100, 150], False), ([1, 2, 3, 5], False)],
)
def test_no_label_lies_over_another(sizes: list[int], *, is_log: bool) -> None:
    axes = Figure(figsize=(_WIDTH, 2), dpi=72).add_axes((0.1, 0.1, 0.9, 0.9))
    axis = SizeAxis([*reversed(sizes), sizes[0]])
    axes.set_xlim(sizes[0], sizes[-1])
    axis.mark(axes)
    assert axis.is_log == is_log
    assert [label.get_text() for label in axes.get_xticklabels()] == list(map(str, sizes))
    places = [axes.transData.transform((size, 0.5))[0] for size in sizes]
    assert min(b - a for a, b in pairwise(places)) > _LABEL


@pytest.mark.parametrize("sizes", [[1, 3, 66], [20, 150], [0, 5], [7]])
def test_lines_lie_beside_each_other_and_never_cross_a_neighbour(sizes: list[int]) -> None:
    axis = SizeAxis(sizes)
    drawn = [axis.beside(number, 3)(size) for size in sizes for number in range(3)]
    assert drawn == sorted(drawn)
    assert drawn[1::3] == pytest.approx(sizes)
    assert len(sizes) == 1 or len(set(drawn)) == len(drawn)

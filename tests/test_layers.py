"""Boundaries of ordered layers from label maps."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_retseg.classes import IGNORE, LabelSet
from napari_retseg.layers import boundaries_of_labels, name_boundaries

NAN = np.nan


def column(*values: int) -> NDArray[np.uint8]:
    """One A-scan as a B-scan."""
    return np.array(values, np.uint8)[:, np.newaxis]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0, 0, 1, 1, 2, 3, 3, 0), (1, 3, 4, 6)),
        # a layer that is absent: its two boundaries are equal
        ((0, 1, 1, 3, 3, 0), (0, 2, 2, 4)),
        ((0, 2, 2, 3, 0), (0, 0, 2, 3)),
        ((0, 1, 2, 0), (0, 1, 2, 2)),
        # what is no layer counts to the one above it
        ((0, 1, 9, 9, 2, 3, 0), (0, 3, 4, 5)),
        # to the edges of the B-scan
        ((1, 2, 3), (-1, 0, 1, 2)),
        # out of order: never back
        ((0, 2, 1, 3, 0), (0, 0, 2, 3)),
        ((0, 0, 0), (NAN, NAN, NAN, NAN)),
        ((IGNORE, IGNORE, IGNORE), (NAN, NAN, NAN, NAN)),
        # nobody said where the first layer begins, or the last one ends
        ((IGNORE, 1, 2, 3, 0), (NAN, 1, 2, 3)),
        ((0, 1, 2, 3, IGNORE), (0, 1, 2, NAN)),
        ((0, 1, IGNORE, 2, 3, 0), (0, NAN, 3, 4)),
        ((IGNORE, 0, 1, 2, 3, 0), (1, 2, 3, 4)),
    ],
)
def test_boundaries_of_an_ascan(values: tuple[int, ...], expected: tuple[float, ...]) -> None:
    found = boundaries_of_labels(column(*values), (1, 2, 3))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[:, 0], np.array(expected, np.float32))


def test_a_pixel_below_a_boundary_belongs_to_the_layer(rng: np.random.Generator) -> None:
    depth, width, layers = 40, 300, (4, 2, 7)
    rows = np.sort(rng.integers(-1, depth, (len(layers) + 1, 5, width)), axis=0)
    grid = np.arange(depth)[:, np.newaxis]
    labels = np.zeros((5, depth, width), np.uint8)
    for value, top, bottom in zip(layers, rows, rows[1:], strict=False):
        labels[(grid > top[:, np.newaxis]) & (grid <= bottom[:, np.newaxis])] = value
    found = boundaries_of_labels(labels, layers)
    assert found.shape == (4, 5, width)
    there = rows[-1] > rows[0]
    assert np.isnan(found[:, ~there]).all()
    again = np.zeros_like(labels)
    for value, top, bottom in zip(layers, found, found[1:], strict=False):
        again[(grid > top[:, np.newaxis]) & (grid <= bottom[:, np.newaxis])] = value
    np.testing.assert_array_equal(again, labels)
    assert (np.diff(found[:, there], axis=0) >= 0).all()


def test_names() -> None:
    classes = LabelSet.from_names({1: "NFL", 5: "INL", 9: "fluid"})
    assert name_boundaries(classes, (1, 5)) == [
        "inner boundary of NFL",
        "NFL / INL",
        "outer boundary of INL",
    ]

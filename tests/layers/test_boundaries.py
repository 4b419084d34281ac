"""Labels -> boundaries -> labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_retseg.classes import IGNORE
from napari_retseg.io import read_labels
from napari_retseg.layers import HOLE, LayerMap, boundaries_of_labels, labels_of_boundaries
from napari_retseg.layers.fitting import NEUTRAL, fit_ordered
from tests.layers.anatomies import DRUSEN, FLUID, LAYERS, draw_anatomies

NAN = np.nan


def column(*values: int) -> NDArray[np.uint8]:
    """One A-scan as a B-scan."""
    return np.array(values, np.uint8)[:, np.newaxis]


def draw_again(found: LayerMap, layers: tuple[int, ...]) -> NDArray[np.uint8]:
    depth = found.rest.shape[-2]
    return labels_of_boundaries(found.rows, layers, depth=depth, rest=found.rest)


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
        # in a layer, above the first one, and below the last one it moves nothing
        ((0, 1, 9, 1, 2, 3, 0), (0, 3, 4, 5)),
        ((9, 1, 2, 3, 9, 0), (0, 1, 2, 3)),
        # to the edges of the B-scan
        ((1, 2, 3), (-1, 0, 1, 2)),
        # out of order: what changes the fewest pixels
        ((0, 2, 1, 1, 3, 0), (1, 3, 3, 4)),
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
    found = boundaries_of_labels(column(*values), (1, 2, 3)).annotated_rows()
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[:, 0], np.array(expected, np.float32))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0, 1, 9, 9, 2, 3, 0), (0, NAN, 4, 5)),
        ((0, 1, 9, 3, 0), (0, NAN, NAN, 3)),
        ((0, 1, 9, 1, 2, 3, 0), (0, 3, 4, 5)),
        ((9, 1, 2, 3, 9), (0, 1, 2, 3)),
        ((0, 1, 0, 2, 3, IGNORE), (0, 2, 3, NAN)),
    ],
)
def test_a_pocket_hides_where_two_layers_meet(
    values: tuple[int, ...], expected: tuple[float, ...]
) -> None:
    found = boundaries_of_labels(column(*values), (1, 2, 3)).visible_rows()
    np.testing.assert_array_equal(found[:, 0], np.array(expected, np.float32))


def test_a_thousand_anatomies_come_back_identical(rng: np.random.Generator) -> None:
    labels = draw_anatomies(rng, 1000)
    assert {0, FLUID, DRUSEN, IGNORE, *LAYERS} == set(np.unique(labels).tolist())
    found = boundaries_of_labels(labels, LAYERS)
    assert found.rows.shape == (1000, len(LAYERS) + 1, labels.shape[-1])
    assert found.is_ordered.all()
    np.testing.assert_array_equal(draw_again(found, LAYERS), labels)
    there = np.isin(labels, LAYERS).any(axis=-2)
    rows = np.moveaxis(found.rows, -2, 0)
    assert np.isnan(rows[:, ~there]).all()
    assert (np.diff(rows[:, there], axis=0) >= 0).all()


#: A layer or none, and what is no layer after it; each layer may come in two runs.
_OTHERS = st.lists(st.sampled_from([0, 9, IGNORE]), max_size=4)
_RUNS = st.lists(st.tuples(st.integers(0, 3), _OTHERS), min_size=6, max_size=6)


@given(above=_OTHERS, runs=_RUNS)
def test_every_ordered_ascan_comes_back_identical(
    above: list[int], runs: list[tuple[int, list[int]]]
) -> None:
    values = [0, *above]
    for number, (length, others) in enumerate(runs):
        values += [1 + number // 2] * length + others
    labels = column(*values)
    found = boundaries_of_labels(labels, (1, 2, 3))
    assert found.is_ordered.all()
    np.testing.assert_array_equal(draw_again(found, (1, 2, 3)), labels)


def test_ordered_ascans_are_what_the_fit_finds(rng: np.random.Generator) -> None:
    labels = draw_anatomies(rng, 200)
    labels[labels == 0] = FLUID  # no gaps: to the fit they are layers in the wrong place
    labels[:, 0] = labels[:, -1] = 0
    found = boundaries_of_labels(labels, LAYERS)
    places = np.full(256, NEUTRAL)
    places[[0, *LAYERS]] = range(len(LAYERS) + 1)
    states = np.moveaxis(places[labels], 1, 0).reshape(labels.shape[1], -1)
    rows = np.moveaxis(found.rows, 1, 0).reshape(len(LAYERS) + 1, -1)
    there = np.isfinite(rows).all(axis=0)
    assert there.any()
    np.testing.assert_array_equal(fit_ordered(states, len(LAYERS))[:, there], rows[:, there])


def test_disordered_ascans_are_reported_and_change_nothing_beside_them(
    rng: np.random.Generator,
) -> None:
    labels = draw_anatomies(rng, 50)
    wrong = rng.random((50, labels.shape[-1])) < 0.2
    labels.swapaxes(1, 2)[wrong, 5:9] = [LAYERS[2], LAYERS[0], LAYERS[1], LAYERS[0]]
    found = boundaries_of_labels(labels, LAYERS)
    np.testing.assert_array_equal(found.is_ordered, ~wrong)
    again = draw_again(found, LAYERS)
    same = (again == labels).all(axis=-2)
    np.testing.assert_array_equal(same, ~wrong)
    is_other = np.isin(labels, (FLUID, DRUSEN, IGNORE))
    np.testing.assert_array_equal(again[is_other], labels[is_other])
    assert boundaries_of_labels(again, LAYERS).is_ordered.all()


def test_both_graders_of_all_real_scans_come_back_identical(shared_data: Path) -> None:
    layers = tuple(range(1, 8))
    with np.load(shared_data / "chiu2015" / "boundaries.npz") as curves:
        names, drawn = curves["names"].tolist(), curves["grader1"]
    moved = 0
    for number, name in enumerate(names):
        for folder in ("labels", "labels_grader2"):
            labels = read_labels(shared_data / "chiu2015" / folder / f"{name}.png")
            found = boundaries_of_labels(labels, layers)
            assert found.is_ordered.all()
            np.testing.assert_array_equal(draw_again(found, layers), labels)
            if folder == "labels":  # the grader's own curves
                rows = found.visible_rows()
                seen = np.isfinite(rows) & np.isfinite(drawn[number])
                moved += int(np.count_nonzero(rows[seen] != drawn[number][seen]))
    assert moved == 1  # fluid on the ILM of one A-scan of S04_B30


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # between two pixels: a pixel lies below when its row is greater
        ((0.5, 1.0, 3.9), (0, 1, 2, 2, 0, 0)),
        ((-1, 2.5, 2.5), (1, 1, 1, 0, 0, 0)),
        ((-7, 2, 50), (1, 1, 1, 2, 2, 2)),
        ((NAN, NAN, NAN), (0, 0, 0, 0, 0, 0)),
        # a boundary above the one before it
        ((2, 1, 4), (0, 0, 0, 2, 2, 0)),
        # what depends on a boundary that is not known is not annotated
        ((1, NAN, 3), (0, 0, IGNORE, IGNORE, 0, 0)),
        ((NAN, 2, 3), (IGNORE, IGNORE, IGNORE, 2, 0, 0)),
        ((1, 2, NAN), (0, 0, 1, IGNORE, IGNORE, IGNORE)),
        ((NAN, 1, NAN), (IGNORE, IGNORE, IGNORE, IGNORE, IGNORE, IGNORE)),
    ],
)
def test_labels_of_an_ascan(rows: tuple[float, ...], expected: tuple[int, ...]) -> None:
    given_rows = np.array(rows, np.float32)[:, np.newaxis]
    found = labels_of_boundaries(given_rows, (1, 2), depth=6)
    assert found.dtype == np.uint8
    assert found[:, 0].tolist() == list(expected)


def test_what_is_no_layer_is_laid_over_moved_boundaries() -> None:
    found = boundaries_of_labels(column(0, 1, 9, 1, 2, 0, 2, 0, IGNORE), (1, 2))
    assert found.rest[:, 0].tolist() == [0, 0, 9, 0, 0, HOLE, 0, 0, IGNORE]
    moved = labels_of_boundaries(found.rows + 1, (1, 2), depth=9, rest=found.rest)
    assert moved[:, 0].tolist() == [0, 0, 9, 1, 1, 0, 2, 2, IGNORE]

"""Pockets are taken out and cut in two, and the layers around them come back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from napari_retseg.classes import IGNORE
from napari_retseg.decode.pocket_edit import cut, find_pocket, take_out
from tests.layers.anatomies import DRUSEN, FLUID, LAYERS, draw_anatomies

DEPTH, WIDTH = 80, 60


def draw_retina(slope: float = 0.2) -> NDArray[np.uint8]:
    """Draw four layers of 12 rows that fall to the right."""
    begins = 15 + slope * np.arange(WIDTH)
    place = np.floor((np.arange(DEPTH)[:, np.newaxis] - begins) / 12).astype(int)
    values = np.array([0, *LAYERS, 0], np.uint8)
    drawn: NDArray[np.uint8] = values[np.clip(place + 1, 0, 5)]
    return drawn


def add_pocket(labels: NDArray[np.uint8], value: int = FLUID, *, at: int = 30) -> NDArray[np.bool_]:
    rows, columns = np.ogrid[:DEPTH, :WIDTH]
    pocket: NDArray[np.bool_] = ((rows - 42) / 14.0) ** 2 + ((columns - at) / 11.0) ** 2 <= 1
    labels[pocket] = value
    return pocket


@pytest.mark.parametrize("slope", [0.0, 0.2, -0.1])
def test_straight_layers_come_back_as_they_were(slope: float) -> None:
    whole = draw_retina(slope)
    labels = whole.copy()
    pocket = add_pocket(labels)
    assert set(whole[pocket]) >= set(LAYERS[1:3])
    found = find_pocket(labels, (42, 30))
    assert np.array_equal(found, pocket)
    wrong = take_out(labels, found, LAYERS) != whole
    assert not wrong[~pocket].any()
    # a slope is drawn in steps, which are a pixel off where they are not seen
    assert wrong.sum() <= 0.08 * pocket.sum()


def test_another_pocket_stays_and_does_not_lead_the_layers_astray() -> None:
    whole = draw_retina(0.0)
    labels = whole.copy()
    pocket = add_pocket(labels, at=20)
    other = add_pocket(labels, DRUSEN, at=45) & ~pocket
    found = take_out(labels, find_pocket(labels, (42, 20)), LAYERS)
    left = pocket & (labels == FLUID)
    assert np.array_equal(found[left], whole[left])
    assert (found[other] == DRUSEN).all()


def test_layers_come_back_in_a_column_that_was_all_fluid() -> None:
    whole = draw_retina(0.0)
    labels = whole.copy()
    labels[15:63, 28:32] = FLUID
    assert np.array_equal(take_out(labels, labels == FLUID, LAYERS), whole)


def test_without_layers_background_is_left() -> None:
    labels = np.zeros((DEPTH, WIDTH), np.uint8)
    pocket = add_pocket(labels)
    assert not take_out(labels, pocket, LAYERS).any()
    assert not take_out(labels, pocket, ()).any()


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1))
def test_in_any_anatomy_only_the_pocket_changes_and_no_fluid_is_left_in_it(seed: int) -> None:
    for labels in draw_anatomies(np.random.default_rng(seed), 8):
        places = np.argwhere(labels == FLUID)
        if not len(places):
            continue
        pocket = find_pocket(labels, (int(places[0][0]), int(places[0][1])))
        found = take_out(labels, pocket, LAYERS)
        assert np.array_equal(found[~pocket], labels[~pocket])
        assert set(np.unique(found[pocket])) <= {0, *LAYERS}


@pytest.mark.parametrize(
    "path",
    [
        [(20, 30), (70, 30)],
        [(22, 18), (62, 42)],
        [(25, 40), (40, 31), (66, 22)],
        [(-30, 30), (200, 30)],
    ],
)
def test_a_path_from_edge_to_edge_makes_two_pockets(path: list[tuple[int, int]]) -> None:
    whole = draw_retina()
    labels = whole.copy()
    pocket = add_pocket(labels)
    found = cut(labels, path, LAYERS)
    assert found is not None
    _, n = ndimage.label(found == FLUID, np.ones((3, 3)))
    assert n == 2
    changed = found != labels
    assert not changed[~pocket].any()
    assert 15 < changed.sum() < 60
    assert (found[changed] == whole[changed]).mean() > 0.9


@pytest.mark.parametrize("path", [[(42, 20), (42, 25)], [(10, 30), (45, 30)], [(5, 5), (5, 50)]])
def test_a_path_that_parts_nothing_changes_nothing(path: list[tuple[int, int]]) -> None:
    labels = draw_retina()
    add_pocket(labels)
    assert cut(labels, path, LAYERS) is None


def test_layers_and_what_is_not_annotated_are_not_cut() -> None:
    labels = draw_retina()
    add_pocket(labels, IGNORE)
    assert cut(labels, [(0, 30), (79, 30)], LAYERS) is None

"""Pockets of fluid keep their shape where an eye can have them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_retseg.decode.pockets import enclose_pockets


@pytest.fixture
def rows() -> NDArray[np.float32]:
    """A retina from row 20 to row 39."""
    return np.repeat(np.array([[19.5], [29.5], [39.5]], np.float32), 50, axis=1)


def test_what_lies_in_the_retina_stays(rows: NDArray[np.float32]) -> None:
    pockets = np.zeros((60, 50), bool)
    pockets[22:38, 10:20] = True
    assert np.array_equal(enclose_pockets(pockets, rows), pockets)
    assert (rows[-1] == 39.5).all()


def test_nothing_is_kept_in_the_vitreous_or_deep_below(rows: NDArray[np.float32]) -> None:
    pockets = np.zeros((60, 50), bool)
    pockets[5:10, 10:20] = pockets[50:55, 10:20] = True
    pockets[15:25, 30:35] = True
    found = enclose_pockets(pockets, rows)
    assert found.sum() == 5 * 5
    assert found[20:25, 30:35].all()
    assert (rows[-1] == 39.5).all()


@pytest.mark.parametrize("top", [36, 40, 41])
def test_a_pocket_below_that_hangs_on_the_retina_is_enclosed(
    rows: NDArray[np.float32], top: int
) -> None:
    pockets = np.zeros((60, 50), bool)
    pockets[top:50, 10:20] = True
    assert np.array_equal(enclose_pockets(pockets, rows), pockets)
    assert (rows[-1, 10:20] == 50).all()  # one pixel of the last layer below it
    assert (np.delete(rows[-1], range(10, 20)) == 39.5).all()


def test_without_a_retina_there_are_no_pockets(rows: NDArray[np.float32]) -> None:
    rows[:, 10:] = np.nan
    pockets = np.ones((60, 50), bool)
    found = enclose_pockets(pockets, rows)
    assert not found[:, 10:].any()
    assert np.isnan(rows[:, 10:]).all()

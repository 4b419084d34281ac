"""The best path near a curve: it holds what is fixed, and finds what the clues say."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_retseg.decode.edges import find_edges, match_profile
from napari_retseg.decode.editing import Drag, drag_boundary
from napari_retseg.decode.snapping import Clues, snap_curve
from tests.decode.retinas import point_at

N, REACH = 80, 6
FAR = np.full(N, np.inf, np.float32)


def peak_at(offsets: NDArray[np.floating]) -> NDArray[np.float32]:
    away = np.arange(-REACH, REACH + 1)[:, None] - offsets
    return np.asarray(-4 * away**2, np.float32)


def snap(
    clues: NDArray[np.float32], fixed: list[int], above: NDArray[np.float32] = -FAR
) -> NDArray[np.float32]:
    held = np.isin(np.arange(N), fixed)
    curve = np.linspace(50, 90, N, dtype=np.float32)
    return np.asarray(
        snap_curve(curve, clues, fixed=held, above=above, below=FAR) - curve, np.float32
    )


@pytest.mark.parametrize("offset", [-4.3, 0.0, 1.5, 3.7])
def test_without_a_fixed_place_it_is_where_the_clues_say(offset: float) -> None:
    found = snap(peak_at(np.full(N, offset)), [])
    np.testing.assert_allclose(found, offset, atol=0.01)


@pytest.mark.parametrize("fixed", [[0], [N - 1], [40], [0, 25, N - 1]])
def test_fixed_places_are_left_gently(fixed: list[int]) -> None:
    found = snap(peak_at(np.full(N, 3.0)), fixed)
    assert (found[fixed] == 0).all()
    assert np.abs(np.diff(found)).max() < 1
    distance = np.abs(np.arange(N)[:, None] - fixed).min(axis=1)
    np.testing.assert_allclose(found[distance > 12], 3, atol=0.05)


def test_a_neighbour_is_not_crossed() -> None:
    wall = np.linspace(50, 90, N, dtype=np.float32) - 1
    found = snap(peak_at(np.full(N, -5.0)), [], above=wall)
    assert found.min() >= -1
    assert found.max() < 0


def test_one_wild_ascan_does_not_pull() -> None:
    offsets = np.zeros(N)
    offsets[40] = 4
    assert np.abs(snap(peak_at(offsets), [])).max() < 0.6


def test_clues_lie_between_the_rows_of_the_curve() -> None:
    gain = np.repeat(np.arange(21, dtype=np.float32)[:, None], 5, axis=1)
    curve = np.full(3, 7.25, np.float32)
    found = Clues(gain=gain).measure(curve, slice(1, 4), 2, np.ones(3, np.float32))
    steps = np.diff(found, axis=0)
    np.testing.assert_allclose(steps, steps[0, 0] * np.ones((4, 3)), rtol=1e-4)
    assert steps[0, 0] > 0
    assert found.max() < 0  # the model's own place lies beyond
    assert not Clues().measure(curve, slice(1, 4), 2, np.ones(3, np.float32)).any()


def test_a_bscan_of_one_grey_has_no_edges() -> None:
    edges = find_edges(np.full((30, 40), 7, np.uint16))
    assert edges.shape == (31, 40)
    assert not edges.any()
    assert not match_profile(np.zeros((31, 40), np.float32), np.ones(40, np.float32)).any()


def test_edges_do_not_depend_on_the_scale_of_the_grey_values(rng: np.random.Generator) -> None:
    bscan = rng.integers(0, 255, (50, 60)).astype(np.uint8)
    np.testing.assert_allclose(
        find_edges(bscan), find_edges(bscan.astype(np.float32) * 100 + 3), atol=1e-3
    )


def test_a_model_that_is_sure_and_wrong_does_not_draw_a_drag_back() -> None:
    """Where a person drags a boundary away from the model's, the picture decides beside it."""
    rng = np.random.default_rng(3)
    bscan = np.where(np.arange(120)[:, None] < 60, 60, 120) + rng.normal(0, 20, (120, N))
    wrong = np.full(N, 53.5, np.float32)
    clues = Clues(gain=point_at(wrong), edges=find_edges(bscan.astype(np.float32)))
    drag = Drag(0, 40, 59.5, 38)
    rows = np.stack([wrong, wrong + 40])
    found = drag_boundary(rows, drag, clues)[0]
    assert found[40] == 59.5
    assert np.abs(found[20:61] - 59.5).mean() < 1

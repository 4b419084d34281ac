"""Boundaries changed by hand stay in order, and nothing changes out of reach."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_retseg.decode.edges import find_edges
from napari_retseg.decode.editing import (
    JOIN,
    Drag,
    drag_boundary,
    draw_boundary,
    find_absent,
    lift_boundary,
    remove_layer,
    restore_layer,
)
from napari_retseg.decode.snapping import Clues
from tests.decode.retinas import DEPTH, N_LAYERS, WIDTH, draw_bscan, draw_rows, point_at

Rows = NDArray[np.float32]
_SEEDS = st.integers(0, 10_000)
_BOUNDARIES = st.integers(0, N_LAYERS)
_COLUMNS = st.integers(0, WIDTH - 1)
_WIDTHS = st.integers(1, 120)
_LAYERS = st.integers(0, N_LAYERS - 1)
_ROWS = st.floats(0, DEPTH - 1, width=32)


def make_clues(kind: str, rows: Rows, boundary: int, rng: np.random.Generator) -> Clues | None:
    """Clues that say something else than the rows."""
    edges = find_edges(draw_bscan(np.nan_to_num(draw_rows(rng)), rng))
    gain = rng.normal(0, 4, (DEPTH + 1, WIDTH)).astype(np.float32)
    return {
        "none": None,
        "edges": Clues(edges=edges),
        "model": Clues(gain=gain),
        "both": Clues(gain=gain, edges=edges),
    }[kind]


def check(before: Rows, after: Rows, columns: NDArray[np.intp] | slice) -> None:
    """All that holds after whatever was done within some A-scans."""
    outside = np.ones(WIDTH, np.bool_)
    outside[columns] = False
    np.testing.assert_array_equal(after[:, outside], before[:, outside])
    np.testing.assert_array_equal(np.isnan(after), np.isnan(before))
    known = np.isfinite(after[0])
    assert (np.diff(after[:, known], axis=0) >= 0).all()
    assert after.dtype == np.float32


def count_absent(rows: Rows) -> int:
    return int((np.diff(rows, axis=0) == 0).sum())


@given(_SEEDS, _BOUNDARIES, _COLUMNS, _ROWS, _WIDTHS, st.sampled_from(["none", "edges", "both"]))
def test_a_drag_meets_its_place_and_pushes(
    seed: int, boundary: int, column: int, row: float, width: int, kind: str
) -> None:
    rng = np.random.default_rng(seed)
    rows = draw_rows(rng)
    clues = make_clues(kind, rows, boundary, rng)
    after = drag_boundary(rows, Drag(boundary, column, row, width), clues)
    reach = slice(max(column - width + 1, 0), column + width)
    check(rows, after, reach)
    if np.isfinite(rows[0, column]):
        assert after[boundary, column] == np.float32(row)
    else:
        np.testing.assert_array_equal(after, rows)
    # no layer goes or comes by being pushed
    np.testing.assert_array_equal(np.diff(after, axis=0) == 0, np.diff(rows, axis=0) == 0)


@given(_SEEDS, _BOUNDARIES, st.data(), st.sampled_from(["none", "edges", "model"]))
def test_a_stroke_replaces_what_lies_between_its_ends(
    seed: int, boundary: int, data: st.DataObject, kind: str
) -> None:
    rng = np.random.default_rng(seed)
    rows = draw_rows(rng)
    place = st.tuples(st.floats(0, WIDTH - 1, width=32), _ROWS)
    places = data.draw(st.lists(place, min_size=1, max_size=6))
    after = draw_boundary(rows, boundary, places, make_clues(kind, rows, boundary, rng))
    columns = [round(column) for column, _ in places]
    first, last = min(columns), max(columns)
    check(rows, after, slice(max(first - JOIN + 1, 0), last + JOIN))
    if kind == "none" and len(places) == 1 and np.isfinite(rows[0, first]):
        assert after[boundary, first] == pytest.approx(places[0][1], abs=1e-3)


def test_a_stroke_is_followed_exactly_and_runs_out_beside_it() -> None:
    rows = np.repeat(np.array([[20], [40], [60]], np.float32), WIDTH, axis=1)
    after = draw_boundary(rows, 1, [(50, 45), (70, 47), (60, 44)])
    np.testing.assert_allclose(after[1, 50:60], np.linspace(45, 47, 21)[:10], atol=1e-4)
    np.testing.assert_allclose(after[1, 60:71], np.linspace(44, 47, 11), atol=1e-4)
    assert (np.abs(np.diff(after[1])) < 2).all()
    assert (after[1, : 50 - JOIN] == 40).all()
    assert (after[[0, 2]] == rows[[0, 2]]).all()


@pytest.mark.parametrize("whole", [True, False])
def test_exact_evidence_gives_the_true_boundary(rng: np.random.Generator, whole: bool) -> None:
    for _ in range(20):
        true = draw_rows(rng, absent=0)
        boundary = int(rng.integers(0, N_LAYERS + 1))
        column = int(rng.choice(np.flatnonzero(np.isfinite(true[0]))))
        shifted = true.copy()
        shifted[boundary] += np.float32(rng.choice([-2, 2]))
        shifted = np.maximum.accumulate(shifted, axis=0)
        width = 2 * WIDTH if whole else 60
        drag = Drag(boundary, column, float(true[boundary, column]), width)
        after = drag_boundary(shifted, drag, Clues(gain=point_at(true[boundary])))
        # where it runs back to what is out of reach it cannot be right
        reach = np.abs(np.arange(WIDTH) - column) < (WIDTH if whole else 40)
        run = np.isfinite(true[0])
        gap = np.flatnonzero(~run)
        if gap.size:
            run &= (np.arange(WIDTH) > gap[-1]) == (column > gap[-1])
        error = np.abs(after[boundary] - true[boundary])[reach & run]
        before = np.abs(shifted[boundary] - true[boundary])[reach & run]
        assert error.mean() < 0.15
        assert error.max() < 2
        assert error.mean() < before.mean() / 8


def test_edges_alone_bring_a_boundary_nearer(rng: np.random.Generator) -> None:
    errors = []
    for _ in range(20):
        x = np.linspace(0, 3, WIDTH)
        true = (20 + 16 * np.arange(5)[:, np.newaxis] + 5 * np.sin(x)).astype(np.float32)
        edges = find_edges(draw_bscan(true, rng))
        rows = true.copy()
        rows[2] += 3
        drag = Drag(2, 80, float(true[2, 80]) + float(rng.normal(0, 0.3)), 100)
        found = [drag_boundary(rows, drag, clues)[2] for clues in (None, Clues(edges=edges))]
        errors.append([np.abs(one - true[2])[20:140].mean() for one in found])
    smooth, snapped = np.mean(errors, axis=0)
    assert snapped < 0.7
    assert snapped < 0.75 * smooth


@given(_SEEDS, _BOUNDARIES, st.sampled_from([-7.5, -0.5, 0.5, 30.0]))
def test_a_whole_boundary_is_lifted_or_lowered(seed: int, boundary: int, by: float) -> None:
    rows = draw_rows(np.random.default_rng(seed))
    after = lift_boundary(rows, boundary, by)
    check(rows, after, slice(None))
    np.testing.assert_allclose(after[boundary], rows[boundary] - np.float32(by))
    assert count_absent(after) == count_absent(rows)


@given(_SEEDS, _LAYERS, _COLUMNS, _WIDTHS)
def test_a_layer_is_absent_and_comes_back(seed: int, layer: int, column: int, width: int) -> None:
    rows = draw_rows(np.random.default_rng(seed))
    reach = slice(max(column - width + 1, 0), column + width)
    gone = remove_layer(rows, layer, column, width)
    check(rows, gone, reach)
    if np.isnan(rows[0, column]):
        return
    assert layer in find_absent(gone, column)
    assert count_absent(gone) >= count_absent(rows)
    back = restore_layer(gone, layer, column, width)
    check(gone, back, reach)
    assert layer not in find_absent(back, column)
    others = [k for k in range(N_LAYERS) if k != layer]
    np.testing.assert_array_equal(
        (np.diff(back, axis=0) == 0)[others], (np.diff(gone, axis=0) == 0)[others]
    )
    np.testing.assert_array_equal(restore_layer(back, layer, column, width), back)


def test_a_layer_that_comes_back_is_as_thick_as_beside() -> None:
    rows = np.repeat(np.array([[20], [40], [52], [80]], np.float32), WIDTH, axis=1)
    rows[:, 80:] += np.array([[0], [0], [8], [8]], np.float32)
    gone = remove_layer(rows, 1, 80, 40)
    assert (gone[2] == gone[1])[60:100].all()
    back = restore_layer(gone, 1, 80, 40)
    assert np.diff(back, axis=0)[1, 80] == pytest.approx(16, abs=1)
    assert np.diff(back, axis=0)[1].min() > 8


@pytest.mark.parametrize(
    "edit",
    [
        lambda rows: drag_boundary(rows, Drag(0, WIDTH, 3, 10)),
        lambda rows: draw_boundary(rows, 0, [(WIDTH + 5, 3)]),
        lambda rows: remove_layer(rows, 0, -1, 10),
        lambda rows: restore_layer(rows, 0, WIDTH, 10),
    ],
)
def test_outside_of_the_bscan_nothing_happens(
    rng: np.random.Generator, edit: Callable[[Rows], Rows]
) -> None:
    rows = draw_rows(rng)
    np.testing.assert_array_equal(edit(rows), rows)

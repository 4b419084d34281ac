"""Smooth curves draw the labels that they were made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_retseg.decode.curves import make_curves, redraw
from napari_retseg.decode.editing import lift_boundary
from napari_retseg.layers import boundaries_of_labels, labels_of_boundaries
from tests.decode.retinas import DEPTH, draw_rows
from tests.layers.anatomies import LAYERS, draw_anatomies

ORDER = (1, 2, 3, 4)


def test_curves_of_random_anatomies_draw_the_same_labels(rng: np.random.Generator) -> None:
    for labels in draw_anatomies(rng, 300):
        found = boundaries_of_labels(labels, LAYERS)
        curves = make_curves(found, depth=len(labels))
        again = labels_of_boundaries(curves, LAYERS, depth=len(labels), rest=found.rest)
        np.testing.assert_array_equal(again, labels)
        known = np.isfinite(curves[0])
        assert (np.diff(curves[:, known], axis=0) >= 0).all()
        absent = np.diff(found.rows, axis=0) == 0
        assert (np.diff(curves, axis=0)[absent] == 0).all()


def test_curves_are_nearer_to_the_truth_than_the_steps(rng: np.random.Generator) -> None:
    x = np.linspace(0, 3, 400)
    true = (40 + 10 * np.sin(x + np.arange(5)[:, np.newaxis] * 0.3)).astype(np.float32)
    true += 15 * np.arange(5, dtype=np.float32)[:, np.newaxis]
    found = boundaries_of_labels(labels_of_boundaries(true, ORDER, depth=DEPTH), ORDER)
    curves = make_curves(found, depth=DEPTH)
    assert np.abs(curves - true).max() <= 1
    assert np.abs(curves - true).mean() < 0.7 * np.abs(found.rows + 0.5 - true).mean()


def test_a_boundary_goes_straight_on_behind_fluid() -> None:
    rows = np.repeat(np.array([[10], [40], [70], [80], [90]], np.float32), 200, axis=1)
    labels = labels_of_boundaries(rows, ORDER, depth=DEPTH)
    labels[30:60, 80:120] = 9
    found = boundaries_of_labels(labels, ORDER)
    assert (found.rows[1, 80:120] == 59).all()
    np.testing.assert_allclose(make_curves(found, depth=DEPTH)[1], 40.5, atol=0.02)


def make_labels(rows: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint8]:
    labels = labels_of_boundaries(rows, ORDER, depth=DEPTH)
    labels[40:60, 30:50], labels[:, 100:104], labels[70:80, 60:70] = 9, 255, 0
    return labels


def test_only_ascans_that_moved_are_drawn_again(rng: np.random.Generator) -> None:
    labels = make_labels(draw_rows(rng), rng)
    labels[5:20, 10] = [4, 1, 2] * 5  # out of order
    found = boundaries_of_labels(labels, ORDER)
    curves = make_curves(found, depth=DEPTH)
    moved = curves.copy()
    moved[:, 20:90] = lift_boundary(curves, 2, 3)[:, 20:90]
    drawn = redraw(labels, curves, moved, ORDER, found.rest)
    changed = (drawn != labels).any(axis=0)
    assert changed.any()
    assert not changed[:20].any()
    assert not changed[90:].any()
    kept = np.isin(labels, (9, 255))
    np.testing.assert_array_equal(drawn[kept], labels[kept])
    np.testing.assert_array_equal(redraw(labels, curves, curves, ORDER, found.rest), labels)

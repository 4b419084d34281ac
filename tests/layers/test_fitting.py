"""Boundaries of disordered A-scans, against all that there can be."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np

from napari_retseg.layers.fitting import NEUTRAL, fit_ordered


def agree(column: list[int], rows: tuple[int, ...]) -> int:
    """Count the pixels of an A-scan that layers between boundaries draw right."""
    n_above = [sum(row < place for row in rows) for place in range(len(column))]
    drawn = [0 if n == len(rows) else n for n in n_above]
    return sum(a == b for a, b in zip(drawn, column, strict=True))


def test_no_other_boundaries_agree_with_more_pixels(rng: np.random.Generator) -> None:
    depth, n_layers = 7, 3
    places = rng.choice([0, 1, 2, 3, int(NEUTRAL)], (depth, 200)).astype(np.uint8)
    found = fit_ordered(places, n_layers)
    assert found.shape == (n_layers + 1, 200)
    every = list(combinations_with_replacement(range(-1, depth), n_layers + 1))
    for column, rows in zip(places.T.tolist(), found.T.tolist(), strict=True):
        own = tuple(int(row) for row in rows)
        assert own in every
        assert agree(column, own) == max(agree(column, one) for one in every)


def test_a_speck_in_the_vitreous_does_not_pull_the_retina_up() -> None:
    column = np.array([0, 3, 3, 0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 3, 0], np.uint8)
    found = fit_ordered(column[:, np.newaxis], 3)
    assert found[:, 0].tolist() == [5, 7, 10, 13]

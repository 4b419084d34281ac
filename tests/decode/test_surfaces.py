"""Surfaces from probabilities: exact where these are, and possible whatever they are."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from napari_retseg.decode.surfaces import find_surfaces

DEPTH, WIDTH = 60, 40
ORDER = [1, 2, 3]
FLUID = 4


def cover(rows: NDArray[np.floating], depth: int = DEPTH) -> NDArray[np.float32]:
    """Share of each pixel that each class covers, between boundaries ``(4, width)``."""
    at = np.arange(depth)[:, None]
    above = np.clip(rows[:, None] - at + 0.5, 0, 1)
    parts = [above[0], *(b - a for a, b in itertools.pairwise(above)), 1 - above[-1]]
    background = parts[0] + parts[-1]
    return np.array([background, *parts[1:-1], np.zeros_like(background)], np.float32)


def draw_rows(rng: np.random.Generator) -> NDArray[np.float64]:
    """Four smooth boundaries; the second layer is absent in places."""
    x = np.linspace(0, 3, WIDTH)
    top = 20 + 4 * np.sin(x + rng.uniform(0, 6)) + rng.uniform(-3, 3)
    second = np.clip(3 * np.sin(2 * x + rng.uniform(0, 6)), 0, None)
    return np.stack([top, top + rng.uniform(3, 6), top + 7 + second, top + 16 + x])


def test_exact_probabilities_give_sub_pixel_rows(rng: np.random.Generator) -> None:
    for _ in range(20):
        rows = draw_rows(rng)
        rows[1] = np.minimum(rows[1], rows[2])
        found = find_surfaces(cover(rows), ORDER)
        assert np.abs(found.rows - rows).max() < 0.1
        assert not found.doubtful.any()


def best_of_an_ascan(probabilities: NDArray[np.float32]) -> float:
    """Highest log-probability of an ordered labelling, by trying all."""
    logs = np.log(probabilities[:4])
    best = -np.inf
    for cuts in itertools.combinations_with_replacement(range(len(logs[0]) + 1), 4):
        edges = [0, *cuts, len(logs[0])]
        states = (0, 1, 2, 3, 0)
        pieces = zip(states, itertools.pairwise(edges), strict=True)
        best = max(best, sum(float(logs[s, a:b].sum()) for s, (a, b) in pieces))
    return best


def test_a_single_ascan_is_labelled_as_probable_as_can_be(rng: np.random.Generator) -> None:
    for _ in range(10):
        shares = rng.dirichlet(np.ones(4), 8).T[..., None]
        shares = np.maximum(shares, 0.01)
        shares[0] *= 0.3  # so that there is a retina
        shares = np.concatenate([shares / shares.sum(axis=0), np.zeros((1, 8, 1))])
        probabilities = shares.astype(np.float32)
        rows = find_surfaces(probabilities, ORDER).rows[:, 0]
        # sub-pixel rows lie less than a pixel from the cut that they refine
        near = [range(max(0, int(r)), min(8, int(r) + 2) + 1) for r in np.floor(rows)]
        logs = np.log(probabilities[:4, :, 0])
        totals = [
            sum(
                float(logs[s, a:b].sum())
                for s, (a, b) in zip(
                    (0, 1, 2, 3, 0), itertools.pairwise([0, *cuts, 8]), strict=True
                )
            )
            for cuts in itertools.product(*near)
            if list(cuts) == sorted(cuts)
        ]
        assert max(totals) == pytest.approx(best_of_an_ascan(probabilities[..., 0]), abs=1e-4)


def test_surfaces_are_ordered_whatever_the_probabilities(rng: np.random.Generator) -> None:
    for _ in range(10):
        probabilities = rng.dirichlet(np.full(5, 0.3), (DEPTH, WIDTH)).astype(np.float32)
        rows = find_surfaces(np.moveaxis(probabilities, -1, 0).copy(), ORDER).rows
        known = rows[:, np.isfinite(rows).all(axis=0)]
        assert (np.diff(known, axis=0) >= 0).all()
        assert known.size == 0 or (known.min() >= -0.5 and known.max() <= DEPTH - 0.5)
        assert (np.isnan(rows).all(axis=0) | np.isfinite(rows).all(axis=0)).all()


def test_specks_in_the_vitreous_and_the_choroid_lose(rng: np.random.Generator) -> None:
    rows = draw_rows(rng)
    probabilities = cover(rows)
    for top, layer in ((2, 1), (3, 3), (50, 2)):
        probabilities[:, top : top + 6, 8:30] = 0.1
        probabilities[layer, top : top + 6, 8:30] = 0.6
    found = find_surfaces(probabilities, ORDER)
    assert np.abs(found.rows - rows).max() < 0.1


def test_fluid_has_no_say_in_where_the_layers_are(rng: np.random.Generator) -> None:
    rows = draw_rows(rng)
    probabilities = cover(rows)
    at, column = np.mgrid[:DEPTH, :WIDTH]
    pocket = (at > rows[0] + 2) & (at < rows[3] - 2) & (column > 14) & (column < 25)
    probabilities[:, pocket] = 0
    probabilities[0, pocket], probabilities[FLUID, pocket] = 0.4, 0.6
    found = find_surfaces(probabilities, ORDER).rows
    assert np.abs(found[[0, 3]] - rows[[0, 3]]).max() < 0.1
    assert np.isfinite(found).all()


def test_a_gap_in_the_evidence_is_bridged_and_doubted(rng: np.random.Generator) -> None:
    rows = draw_rows(rng)
    probabilities = cover(rows)
    probabilities[:4, :, 18:24], probabilities[FLUID, :, 18:24] = 0.25, 0
    found = find_surfaces(probabilities, ORDER)
    assert np.isfinite(found.rows).all()
    assert found.doubtful[18:24].all()
    assert not found.doubtful[:12].any()
    assert not found.doubtful[30:].any()
    assert np.abs(found.rows - rows).max() < 4


def test_ascans_without_a_retina_have_no_surfaces(rng: np.random.Generator) -> None:
    rows = draw_rows(rng)
    probabilities = cover(rows)
    probabilities[:, :, 30:], probabilities[0, :, 30:] = 0.01, 0.96
    found = find_surfaces(probabilities, ORDER)
    assert np.isnan(found.rows[:, 31:]).all()
    assert np.isfinite(found.rows[:, :29]).all()
    assert not found.doubtful[31:].any()
    empty = find_surfaces(np.full_like(probabilities, 0.0) + np.eye(5)[0][:, None, None], ORDER)
    assert np.isnan(empty.rows).all()


@pytest.mark.parametrize(("blur", "least", "most"), [(0.001, 0.8, 1.0), (2.0, 0.3, 0.7)])
def test_blurred_evidence_is_smoothed_and_sharp_evidence_hardly(
    rng: np.random.Generator, blur: float, least: float, most: float
) -> None:
    left = []
    for _ in range(10):
        rows = draw_rows(rng)
        rows[1:3] = rows[0] + [[5.0], [10.0]]
        noise = rng.uniform(-0.4, 0.4, rows.shape)
        seen = gaussian_filter1d(cover(rows + noise), blur, axis=1)
        error = find_surfaces(seen, ORDER).rows - rows
        left.append(np.abs(error).mean() / np.abs(noise).mean())
    assert least < np.mean(left) < most

"""Pockets are followed as far as they are seen, and no farther."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.decode.sharederror import FLUID, LAYERS, SIZE, Volume

COLUMN, CONFIRMED = 60, 1


@pytest.fixture(scope="module")
def healthy() -> Volume:
    return Volume.draw(4, n_bscans=6)


@pytest.fixture
def volume(healthy: Volume) -> Volume:
    return Volume(healthy.pixels.copy(), healthy.truth.copy(), healthy.truth.copy())


def darken(volume: Volume, bscan: int, column: int = COLUMN, half: int = 16) -> NDArray[np.bool_]:
    """Make an ellipse in the second layer as dark as the vitreous."""
    above = volume.truth[bscan, :, column] == LAYERS[1]
    row = np.flatnonzero(above).mean()
    y, x = np.ogrid[: SIZE[0], : SIZE[1]]
    spot: NDArray[np.bool_] = ((y - row) / 8) ** 2 + ((x - column) / half) ** 2 < 1
    noise = np.random.default_rng(bscan).choice(volume.pixels[bscan, :20].ravel(), int(spot.sum()))
    volume.pixels[bscan][spot] = noise
    return spot


def carry(volume: Volume) -> dict[int, NDArray[np.bool_]]:
    """Confirm one B-scan and return the pockets that are proposed."""
    labels = {CONFIRMED: volume.truth[CONFIRMED]}
    others = [bscan for bscan in range(len(volume.truth)) if bscan != CONFIRMED]
    found = volume.propagation(labels).propose(others)
    return {b: one.labels == FLUID for b, one in found if one is not None and one.n_added}


def test_a_dark_place_beyond_a_bscan_without_the_pocket_is_another_thing(volume: Volume) -> None:
    for bscan in (CONFIRMED, 2, 4):
        volume.truth[bscan][darken(volume, bscan)] = FLUID
    assert set(carry(volume)) == {2}


def test_a_pocket_is_followed_where_it_drifts(volume: Volume) -> None:
    spots = {b: darken(volume, b, COLUMN + 6 * (b - CONFIRMED)) for b in range(CONFIRMED, 6)}
    volume.truth[CONFIRMED][spots[CONFIRMED]] = FLUID
    found = carry(volume)
    assert set(found) == {2, 3, 4, 5}
    for bscan, pocket in found.items():
        shared = (pocket & spots[bscan]).sum()
        assert 2 * shared > 0.8 * (pocket.sum() + spots[bscan].sum())


def test_a_place_that_is_half_as_dark_is_not_the_pocket(volume: Volume) -> None:
    volume.truth[CONFIRMED][darken(volume, CONFIRMED)] = FLUID
    tissue = volume.pixels[2].copy()
    spot = darken(volume, 2)
    volume.pixels[2][spot] = 0.55 * tissue[spot]
    assert carry(volume) == {}


def test_the_shadow_of_a_vessel_is_not_followed(volume: Volume) -> None:
    for bscan, plane in enumerate(volume.pixels):
        top = np.flatnonzero(volume.truth[bscan, :, COLUMN] == LAYERS[1])[2]
        plane[top:, COLUMN - 6 : COLUMN + 6] //= 4
    volume.truth[CONFIRMED][darken(volume, CONFIRMED, half=10)] = FLUID
    assert carry(volume) == {}

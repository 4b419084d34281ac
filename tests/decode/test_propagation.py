"""Corrections reach the B-scans that share the error, and no others."""

from __future__ import annotations

import numpy as np
import pytest

from napari_retseg.decode.propagation import Proposal
from tests.decode.sharederror import FLUID, Volume, measure_error

STRETCH = slice(40, 170)
BOUNDARY = 3


@pytest.fixture(scope="module")
def healthy() -> Volume:
    """A volume without fluid."""
    return Volume.draw(4)


@pytest.fixture
def volume(healthy: Volume) -> Volume:
    return Volume(healthy.pixels, healthy.truth, healthy.truth.copy())


def propose(volume: Volume, confirmed: list[int]) -> dict[int, Proposal]:
    labels = {bscan: volume.truth[bscan] for bscan in confirmed}
    others = [bscan for bscan in range(len(volume.truth)) if bscan not in labels]
    found = volume.propagation(labels).propose(others)
    return {bscan: proposal for bscan, proposal in found if proposal is not None}


def test_an_error_that_neighbours_share_is_mended(volume: Volume) -> None:
    for bscan in range(2, 7):
        volume.move(bscan, BOUNDARY, 7, STRETCH)
    proposals = propose(volume, [3, 6])
    assert set(proposals) == {2, 4, 5}
    for bscan, proposal in proposals.items():
        before = measure_error(volume.prediction[bscan], volume.truth[bscan], BOUNDARY)
        after = measure_error(proposal.labels, volume.truth[bscan], BOUNDARY)
        assert before > 2
        assert after < 0.25 * before
        moved = {one.boundary: one for one in proposal.moved}[BOUNDARY]
        assert moved.mean_px == pytest.approx(6, abs=1.5)
        assert 0.2 < moved.share < 0.6
    assert proposals[4].sources == (3, 6)


def test_right_bscans_stay_between_corrected_ones(volume: Volume) -> None:
    for bscan in (3, 6):
        volume.move(bscan, BOUNDARY, 7, STRETCH)
    assert propose(volume, [3, 6]) == {}


def test_an_error_that_is_mended_by_now_still_tells_of_its_neighbours(volume: Volume) -> None:
    for bscan in range(2, 7):
        volume.move(bscan, BOUNDARY, 7, STRETCH)
    volume.current = volume.prediction.copy()
    volume.current[6] = volume.truth[6]
    proposals = propose(volume, [6])
    assert {4, 5} <= set(proposals)
    assert measure_error(proposals[5].labels, volume.truth[5], BOUNDARY) < 0.5
    for bscan, proposal in proposals.items():
        volume.current[bscan] = proposal.labels
    assert propose(volume, [6]) == {}


def test_what_was_mended_before_stays(volume: Volume) -> None:
    for bscan in range(2, 7):
        volume.move(bscan, BOUNDARY, 7, STRETCH)
    volume.current = volume.truth.copy()
    assert propose(volume, [8]) == {}


def test_without_a_correction_nothing_changes(volume: Volume) -> None:
    for bscan in (2, 4, 5):
        volume.move(bscan, BOUNDARY, 7, STRETCH)
    assert propose(volume, [3, 6]) == {}


def test_nothing_is_carried_out_of_reach(volume: Volume) -> None:
    for bscan in range(9):
        volume.move(bscan, BOUNDARY, 7, STRETCH)
    assert set(propose(volume, [0])) <= {1, 2, 3, 4, 5}
    assert 1 in propose(volume, [0])


def test_nothing_is_carried_onto_a_picture_that_shows_nothing(volume: Volume) -> None:
    for bscan in range(2, 7):
        volume.move(bscan, BOUNDARY, 7, STRETCH)
    pixels = volume.pixels.copy()
    pixels[4] = np.random.default_rng(0).integers(0, 255, pixels[4].shape)
    blind = Volume(pixels, volume.truth, volume.prediction)
    assert set(propose(blind, [3, 6])) == {2, 5}


def test_what_is_not_annotated_has_no_say(volume: Volume) -> None:
    for bscan in range(2, 7):
        volume.move(bscan, BOUNDARY, 7, STRETCH)
    labels = {3: volume.truth[3].copy()}
    labels[3][:, STRETCH] = 255
    assert all(found is None for _, found in volume.propagation(labels).propose([2, 4]))


def test_a_missed_pocket_is_added_where_it_is_seen() -> None:
    volume, confirmed = Volume.draw(16), 6
    for bscan, plane in enumerate(volume.truth):
        # as a network does that knows no fluid: the layer above goes on
        layers = volume.propagation({}).layers
        above = np.maximum.accumulate(np.where(np.isin(plane, layers), plane, 0), axis=0)
        volume.prediction[bscan] = np.where(plane == FLUID, above, plane)
    proposals = propose(volume, [confirmed])
    assert {5, 7} <= set(proposals)
    for bscan in (5, 7):
        found, there = proposals[bscan].labels == FLUID, volume.truth[bscan] == FLUID
        assert proposals[bscan].n_added >= 1
        assert 2 * (found & there).sum() / (found.sum() + there.sum()) > 0.5
        assert (found & there).sum() > 0.9 * found.sum()


def test_an_invented_pocket_is_taken_out(volume: Volume) -> None:
    rows = np.argmax(volume.truth == 5, axis=1)
    for bscan in range(3, 7):
        for column in range(100, 130):
            top = rows[bscan, column] + 4
            volume.prediction[bscan, top : top + 9, column] = FLUID
    proposals = propose(volume, [5])
    assert {4, 6} <= set(proposals)
    for bscan in (4, 6):
        assert proposals[bscan].n_removed == 1
        assert np.array_equal(proposals[bscan].labels, volume.truth[bscan])

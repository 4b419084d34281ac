"""Distances of B-scans come from their places, from the spacing, or from their numbers."""

from __future__ import annotations

import numpy as np
import pytest

from napari_retseg.acquisition import Acquisition
from napari_retseg.decode.distances import REACH_BSCANS, REACH_UM, measure_distances
from napari_retseg.scan import Axis, OctScan

PIXELS = np.zeros((3, 8, 16), np.uint8)
AXES: tuple[Axis, ...] = ("bscan", "depth", "width")


def test_from_the_spacing() -> None:
    scan = OctScan(PIXELS, AXES, spacing_um=(120.0, 3.9, 11.0))
    assert measure_distances(scan)[0, 2] == pytest.approx(240 / REACH_UM)


def test_from_the_numbers_where_nothing_is_known() -> None:
    assert measure_distances(OctScan(PIXELS, AXES))[2, 0] == pytest.approx(2 / REACH_BSCANS)


def test_from_the_places_where_they_are_uneven() -> None:
    places = ((0.0, 0.0, 6.0, 0.0), (0.0, 0.1, 6.0, 0.1), (0.0, 0.6, 6.0, 0.6))
    scan = OctScan(PIXELS, AXES, (120.0, 3.9, 11.0), acquisition=Acquisition(positions_mm=places))
    found = measure_distances(scan)
    assert found[0, 1] == pytest.approx(100 / REACH_UM)
    assert found[1, 2] == pytest.approx(500 / REACH_UM)
    assert np.allclose(found, found.T)


def test_bscans_of_a_star_are_far_apart_at_their_ends() -> None:
    places = ((-3.0, 0.0, 3.0, 0.0), (0.0, -3.0, 0.0, 3.0), (3.0, 0.0, -3.0, 0.0))
    scan = OctScan(PIXELS, AXES, acquisition=Acquisition(positions_mm=places))
    assert measure_distances(scan)[0, 1] == pytest.approx(np.hypot(3, 3) * 1000 / REACH_UM)


def test_a_single_bscan_has_no_neighbours() -> None:
    assert measure_distances(OctScan(PIXELS[0], AXES[1:])).tolist() == [[0.0]]

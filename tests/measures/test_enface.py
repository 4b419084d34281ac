"""Where the A-scans of a scan lie."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_retseg.measures import lay_out
from tests.measures.eyes import find_grid, make_scan, place_bscans


def test_places_and_numbers_go_together() -> None:
    for turn in range(8):
        places = place_bscans(n_bscans=9, between_mm=0.25, length_mm=2, turn=turn)
        grid = find_grid(make_scan((9, 8, 40), (250, 4, 50), places=places))
        at = grid.place_of(2, 30)
        assert at is not None
        np.testing.assert_allclose(grid.places_mm()[:, 2, 30], at)
        assert grid.find_ascan(at) == (2, 30)
        assert grid.contains(at)
        assert not grid.contains((9, 9))
        assert grid.place_of(9, 30) is None
        assert grid.place_of(2, 39.5) is None
        assert grid.between_um == pytest.approx(250)
        assert grid.lateral_mm == pytest.approx(0.05)
        assert grid.area_mm2.sum() * 40 == pytest.approx(9 * 0.25 * 2)
        assert not grid.notes
        # the outer ends of the first and last A-scan are those of the B-scan
        first = grid.places_mm()[:, 0, 0] - grid.step_mm / 2
        np.testing.assert_allclose(first, places[0][:2], atol=1e-12)


def test_cells_reach_half_way_and_no_farther_than_a_gap() -> None:
    heights = (0.0, 0.1, 0.2, 0.5, 0.55, 0.65)
    places = tuple((0.0, h, 3.0, h) for h in heights)
    grid = find_grid(make_scan((6, 8, 30), (None, 4, 100), places=places))
    reach = grid.reach_mm
    across = grid.normal[1]
    assert across == 1
    np.testing.assert_allclose(
        reach,
        [[0.05, 0.05], [0.05, 0.05], [0.05, 0.05], [0.05, 0.025], [0.025, 0.05], [0.05, 0.05]],
    )


def test_without_positions_the_order_is_assumed_and_said() -> None:
    grid = find_grid(make_scan((5, 8, 20), (200, 4, 50)))
    x, y = grid.places_mm()
    assert (np.diff(y[:, 0]) < 0).all()  # from inferior to superior; y points down
    assert (np.diff(x[0]) > 0).all()
    assert "order of B-scans and A-scans is unknown" in grid.notes[0]


def test_a_pixel_size_of_the_user_comes_before_the_positions() -> None:
    places = place_bscans(n_bscans=5, between_mm=0.25, length_mm=2)
    scan = make_scan((5, 8, 40), (250, 4, 50), places=places)
    grid = find_grid(scan.with_spacing((500, 4, 25)))
    assert grid.between_um == pytest.approx(500)
    assert grid.lateral_mm == pytest.approx(0.025)
    np.testing.assert_allclose(grid.centre_mm, (4, 4))
    assert (np.diff(grid.middles_mm[:, 1]) > 0).all()


def test_no_grid() -> None:
    scan = make_scan((5, 8, 40), (250, 4, 50))
    assert lay_out(replace(scan, spacing_um=(None, 4, 50))) is None
    assert lay_out(replace(scan, spacing_um=(250, 4, None))) is None
    assert lay_out(replace(scan, scan_pattern="radial")) is None
    assert lay_out(make_scan((1, 8, 40), (250, 4, 50))) is None
    star = tuple((np.cos(a), np.sin(a), -np.cos(a), -np.sin(a)) for a in np.arange(5) * 0.6)
    assert lay_out(make_scan((5, 8, 40), (250, 4, 50), places=star)) is None
    same = ((0.0, 0.0, 2.0, 0.0),) * 5
    assert lay_out(make_scan((5, 8, 40), (250, 4, 50), places=same)) is None

"""Fluid: phantoms of known size."""

from __future__ import annotations

import numpy as np
import pytest

from napari_retseg.measures import find_fluid, make_etdrs, measure_fluid
from napari_retseg.measures.fluid import measure_distance
from tests.measures.eyes import find_grid, make_scan, place_bscans

AXIAL_UM = 4.0


def draw_sphere(radius_um: float, between_um: float) -> tuple[np.ndarray, np.ndarray]:
    """Labels of a sphere in the middle of a field of 3 mm, and of A-scans 10 um apart."""
    n_bscans = round(3000 / between_um)
    y = (np.arange(n_bscans) - (n_bscans - 1) / 2) * between_um
    x = (np.arange(300) - 149.5) * 10
    z = (np.arange(200) - 99.5) * AXIAL_UM
    away = y[:, None, None] ** 2 + z[None, :, None] ** 2 + x[None, None, :] ** 2
    labels = np.where(away <= radius_um**2, np.uint8(8), np.uint8(0))
    return labels, y


@pytest.mark.parametrize(
    ("radius_um", "between_um", "tolerance"),
    [(300.0, 10.0, 0.002), (300.0, 60.0, 0.01), (300.0, 125.0, 0.03), (150.0, 30.0, 0.01)],
)
def test_a_sphere(radius_um: float, between_um: float, tolerance: float) -> None:
    labels, y = draw_sphere(radius_um, between_um)
    places = place_bscans(n_bscans=len(y), between_mm=between_um / 1000, length_mm=3)
    grid = find_grid(make_scan(labels.shape, (1, AXIAL_UM, 10), places=places))
    fluid = find_fluid(labels, [8])
    found = measure_fluid(fluid, grid, AXIAL_UM, make_etdrs(grid, (4, 4), "OD"))
    volume_nl = 4 / 3 * np.pi * (radius_um / 1000) ** 3 * 1000
    assert found["scan"].volume_nl == pytest.approx(volume_nl, rel=tolerance)
    assert found["C0"].volume_nl == pytest.approx(found["scan"].volume_nl, rel=1e-5)
    assert found["N2"].volume_nl == 0
    area = np.pi * (radius_um / 1000) ** 2
    assert found["scan"].area_mm2 == pytest.approx(area, rel=4 * tolerance)
    # the B-scan that is nearest to the middle may miss it
    height_um = 2 * np.sqrt(radius_um**2 - np.abs(y).min() ** 2)
    assert fluid.highest_px * AXIAL_UM == pytest.approx(height_um, abs=1.5 * AXIAL_UM)
    assert fluid.sum_pockets(grid.area_mm2 * AXIAL_UM) == [
        pytest.approx(found["scan"].volume_nl, rel=1e-6)
    ]


def test_pockets_apart_and_their_sectors() -> None:
    labels = np.zeros((61, 60, 600), np.uint8)
    labels[30, 10:20, 300:310] = 8
    labels[31, 15:25, 305:315] = 8  # the same pocket, in the next B-scan
    labels[30, 40:50, 300:310] = 8  # below it
    labels[10, 10:14, 300:302] = 8
    places = place_bscans(n_bscans=61, between_mm=0.1, length_mm=6)
    grid = find_grid(make_scan(labels.shape, (100, AXIAL_UM, 10), places=places))
    fluid = find_fluid(labels, [8])
    sizes = fluid.sum_pockets(grid.area_mm2 * AXIAL_UM)
    voxel = 0.1 * 0.01 * AXIAL_UM  # nl
    assert sizes == [pytest.approx(n * voxel) for n in (200, 100, 8)]
    found = measure_fluid(fluid, grid, AXIAL_UM, make_etdrs(grid, (4, 4), "OD"))
    assert found["C0"].volume_nl == pytest.approx(300 * voxel, rel=1e-5)
    # the first B-scans have the smallest y: they are above
    assert found["S2"].volume_nl == pytest.approx(8 * voxel, rel=1e-5)
    assert found["outer ring"] == found["S2"]
    assert found["scan"].area_mm2 == pytest.approx((15 + 2 + 5) * 0.001)
    assert fluid.highest_px == 10


def test_distance_to_the_fovea() -> None:
    labels = np.zeros((31, 20, 300), np.uint8)
    places = place_bscans(n_bscans=31, between_mm=0.1, length_mm=3)
    grid = find_grid(make_scan(labels.shape, (100, AXIAL_UM, 10), places=places))
    assert measure_distance(find_fluid(labels, [8]), grid, (4, 4)) is None
    labels[15, 5:8, 200] = 8
    fluid = find_fluid(labels, [8])
    # A-scan 200 begins 500 um from the middle
    assert measure_distance(fluid, grid, (4, 4)) == pytest.approx(500, abs=0.1)
    x = 4 + 50.5 * 0.01
    assert measure_distance(fluid, grid, (x, 4.03)) == 0
    assert measure_distance(fluid, grid, (x, 3.0)) == pytest.approx(950, abs=0.1)


def test_a_removed_bscan_takes_what_it_covered() -> None:
    """Its neighbours do not grow into the gap."""
    places = place_bscans(n_bscans=21, between_mm=0.1, length_mm=2)
    labels = np.full((21, 10, 100), 8, np.uint8)
    whole, less = (
        measure_fluid(
            find_fluid(part, [8]),
            find_grid(make_scan(part.shape, (100, AXIAL_UM, 20), places=own)),
            AXIAL_UM,
        )["scan"].volume_nl
        for part, own in ((labels, places), (labels[1:], places[:9] + places[10:]))
    )
    assert less == pytest.approx(whole * 20 / 21, rel=1e-9)

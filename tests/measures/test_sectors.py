"""Sectors against exact truth, other programs, and turned scans."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from eyepy.core.grids import grid as make_eyepy_grid

from napari_retseg.measures import make_etdrs
from napari_retseg.measures.sectors import DIAMETERS_MM, SectorNumbers
from napari_retseg.scan import Laterality
from tests.measures.eyes import find_grid, make_scan, place_bscans, sample, simulate_rows

CENTRE = (4.1, 3.9)
NINE = ("C0", "S1", "N1", "I1", "T1", "S2", "N2", "I2", "T2")


def thickness(x: Any, y: Any) -> Any:
    """A pit, thicker below and to the right."""
    right, down = x - CENTRE[0], y - CENTRE[1]
    return 320 + 12 * right + 7 * down - 90 * np.exp(-(right**2 + down**2) / 0.4**2)


def find_truth(eye: Laterality) -> dict[str, float]:
    """Means by brute force, on points 4 um apart."""
    places = np.arange(-3, 3, 0.004) + 0.002
    right, down = np.meshgrid(places, places)
    radius, angle = np.hypot(right, down), np.degrees(np.arctan2(-down, right))
    values = thickness(right + CENTRE[0], down + CENTRE[1])
    right_side, left_side = ("N", "T") if eye == "OD" else ("T", "N")
    sides = {
        "S": (angle >= 45) & (angle < 135),
        "I": (angle >= -135) & (angle < -45),
        right_side: np.abs(angle) < 45,
        left_side: np.abs(angle) >= 135,
    }
    found = {"C0": values[radius < 0.5].mean()}
    for ring, (inner, outer) in enumerate(((0.5, 1.5), (1.5, 3.0)), start=1):
        for side, there in sides.items():
            found[f"{side}{ring}"] = values[there & (radius >= inner) & (radius < outer)].mean()
    return found


@pytest.mark.parametrize("eye", ["OD", "OS"])
@pytest.mark.parametrize("turn", range(8))
@pytest.mark.parametrize("between_mm", [0.06, 0.24])
def test_means_in_all_orientations(turn: int, eye: Laterality, between_mm: float) -> None:
    n_bscans = round(6.6 / between_mm)
    places = place_bscans(n_bscans=n_bscans, between_mm=between_mm, length_mm=6.6, turn=turn)
    grid = find_grid(make_scan((n_bscans, 8, 512), (1, 4, 12.9), places=places, eye=eye))
    sectors = make_etdrs(grid, CENTRE, eye)
    found = sectors.measure(sample(grid, thickness))
    truth = find_truth(eye)
    assert set(truth) == set(NINE)
    areas = dict(zip(sectors.names, sectors.areas_mm2, strict=True))
    for name, mean in truth.items():
        assert found[name].mean == pytest.approx(mean, abs=0.25), name
        assert found[name].valid == pytest.approx(1, abs=2e-3)
        # of the volume
        assert found[name].integral == pytest.approx(mean * areas[name], rel=0.005), name


def test_a_turned_volume_has_the_same_numbers() -> None:
    """Reversing what lies where changes nothing: not one digit."""
    numbers: list[dict[str, SectorNumbers]] = []
    rng = np.random.default_rng(3)
    values = (300 + rng.normal(0, 20, (31, 200))).astype(np.float32)
    for turn in range(4):
        places = place_bscans(n_bscans=31, between_mm=0.2, length_mm=6.2, turn=turn)
        grid = find_grid(make_scan((31, 8, 200), (1, 4, 31), places=places))
        flipped = values[:: -1 if turn & 1 else 1, :: -1 if turn & 2 else 1]
        numbers.append(make_etdrs(grid, CENTRE, "OD").measure(flipped))
    for others in numbers[1:]:
        for name, own in others.items():
            assert own.mean == pytest.approx(numbers[0][name].mean, rel=1e-5)
            assert own.deviation == pytest.approx(numbers[0][name].deviation, rel=1e-4)


def test_a_slab_has_the_volume_of_a_cylinder() -> None:
    places = place_bscans(n_bscans=101, between_mm=0.07, length_mm=7)
    grid = find_grid(make_scan((101, 8, 700), (70, 4, 10), places=places))
    sectors = make_etdrs(grid, CENTRE, "OD")
    found = sectors.measure(np.full(grid.shape, 250, np.float32))
    for name, area in zip(sectors.names, sectors.areas_mm2, strict=True):
        assert found[name].mean == pytest.approx(250, abs=1e-3)
        assert found[name].deviation == pytest.approx(0, abs=1e-2)
        volume = found[name].integral
        assert volume == pytest.approx(250 * area, rel=2e-3), name
    assert sum(sectors.areas_mm2[:9]) == pytest.approx(np.pi * (DIAMETERS_MM[2] / 2) ** 2)
    assert found["grid"].valid == pytest.approx(1, abs=1e-3)


def test_a_wedge_has_opposite_means() -> None:
    """It rises by 20 um a mm: the mean of a sector is its height at the centroid."""
    places = place_bscans(n_bscans=61, between_mm=0.12, length_mm=7.2)
    grid = find_grid(make_scan((61, 8, 600), (120, 4, 12), places=places))
    found = make_etdrs(grid, CENTRE, "OD").measure(
        sample(grid, lambda x, y: 300 + 20 * (x - CENTRE[0]) + 0 * y)
    )
    inner, outer = 0.5, 1.5
    centroid = 2 / 3 * (outer**3 - inner**3) / (outer**2 - inner**2) * np.sin(np.pi / 4)
    centroid /= np.pi / 4
    assert found["N1"].mean == pytest.approx(300 + 20 * centroid, abs=0.1)
    assert found["T1"].mean == pytest.approx(300 - 20 * centroid, abs=0.1)
    assert found["S1"].mean == pytest.approx(300, abs=0.05)
    assert found["N1"].greatest == pytest.approx(330, abs=0.3)


@pytest.mark.parametrize("eye", ["OD", "OS"])
def test_means_are_those_of_eyepy(eye: Laterality) -> None:
    """On a map of 10 um pixels, which both use as it is."""
    size = 700
    places = place_bscans(
        n_bscans=size, between_mm=0.01, length_mm=size / 100, middle=(3.495, 3.495)
    )
    grid = find_grid(make_scan((size, 8, size), (10, 4, 10), places=places, eye=eye))
    values = sample(grid, thickness)
    found = make_etdrs(grid, (3.5, 3.5), eye).measure(values)
    masks = make_eyepy_grid(
        (size, size), [50, 150, 300], eye, n_sectors=[1, 4, 4], rotation=[0, 45, 45]
    )
    # counter-clockwise from above on a right eye
    names = ("C0", "S1", "T1", "I1", "N1", "S2", "T2", "I2", "N2")
    for name, mask in zip(names, masks.values(), strict=True):
        theirs = float((mask * values).sum() / mask.sum())
        assert found[name].mean == pytest.approx(theirs, abs=0.5), name


def test_what_is_not_measured_lowers_the_valid_part() -> None:
    places = place_bscans(n_bscans=61, between_mm=0.12, length_mm=7.2)
    grid = find_grid(make_scan((61, 8, 600), (120, 4, 12), places=places))
    values = np.full(grid.shape, 300, np.float32)
    sectors = make_etdrs(grid, CENTRE, None)
    whole = sectors.measure(values)
    gone = 30  # it crosses the centre
    values[gone] = np.nan
    found = sectors.measure(values)
    lost = float(sectors.weights[0, 0, gone].sum())
    assert found["C0"].mean == pytest.approx(300)
    assert found["C0"].integral == pytest.approx((whole["C0"].integral or 0) - 300 * lost, rel=1e-5)
    assert found["C0"].valid == pytest.approx(1 - lost / (np.pi / 4), abs=2e-3)
    values[:] = np.nan
    nothing = sectors.measure(values)["L1"]
    assert nothing == SectorNumbers(None, None, None, None, None, 0.0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("n_bscans", "between_um"), [(49, 125.0), (25, 240.0)])
def test_simulated_eyes_have_their_true_means(seed: int, n_bscans: int, between_um: float) -> None:
    """Truth: the same eye, by B-scans 15 um apart."""
    means = []
    for count, um in ((n_bscans, between_um), (401, 15.0)):
        scan, rows, fovea = simulate_rows(seed, n_bscans=count, between_um=um)
        axial = scan.spacing_um[1] or 0
        sectors = make_etdrs(find_grid(scan), fovea, scan.laterality)
        found = sectors.measure((rows[-1] - rows[0]) * np.float32(axial))
        means.append({name: found[name] for name in NINE})
    for name in NINE:
        if min(means[0][name].valid, means[1][name].valid) > 0.99:
            assert means[0][name].mean == pytest.approx(means[1][name].mean, abs=0.5), name

"""Measures that follow corrections are those of the whole scan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_retseg.classes import IGNORE, RETINA
from napari_retseg.layers import labels_of_boundaries
from napari_retseg.measures import LiveMeasures, Measures, measure_labels
from napari_retseg.scan import OctScan
from tests.measures.eyes import find_grid, simulate_rows


@pytest.fixture(scope="module")
def eye() -> tuple[OctScan, np.ndarray]:
    """A simulated eye with labels of its layers, and a cyst beside the fovea."""
    scan, rows, _ = simulate_rows(4, n_bscans=25, between_um=240.0, width=128)
    edges = np.ceil(rows.swapaxes(0, 1) - 0.5) - 1
    labels = labels_of_boundaries(edges, list(range(1, 8)), depth=scan.spatial_shape[1])
    middle = int(rows[3, 12, 70])
    labels[12, middle - 5 : middle + 5, 66:74] = 8
    return scan, labels


def measure_live(scan: OctScan, labels: np.ndarray) -> LiveMeasures:
    live = LiveMeasures(scan, RETINA)
    for bscan, plane in enumerate(labels.reshape(-1, *labels.shape[-2:])):
        live.update(bscan, plane)
    live.place_grid()
    return live


def check_same(live: LiveMeasures, whole: Measures) -> None:
    """Each number that is measured live is exactly that of the whole scan."""
    assert live.unit == whole.unit
    for name, values in whole.maps.items():
        np.testing.assert_array_equal(live.maps[name], values)
    numbers = [*live.list_thickness(), *live.list_lesions()]
    assert len(numbers) > 20
    for one in numbers:
        found = whole.find(one.measure, one.structure, one.sector)
        assert (one.value, one.unit) == (found.value, found.unit), one


def test_a_volume_and_an_edit_of_one_bscan(eye: tuple[OctScan, np.ndarray]) -> None:
    scan, labels = eye
    live = measure_live(scan, labels)
    check_same(live, measure_labels(labels, RETINA, scan))
    assert "volume" in {one.measure for one in live.list_lesions()}
    edited = labels.copy()
    edited[11] = np.roll(edited[11], 9, axis=1)
    edited[11, 100:120, 30:50] = 8
    live.update(11, edited[11])
    assert live.place_grid()
    check_same(live, measure_labels(edited, RETINA, scan))
    assert not live.place_grid()


def test_a_centre_by_hand_and_back_to_the_fovea(eye: tuple[OctScan, np.ndarray]) -> None:
    scan, labels = eye
    live = measure_live(scan, labels)
    fovea = live.sectors and live.sectors.centre_mm
    place = find_grid(scan).place_of(9.25, 40.5)
    assert live.place_grid(place)
    check_same(live, measure_labels(labels, RETINA, scan, centre=(9.25, 40.5)))
    assert live.place_grid()
    assert live.sectors is not None
    assert live.sectors.centre_mm == fovea


def test_a_place_has_the_numbers_that_lead_to_it(eye: tuple[OctScan, np.ndarray]) -> None:
    grid = find_grid(eye[0])
    for numbers in ((9.25, 40.5), (0.0, 0.0), (24.0, 127.0)):
        place = grid.place_of(*numbers)
        assert place is not None
        assert grid.numbers_of(place) == pytest.approx(numbers)


def test_doubtful_and_open_ascans_are_left_out(eye: tuple[OctScan, np.ndarray]) -> None:
    scan, labels = eye
    is_doubtful = np.zeros((25, 128), bool)
    is_doubtful[12, 60:70] = True
    labels = labels.copy()
    labels[3] = IGNORE
    live = LiveMeasures(scan, RETINA)
    for bscan, plane in enumerate(labels):
        live.update(bscan, plane, is_doubtful[bscan])
    live.place_grid()
    assert np.isnan(live.maps["retina"][3]).all()
    check_same(live, measure_labels(labels, RETINA, scan, is_doubtful=is_doubtful))


def test_without_a_scale_numbers_are_pixels(eye: tuple[OctScan, np.ndarray]) -> None:
    scan, labels = eye
    unscaled = replace(scan, spacing_um=(None, None, None), spacing_source="unknown")
    live = measure_live(unscaled, labels)
    assert (live.unit, live.grid, live.sectors) == ("px", None, None)
    check_same(live, measure_labels(labels, RETINA, unscaled))
    assert any("in pixels" in note for note in live.list_notes(is_by_hand=False))


def test_one_bscan_has_an_area(eye: tuple[OctScan, np.ndarray]) -> None:
    scan, labels = eye
    single = replace(
        scan,
        pixels=np.zeros(labels.shape[1:], np.uint8),
        axes=("depth", "width"),
        spacing_um=scan.spacing_um[1:],
    )
    live = measure_live(single, labels[12])
    check_same(live, measure_labels(labels[12], RETINA, single))
    assert [one.measure for one in live.list_lesions()] == ["area in the B-scan"]

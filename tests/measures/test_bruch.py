"""Bruch's membrane below simulated drusen and detachments."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_retseg.classes import RETINA
from napari_retseg.device_layers import choose_device_classes, label_device_layers
from napari_retseg.layers import labels_of_boundaries
from napari_retseg.measures import LiveMeasures, Measures, measure_labels
from napari_retseg.measures.bruch import RAISED_UM, estimate_bruch
from napari_retseg.measures.elevation import name_bruch
from napari_retseg.scan import BOUNDARIES, OctScan
from napari_retseg.simulate import draw_parameters, make_device_config
from napari_retseg.simulate.scene import Scene
from napari_retseg.simulate.strata import BAND_LABELS, NAMES
from tests.measures.eyes import make_scan, simulate_rows

RPE_END = int(np.flatnonzero(BAND_LABELS == 7)[-1])


def simulate(seed: int, *, drusen: float, detachment: float) -> tuple[np.ndarray, ...]:
    """Rows of the RPE's end as labels have it, and of Bruch's membrane; pixel sizes in um."""
    config = make_device_config("A", size=(496, 512), n_bscans=5, bscan_um=500.0).with_ranges(
        disease={
            **dict.fromkeys(("cysts", "pockets", "subretinal"), 0.0),
            "ill": 1.0,
            "drusen": drusen,
            "drusen_height_um": (60.0, 100.0),
            "detachment": detachment,
        },
        gaze={"through_fovea": 1.0},
    )
    drawn = draw_parameters(config, seed)
    scene = Scene.of(drawn)
    edges = np.stack([scene.view(k).edges_px for k in range(5)], axis=1)
    outer, bruch = edges[RPE_END], edges[NAMES.index("choroid") - 1]
    rough = np.round(outer + np.random.default_rng(seed).normal(0, 0.5, outer.shape))
    return rough, bruch, np.array([drawn.axial_um, drawn.lateral_um])


@pytest.mark.parametrize(("drusen", "detachment"), [(1.0, 0.0), (0.3, 1.0)])
def test_it_lies_below_what_raises_the_rpe(drusen: float, detachment: float) -> None:
    n_raised = 0
    errors = []
    for seed in range(200, 210):
        outer, bruch, (axial_um, lateral_um) = simulate(seed, drusen=drusen, detachment=detachment)
        found = estimate_bruch(outer, axial_um=axial_um, lateral_um=lateral_um)
        truth_um = (bruch - outer) * axial_um
        is_raised = truth_um > 2 * RAISED_UM
        n_raised += int(is_raised.sum())
        errors.append(np.abs((found - bruch) * axial_um))
        if is_raised.any():
            # before: all that is raised was missing
            assert errors[-1][is_raised].mean() < 0.25 * truth_um[is_raised].mean()
    assert n_raised > 300
    # the rows themselves are rough by a third of a pixel and more
    assert np.mean(errors) < 3


def test_a_healthy_rpe_stays_as_it_is() -> None:
    for seed in range(6):
        scan, rows, _ = simulate_rows(seed, n_bscans=9, between_um=500.0)
        _, axial_um, lateral_um = (size or 0.0 for size in scan.spacing_um)
        found = estimate_bruch(rows[-1], axial_um=axial_um, lateral_um=lateral_um)
        np.testing.assert_array_equal(found, rows[-1].astype(np.float32))


def test_what_is_unknown_stays_unknown() -> None:
    outer = np.full((3, 300), 200.0)
    outer[0] = np.nan
    outer[1, 100:180] = np.nan
    outer[2, 140:160] = 190
    found = estimate_bruch(outer, axial_um=4.0, lateral_um=12.0)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(outer))
    assert found[2] == pytest.approx(200, abs=0.2)


def test_elevation_is_measured_and_kept_apart_from_the_labels() -> None:
    rows = np.full((31, 8, 300), 60.0)
    rows += 10 * np.arange(8)[:, None]
    y, x = np.ogrid[:31, :300]
    bump = np.maximum(0, 20 * (1 - ((x - 150) / 30) ** 2 - ((y - 15) / 5) ** 2))
    rows[:, 4:] -= bump[:, None]
    labels = labels_of_boundaries(np.rint(rows).astype(np.float32), list(range(1, 8)), depth=200)
    scan = make_scan((31, 200, 300), (120.0, 4.0, 20.0))
    found = measure_labels(labels, RETINA, scan, centre=(15, 150))
    volume = 0.12 * 0.02 * 4 * bump.sum()
    # its flat margin, less than 12 um high, does not count
    assert found.find("volume", "RPE elevation").value == pytest.approx(volume, rel=0.08)
    assert found.find("pockets", "RPE elevation").value == 1
    assert found.find("height", "RPE elevation").value == pytest.approx(80, abs=5)
    assert found.find("distance to the fovea", "RPE elevation").value == 0
    labelled = found.find("CST", "retina", "C0").value or 0
    whole = found.find("CST", "retina to BM", "C0").value or 0
    assert whole == pytest.approx(280, abs=2)
    assert labelled < 260
    beside = [found.find("mean thickness", name, "S2").value for name in ("retina", "retina to BM")]
    assert beside[0] == beside[1]


def make_device_scan(
    bump: np.ndarray, dip: np.ndarray
) -> tuple[OctScan, np.ndarray, dict[str, np.ndarray]]:
    """A scan with curves of its device: a bump of the RPE, and a Bruch's membrane."""
    bruch = 130.4 + dip
    rows = np.linspace(0, 1, 8)[:, np.newaxis, np.newaxis] * (bruch - 10.4) + 10.4
    curves = {"ILM": rows[0], "BM": bruch, "RPE": bruch - 4 - bump}
    curves = {name: one.astype(np.float32) for name, one in curves.items()}
    scan = make_scan((31, 200, 300), (120.0, 4.0, 20.0), metadata={BOUNDARIES: curves})
    return scan, rows.swapaxes(0, 1), curves


def test_the_devices_own_bruch_is_taken() -> None:
    """It bulges beside the raised RPE, where an estimate would go straight."""
    y, x = np.ogrid[:31, :300]
    bump = np.maximum(0, 15 * (1 - ((x - 150) / 30) ** 2 - ((y - 15) / 5) ** 2))
    dip = -12 * np.exp(-(((x - 240) / 25) ** 2)) + 0 * y
    scan, rows, _ = make_device_scan(bump, dip)
    raised = rows.copy()
    raised[:, 1:] -= bump[:, np.newaxis]
    labels = labels_of_boundaries(np.floor(raised).astype(np.float32), range(1, 8), depth=200)
    found = measure_labels(labels, RETINA, scan, centre=(15, 150))
    own = find_elevation_nl(found)
    bare = measure_labels(labels, RETINA, replace(scan, metadata={}), centre=(15, 150))
    truth = 0.12 * 0.02 * 4 * bump[bump >= RAISED_UM / 4].sum()
    assert own == pytest.approx(truth, rel=0.03)
    assert abs(find_elevation_nl(bare) / truth - 1) > 0.1
    assert name_bruch(scan) == "the device's Bruch's membrane"


def test_the_devices_own_layers_have_the_elevation_of_its_curves() -> None:
    """They end at Bruch's membrane: where the RPE is, its own curve says."""
    y, x = np.ogrid[:31, :300]
    bump = np.maximum(0, 15 * (1 - ((x - 150) / 30) ** 2 - ((y - 15) / 5) ** 2))
    dip = -12 * np.exp(-(((x - 240) / 25) ** 2)) + 0 * y
    scan, _, _ = make_device_scan(bump, dip)
    classes = choose_device_classes(scan)
    assert classes is not None
    assert classes.names[-1] == "retina"
    labels = np.stack([label_device_layers(scan, k, classes) for k in range(31)])
    found = measure_labels(labels, classes, scan, centre=(15, 150))
    truth = 0.12 * 0.02 * 4 * bump[bump >= RAISED_UM / 4].sum()
    assert find_elevation_nl(found) == pytest.approx(truth, rel=0.01)
    assert found.find("height", "RPE elevation").value == pytest.approx(60, abs=0.5)
    live = LiveMeasures(scan, classes)
    for k in range(31):
        live.update(k, labels[k])
    (again,) = (one for one in live.list_lesions() if one.structure == "RPE elevation")
    assert again.value == pytest.approx(find_elevation_nl(found))


def find_elevation_nl(found: Measures) -> float:
    return found.find("volume", "RPE elevation").value or 0.0


def test_no_estimate_where_the_scale_is_unknown() -> None:
    rows = np.full((3, 8, 100), 60, np.float32)
    rows += 10 * np.arange(8)[:, None]
    labels = labels_of_boundaries(rows, list(range(1, 8)), depth=200)
    unknown = make_scan((3, 200, 100), (120.0, 4.0, None))
    assert "retina to BM" not in measure_labels(labels, RETINA, unknown).maps
    known = make_scan((3, 200, 100), (120.0, 4.0, 20.0))
    assert "retina to BM" in measure_labels(labels, RETINA, known).maps


def test_drusen_that_are_not_labelled_count_with_those_that_are() -> None:
    x = np.arange(300)
    bumps = [np.maximum(0, 20 * (1 - ((x - middle) / 30) ** 2)) for middle in (90, 210)]
    rows = np.full((31, 9, 300), 60.0)
    rows += 10 * np.minimum(np.arange(9), 7)[:, None]
    rows[:, 4:8] -= sum(bumps)
    rows[:, 8] -= bumps[1]
    classes = RETINA.from_names([*RETINA.names[1:8], "sub-RPE"])
    labels = labels_of_boundaries(np.rint(rows).astype(np.float32), range(1, 9), depth=200)
    scan = make_scan((31, 200, 300), (120.0, 4.0, 20.0))
    found = measure_labels(labels, classes, scan, centre=(15, 150))
    one_nl = 31 * 0.12 * 0.02 * 4 * bumps[0].sum()
    assert found.find("volume", "sub-RPE").value == pytest.approx(one_nl, rel=0.05)
    assert found.find("volume", "RPE elevation").value == pytest.approx(2 * one_nl, rel=0.08)
    # what is raised by less than 12 um is left
    np.testing.assert_allclose(found.maps["retina to BM"], 280, atol=12)


@pytest.mark.parametrize("shape", ["bent", "pit"])
def test_a_bent_retina_and_a_pit_are_not_taken_for_raised(shape: str) -> None:
    across = np.linspace(-1, 1, 768)
    bent = 120 * across**2 + 30 * across
    row = 300 - bent if shape == "bent" else 200 + 90 * np.exp(-((across / 0.12) ** 4))
    found = estimate_bruch(np.round(row)[np.newaxis], axial_um=3.87, lateral_um=11.0)
    np.testing.assert_allclose(found[0], row, atol=3.2)

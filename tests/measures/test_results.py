"""All numbers of a scan: known and unknown scale, circles, the device's own grid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_retseg.acquisition import Acquisition
from napari_retseg.classes import IGNORE, RETINA, LabelSet
from napari_retseg.errors import InputError
from napari_retseg.io import read_scan
from napari_retseg.io.heidelberg_xml import ETDRS
from napari_retseg.layers import labels_of_boundaries
from napari_retseg.measures import Measures, find_fluid, find_surfaces, measure_labels
from napari_retseg.scan import FUNDUS_UM, OctScan
from tests.conftest import check_line
from tests.measures.eyes import make_scan, place_bscans, simulate_rows

LAYERS = list(range(1, 8))


@pytest.fixture(scope="module")
def eye() -> tuple[OctScan, np.ndarray]:
    """A simulated eye with labels of its layers, and a cyst beside the fovea."""
    scan, rows, _ = simulate_rows(4, n_bscans=25, between_um=240.0, width=256)
    labels = labels_of_boundaries(
        np.ceil(rows.swapaxes(0, 1) - 0.5) - 1, LAYERS, depth=scan.spatial_shape[1]
    )
    middle = int(rows[3, 12, 140])
    labels[12, middle - 5 : middle + 5, 136:144] = 8
    return scan, labels


def list_units(measures: Measures) -> set[str]:
    return {one.unit for one in measures.numbers}


def test_the_numbers_of_a_volume(eye: tuple[OctScan, np.ndarray]) -> None:
    scan, labels = eye
    found = measure_labels(labels, RETINA, scan)
    assert found.eye == scan.laterality
    assert list_units(found) == {"um", "mm2", "mm3", "nl", ""}
    cst = found.find("CST", "retina", "C0")
    assert cst.value == found.find("mean thickness", "retina", "C0").value
    assert cst.value == pytest.approx(270, abs=60)
    assert cst.valid == pytest.approx(1, abs=0.01)
    assert (cst.low, cst.high) == (None, None)
    between, axial, lateral = (size or 0 for size in scan.spacing_um)
    voxel_nl = between * axial * lateral / 1e6
    assert found.find("volume", "fluid").value == pytest.approx(80 * voxel_nl)
    assert found.find("largest pocket", "fluid").value == pytest.approx(80 * voxel_nl)
    assert found.find("height", "fluid").value == pytest.approx(10 * axial)
    assert found.find("pockets", "fluid").value == 1
    assert found.find("doubtful", "fovea").value == 0
    bscan, ascan = (found.find(name, "fovea").value for name in ("B-scan", "A-scan"))
    assert bscan == pytest.approx(12, abs=1)
    assert ascan == pytest.approx(128, abs=12)
    assert set(found.maps) == {
        *RETINA.names[1:8], "GCC", "inner retina", "outer retina", "retina", "retina to BM",
    }  # fmt: skip
    assert any("240 µm apart" in note for note in found.notes)
    assert any("order of B-scans" in note for note in found.notes)
    with pytest.raises(KeyError):
        found.find("CST", "retina", "T9")


def test_volumes_of_the_sectors_add_up(eye: tuple[OctScan, np.ndarray]) -> None:
    scan, labels = eye
    found = measure_labels(labels, RETINA, scan)
    nine = found.sectors.names[:9] if found.sectors else ()
    total = sum(found.find("volume", "retina", name).value or 0 for name in nine)
    assert total == pytest.approx(found.find("volume", "retina", "grid").value, rel=1e-5)
    parts = [found.find("volume", name, "grid").value or 0 for name in RETINA.names[1:8]]
    # a cyst hides where the layers beside it meet
    assert sum(parts) == pytest.approx(total, rel=2e-3)


def test_a_mirrored_eye_has_mirrored_sectors(eye: tuple[OctScan, np.ndarray]) -> None:
    scan, labels = eye
    other = replace(scan, laterality="OS" if scan.laterality == "OD" else "OD")
    found = measure_labels(labels, RETINA, scan)
    mirrored = measure_labels(labels[..., ::-1], RETINA, other)
    for one in found.numbers:
        if one.measure == "mean thickness" and one.sector != "scan":
            theirs = mirrored.find(one.measure, one.structure, one.sector).value
            assert theirs == pytest.approx(one.value, abs=0.05), one.sector
    unknown = measure_labels(labels, RETINA, replace(scan, laterality=None))
    right = "R1" if scan.laterality == "OD" else "L1"
    assert unknown.find("mean thickness", "retina", right).value == pytest.approx(
        found.find("mean thickness", "retina", "N1").value
    )
    assert any("the eye is unknown" in note for note in unknown.notes)


def test_pixels_where_the_scale_is_unknown(eye: tuple[OctScan, np.ndarray]) -> None:
    scan, labels = eye
    nothing = measure_labels(labels, RETINA, replace(scan, spacing_um=(None, None, None)))
    assert list_units(nothing) == {"px", ""}
    assert nothing.unit == "px"
    assert nothing.sectors is None
    assert nothing.find("pixels", "fluid").value == 80
    assert any("not parallel or their pixel size" in note for note in nothing.notes)
    no_depth = measure_labels(
        labels, RETINA, replace(scan, spacing_um=(240.0, None, scan.spacing_um[2]))
    )
    assert list_units(no_depth) == {"px", ""}
    assert no_depth.find("CST", "retina", "C0").unit == "px"
    axial = scan.spacing_um[1] or 0
    only_depth = measure_labels(labels, RETINA, replace(scan, spacing_um=(None, axial, None)))
    assert list_units(only_depth) == {"um", "px", ""}
    assert only_depth.find("mean thickness", "retina").value == pytest.approx(
        (nothing.find("mean thickness", "retina").value or 0) * axial, rel=1e-5
    )


def test_a_single_bscan_has_an_area(eye: tuple[OctScan, np.ndarray]) -> None:
    scan, labels = eye
    _, axial, lateral = (size or 0 for size in scan.spacing_um)
    one = OctScan(
        pixels=np.zeros(labels.shape[1:], np.uint8),
        axes=("depth", "width"),
        spacing_um=(axial, lateral),
        spacing_source="file",
    )
    found = measure_labels(labels[12], RETINA, one)
    assert found.find("area in the B-scan", "fluid").value == pytest.approx(
        80 * axial * lateral / 1e6
    )
    assert found.find("mean thickness", "retina").value is not None
    assert found.sectors is None


def test_a_circle_has_a_profile() -> None:
    """80 um above and below the disc, 40 um at its sides."""
    width = 720
    angles = np.arange(width) * 0.5 + 0.25
    is_thick = ((angles >= 45) & (angles < 135)) | ((angles >= 225) & (angles < 315))
    labels = np.zeros((1, 100, width), np.uint8)
    rows = np.arange(100)[:, None]
    labels[0][(rows >= 30) & (rows < 30 + np.where(is_thick, 20, 10))] = 1
    scan = replace(make_scan(labels.shape, (None, 4.0, 15.0)), scan_pattern="circle")
    found = measure_labels(labels, RETINA, scan)
    means = {
        name: found.find("mean thickness", "NFL", name).value
        for name in ("G", "T", "S", "N", "I", "TS", "NS", "NI", "TI")
    }
    assert means == {
        "G": 60, "T": 40, "S": 80, "N": 40, "I": 80, "TS": 80, "NS": 80, "NI": 80, "TI": 80,
    }  # fmt: skip
    assert found.sectors is None
    assert any("profiles, not maps" in note for note in found.notes)
    assert not any("not parallel" in note for note in found.notes)


def test_lesions_alone_have_sectors_around_a_given_centre(
    eye: tuple[OctScan, np.ndarray],
) -> None:
    scan, labels = eye
    only = np.where(labels == 8, np.uint8(1), np.uint8(0))
    classes = LabelSet.from_names(["IRF"])
    found = measure_labels(only, classes, scan)
    assert found.sectors is None
    assert any("without layers the fovea cannot be found" in note for note in found.notes)
    assert "distance to the fovea" not in {one.measure for one in found.numbers}
    centred = measure_labels(only, classes, scan, centre=(12, 140))
    assert centred.find("volume", "IRF", "C0").value == pytest.approx(
        found.find("volume", "IRF").value
    )


def test_the_grid_where_the_file_or_the_user_wants_it(eye: tuple[OctScan, np.ndarray]) -> None:
    scan, labels = eye
    places = place_bscans(n_bscans=25, between_mm=0.24, length_mm=6)
    about = Acquisition(positions_mm=places)
    metadata: dict[str, Any] = {ETDRS: {"centre_px": (410.0, 380.0)}, FUNDUS_UM: (10.0, 10.0)}
    own = replace(scan, acquisition=about, metadata=metadata)
    found = measure_labels(labels, RETINA, own, centre="file")
    assert found.sectors is not None
    assert found.sectors.centre_mm == pytest.approx((4.1, 3.8))
    found = measure_labels(labels, RETINA, own, centre=(12, 127.5))
    assert found.sectors is not None
    assert found.sectors.centre_mm == pytest.approx((4, 4))
    for centre, changed, what in (
        ("file", replace(own, metadata={}), "no ETDRS grid of its own"),
        ((80, 300), own, "outside the scan"),
        ((1, 1), replace(own, scan_pattern="radial"), "parallel B-scans"),
    ):
        with pytest.raises(InputError, match=what) as caught:
            measure_labels(labels, RETINA, changed, centre=centre)  # type: ignore[arg-type]
        check_line(caught.value)


def test_what_cannot_be_measured() -> None:
    scan = make_scan((3, 20, 30), (100, 4, 10))
    labels = np.ones((3, 20, 30), np.uint8)
    for given, classes, what in (
        (labels, LabelSet.from_names(["class 1"]), "no class is a retinal layer or a lesion"),
        (labels[:2], RETINA, "do not fit"),
        (labels * 9, RETINA, "have no class"),
    ):
        with pytest.raises(InputError, match=what) as caught:
            measure_labels(given, classes, scan)
        check_line(caught.value)
    other = OctScan(pixels=labels, axes=("z", "y", "x"))
    with pytest.raises(InputError, match="only OCT"):
        measure_labels(labels, RETINA, other)


def test_doubtful_ascans_are_left_out_and_counted(eye: tuple[OctScan, np.ndarray]) -> None:
    scan, labels = eye
    doubtful = np.zeros((25, 256), bool)
    doubtful[12, 100:150] = True
    labels = labels.copy()
    labels[0, :, :9] = IGNORE
    found = measure_labels(labels, RETINA, scan, is_doubtful=doubtful)
    assert found.find("A-scans left out", "doubtful").value == 50
    assert found.find("A-scans left out", "not annotated").value == 9
    assert np.isnan(found.maps["retina"][12, 100:150]).all()
    assert (found.find("CST", "retina", "C0").valid or 0) < 0.9
    assert any("50 doubtful A-scans" in note for note in found.notes)
    # doubt is about layers
    assert found.find("pockets", "fluid").value == 1


@pytest.mark.parametrize("name", ["healthy_subject1", "AMD_patient1"])
def test_a_device_export_has_the_grid_of_its_device(name: str, shared_data: Path) -> None:
    """Flat layers of known thickness: areas and centre are those of the device."""
    scan = read_scan(shared_data / "vendor" / "heyex_exports" / name)
    device = scan.metadata[ETDRS]
    n_bscans, depth, width = scan.spatial_shape
    labels = np.zeros((n_bscans, depth, width), np.uint8)
    labels[:, 100:200] = 1
    found = measure_labels(labels, LabelSet.from_names(["retina"]), scan, centre="file")
    assert found.sectors is not None
    for zone, theirs in device["zones"].items():
        own = found.find("volume", "retina", zone)
        area_mm2 = (own.value or 0) / ((scan.spacing_um[1] or 0) / 10)  # 100 rows
        # the healthy eye's device left 6 % of N2 out
        tolerance = 0.07 if (name, zone) == ("healthy_subject1", "N2") else 0.006
        assert area_mm2 == pytest.approx(theirs["mm3"] / theirs["um"] * 1000, rel=tolerance)


def test_surfaces_and_fluid_of_the_package(eye: tuple[OctScan, np.ndarray]) -> None:
    """What the dock will call for one B-scan at a time."""
    _, labels = eye
    surfaces = find_surfaces(labels[12:13], RETINA)
    assert surfaces is not None
    whole = find_surfaces(labels, RETINA)
    assert whole is not None
    np.testing.assert_array_equal(surfaces.rows[:, 0], whole.rows[:, 12])
    assert find_fluid(labels[12:13], [8]).highest_px == 10


def test_drusen_raise_the_rpe() -> None:
    """They are part of the retina, and measured as pockets between RPE and BM."""
    labels = np.zeros((11, 100, 200), np.uint8)
    labels[:, 20:60] = 1
    labels[4:6, 60:70, 90:110] = 2
    scan = make_scan(labels.shape, (100.0, 4.0, 10.0))
    found = measure_labels(labels, LabelSet.from_names(["RPE", "drusen"]), scan, centre=(5, 100))
    assert found.find("height", "drusen").value == 40
    assert found.find("volume", "drusen").value == pytest.approx(2 * 20 * 0.1 * 0.01 * 40)
    assert found.find("area", "drusen").value == pytest.approx(2 * 20 * 0.1 * 0.01)
    assert found.find("pockets", "drusen").value == 1
    assert found.find("maximum thickness", "drusen").value == 40

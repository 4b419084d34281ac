from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_retseg.classes import RETINA
from napari_retseg.device_layers import find_device_classes, label_device_layers
from napari_retseg.io import describe_scan, read_scan, topcon
from napari_retseg.io.lazy import PagedPixels
from napari_retseg.io.orientation import to_file_order
from napari_retseg.scan import BOUNDARIES, FUNDUS_UM, OctScan
from tests.io import topconfile as made
from tests.io.topconscan import (
    BASIC,
    COUNT,
    DEPTH,
    EDGES,
    HEIGHTS,
    STACK,
    WIDTH,
    WITH_ILM,
    rows_of,
    write,
)


def test_scale_eye_device_and_pixels(
    tmp_path: Path, same: Callable[[OctScan, object], None]
) -> None:
    scan = write(tmp_path, *BASIC)
    same(scan, STACK)
    assert scan.axes == ("bscan", "depth", "width")
    assert (scan.spacing_um, scan.spacing_source) == ((1000.0, 2.6, 187.5), "derived")
    assert (scan.laterality, scan.device) == ("OD", "Topcon 3DOCT-2000")
    assert (scan.scan_pattern, scan.bscans_declared) == ("volume", 3)
    acquisition = scan.acquisition
    assert acquisition.laterality_from == "header (@CAPTURE_INFO_02)"
    assert acquisition.derived == {
        "bscan": "scan height of 3 mm in the file / 3 B-scans",
        "width": "scan length of 6 mm in the file / 32 A-scans",
        "positions": "the first at the top of the scanned region, the last at its bottom",
    }
    assert (acquisition.left_out, acquisition.contradictions) == ((), ())
    assert scan.patient_key is None
    assert scan.fundus is None


def test_bscans_stay_in_the_file_and_travel_as_a_path(tmp_path: Path) -> None:
    scan = write(tmp_path, *BASIC)
    assert isinstance(scan.pixels, PagedPixels)
    sent = pickle.dumps(scan)
    assert len(sent) < 4000
    np.testing.assert_array_equal(pickle.loads(sent).read_bscan(1)[0], STACK[1])


def test_bscans_come_out_from_the_lowest_to_the_highest(tmp_path: Path) -> None:
    scan = write(tmp_path, *BASIC)
    assert scan.acquisition.reversed_axes == ("bscan",)
    assert scan.acquisition.positions_mm == (
        (0, 2.5, 6, 2.5), (0, 1.5, 6, 1.5), (0, 0.5, 6, 0.5),
    )  # fmt: skip
    np.testing.assert_array_equal(to_file_order(STACK, scan), STACK[::-1])


def test_a_boundary_lies_where_the_brightness_changes(tmp_path: Path) -> None:
    scan = write(tmp_path, *WITH_ILM)
    rows = rows_of(scan)["ILM"]
    assert rows.shape == (COUNT, WIDTH)
    assert rows.dtype == np.float32
    pixels = np.asarray(scan.pixels)
    below = np.arange(DEPTH)[:, None] > rows[:, None]
    assert pixels[below].min() >= 150
    assert pixels[~below].max() < 150


@pytest.mark.parametrize(
    ("values", "valid"),
    [
        (np.array([0, 40, 41, 10_001, 65_535, 39, 1], np.uint16), [False] * 5 + [True] * 2),
        (np.array([np.nan, np.inf, -3, 1e30, -np.inf, 38.5, 0.25]), [False] * 5 + [True] * 2),
    ],
)
def test_where_the_device_found_no_boundary(
    tmp_path: Path, values: NDArray[Any], valid: list[bool]
) -> None:
    heights = HEIGHTS.astype(values.dtype)
    heights[0, : len(values)] = values
    rows = rows_of(write(tmp_path, *BASIC, ("@CONTOUR_INFO", made.contour("RETINA_4", heights))))
    found = rows["BM"]
    assert list(np.isfinite(found[0, : len(values)])) == valid
    np.testing.assert_array_equal(found[0, 5:7], DEPTH - 1 - values[5:7])
    assert np.isfinite(found[1:]).all()


def test_names_of_boundaries(tmp_path: Path) -> None:
    names = [f"MULTILAYERS_{k}" for k in range(1, 11)] + ["RETINA_1", "RETINA_2", "NFL_\x07X"]
    chunks = [("@CONTOUR_INFO", made.contour(name, HEIGHTS)) for name in names]
    assert list(rows_of(write(tmp_path, *BASIC, *chunks))) == [
        "ILM", "RNFL", "GCL", "IPL", "ISM", "OS", "BM", "INL", "ELM", "CSI",
        # those that the file has twice, or that are not known
        "RETINA_1", "RETINA_2", "NFL_X",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "name", "between", "across"),
    [
        (0, "line", None, 187.5),
        (1, "circle", None, 589.048623),
        (3, "radial", None, 187.5),
        (4, "cross", None, None),
        (11, "unknown", None, None),
    ],
)
def test_patterns_other_than_volumes(
    tmp_path: Path, pattern: int, name: str, between: float | None, across: float | None
) -> None:
    scan = write(tmp_path, ("@IMG_JPEG", made.encoded_scan(STACK, pattern)), BASIC[3])
    assert (scan.scan_pattern, scan.spacing_um) == (name, (between, 2.6, across))
    assert scan.acquisition.positions_mm == ()
    np.testing.assert_array_equal(np.asarray(scan.pixels), STACK)


@pytest.mark.parametrize(
    "sizes", [(6.0, 6.0, 3.5), (8.2, 3.0, 2.3), (12.0, 9.0, 2.6), (0.0, -1.0, np.nan)]
)
@pytest.mark.parametrize("newer", [True, False])
def test_resolutions(tmp_path: Path, sizes: tuple[float, float, float], newer: bool) -> None:
    content = (made.scan_size if newer else made.older_scan_size)(*sizes)
    chunk = ("@PARAM_SCAN_04" if newer else "@PARAM_SCAN_02", content)
    scan = write(tmp_path, *BASIC[:3], chunk)
    if sizes[0] == 0:
        assert (scan.spacing_um, scan.spacing_source) == ((None, None, None), "unknown")
        return
    expected = (1000 * sizes[1] / COUNT, sizes[2], 1000 * sizes[0] / WIDTH)
    assert scan.spacing_um == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(("eye", "expected"), [(0, "OD"), (1, "OS"), (2, None), (255, None)])
def test_eyes(tmp_path: Path, eye: int, expected: str | None) -> None:
    scan = write(tmp_path, BASIC[2], ("@CAPTURE_INFO_02", made.capture(eye)))
    assert scan.laterality == expected
    assert bool(scan.acquisition.laterality_from) == (expected is not None)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_raw_bscans(
    tmp_path: Path, dtype: type[np.generic], same: Callable[[OctScan, object], None]
) -> None:
    values = np.random.default_rng(1).integers(0, 250, STACK.shape).astype(dtype)
    stack = values * 257 if dtype is np.uint16 else values
    chunks = (("@IMG_SCAN_03", made.raw_scan(stack[::-1])), *BASIC[3:])
    scan = read_scan(made.write(tmp_path / "a.fds", *chunks, kind=b"FDS"))
    same(scan, stack)
    assert scan.spacing_um == (1000.0, 2.6, 187.5)


def test_shifted_bscans_are_read_where_there_are_no_others(tmp_path: Path) -> None:
    chunk = ("@IMG_MOT_COMP_03", made.raw_scan(STACK[::-1], shifted=True))
    scan = write(tmp_path, chunk, BASIC[3])
    # which B-scans of the volume they are is not known
    np.testing.assert_array_equal(np.asarray(scan.pixels), STACK[::-1])
    assert scan.spacing_um == (None, 2.6, 187.5)
    assert any("the device has shifted" in note for note in scan.notes)
    whole = write(tmp_path, chunk, BASIC[3], WITH_ILM[4])
    np.testing.assert_array_equal(np.asarray(whole.pixels), STACK)
    assert whole.spacing_um == (1000.0, 2.6, 187.5)
    both = write(tmp_path, *BASIC, chunk)
    assert both.acquisition.left_out == ("the motion-compensated B-scans in @IMG_MOT_COMP_03",)


def test_the_first_en_face_image_with_a_place_is_taken(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rgb = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    rgb[..., 1:] = rgb[..., :1]
    grey = rng.integers(0, 256, (48, 64), dtype=np.uint8)
    flat = rng.integers(0, 256, (COUNT, WIDTH), dtype=np.uint8)
    images = (
        ("@IMG_FUNDUS", made.photograph(rgb)),
        ("@IMG_TRC_02", made.grey_image(grey)),
        ("@IMG_PROJECTION", made.projection(flat)),
    )
    place = ("@REGIST_INFO", made.regions((20, 10, 60, 40), (4, 8, 36, 24)))
    scan = write(tmp_path, *BASIC, *images, place)
    np.testing.assert_array_equal(scan.fundus, rgb[..., 0])
    assert scan.metadata[FUNDUS_UM] == (100.0, 150.0)
    assert scan.acquisition.positions_mm[-1] == (3.0, 1.5, 9.0, 1.5)
    assert scan.acquisition.left_out == ("1 grey fundus image", "1 projection of the scan")
    assert "the colour fundus photograph is converted to grey" in scan.notes

    off = ("@REGIST_INFO", made.regions((20, 10, 81, 40), (4, 8, 36, 24)))
    scan = write(tmp_path, *BASIC, *images, off)
    np.testing.assert_array_equal(scan.fundus, grey)
    assert scan.metadata[FUNDUS_UM] == (187.5, 187.5)
    assert scan.acquisition.left_out == (
        "1 colour fundus photograph (the place of the scan on it is not known)",
        "1 projection of the scan",
    )

    scan = write(tmp_path, *BASIC, *images)
    np.testing.assert_array_equal(scan.fundus, flat)
    assert scan.metadata[FUNDUS_UM] == (1000.0, 187.5)
    assert scan.acquisition.positions_mm[-1] == (0, 0.5, 6, 0.5)


def test_colours_of_a_raw_photograph(tmp_path: Path) -> None:
    rgb = np.zeros((6, 8, 3), np.uint8)
    rgb[..., 0] = 200
    place = ("@REGIST_SCAN_02", struct.pack("<8I", 0, 0, 8, 6, 0, 0, 0, 0))
    scan = write(tmp_path, *BASIC, ("@IMG_OBS", made.raw_photograph(rgb)), place)
    assert scan.fundus is not None
    # red: 0.299 of 200
    assert set(scan.fundus.ravel()) == {60}


def test_a_damaged_photograph_does_not_stop_the_scan(tmp_path: Path) -> None:
    content = made.photograph(np.zeros((6, 8, 3), np.uint8))
    place = ("@REGIST_INFO", made.regions((0, 0, 8, 6), (0, 0, 0, 0)))
    scan = write(tmp_path, *BASIC, ("@IMG_FUNDUS", content[:60]), place)
    assert scan.fundus is None
    assert scan.acquisition.left_out == ("1 colour fundus photograph (damaged)",)
    np.testing.assert_array_equal(np.asarray(scan.pixels), STACK)


def test_boundaries_of_another_number_of_bscans(tmp_path: Path) -> None:
    chunk = ("@CONTOUR_INFO", made.contour("RETINA_1", HEIGHTS[:2]))
    scan = write(tmp_path, *BASIC, chunk)
    assert rows_of(scan) == {}
    assert scan.acquisition.contradictions == (
        "boundaries are those of 2 B-scans of 32 A-scans, but the file contains 3 B-scans of 32",
    )
    assert scan.acquisition.left_out == ("boundaries of 2 B-scans",)
    # how far B-scans lie apart, and where, depends on their number
    assert scan.spacing_um == (None, 2.6, 187.5)
    assert scan.acquisition.positions_mm == ()


SECRETS = ("PID-4711", "Zaphod", "Beeblebrox", "1954", "2016", "Beeblebrox, Zaphod")


def test_names_numbers_and_dates_do_not_leave_the_file(tmp_path: Path) -> None:
    person = made.patient("PID-4711", "Zaphod", "Beeblebrox", (1954, 3, 9), 1)
    scan = write(tmp_path, *WITH_ILM, ("@PATIENT_INFO_02", person))
    assert scan.patient_key is not None
    kept = replace(scan, patient_key=None)
    told = repr(kept) + repr(describe_scan(kept)) + repr(pickle.dumps(kept))
    for secret in SECRETS:
        assert secret not in told
    assert topcon.read_identifiers(tmp_path / "a.fda") == {
        "patient name": "Beeblebrox, Zaphod",
        "patient id": "PID-4711",
        "birth date": "1954-03-09",
        "sex": "M",
        "examination date": "2016-02-17",
    }


def test_patients_have_keys_of_their_own(tmp_path: Path) -> None:
    def key(number: str, first: str, last: str) -> str | None:
        chunk = ("@PATIENT_INFO_02", made.patient(number, first, last, (1954, 3, 9), 1))
        return write(tmp_path, *BASIC, chunk).patient_key

    assert key("17", "A", "B") == key("17", "C", "D")
    assert key("18", "A", "B") != key("17", "A", "B")
    assert key("", "A", "B") not in (None, key("", "A", "C"))
    empty = ("@PATIENT_INFO_02", made.patient("", "", "", (0, 0, 0), 0))
    assert write(tmp_path, *BASIC, empty).patient_key is None
    hidden = write(tmp_path, *BASIC, ("@PATIENT_INFO_03", bytes(range(200))))
    assert hidden.patient_key is None
    assert any("encrypted" in note for note in hidden.notes)


def test_without_a_place_for_the_salt_the_scan_is_read_with_a_note(
    tmp_path: Path, salt: Path
) -> None:
    salt.parent.mkdir()
    salt.write_bytes(b"short")
    scan = write(tmp_path, *BASIC, ("@PATIENT_INFO_02", made.patient("17", "A", "B", (0, 0, 0), 1)))
    assert scan.patient_key is None
    assert any("no patient key" in note for note in scan.notes)


def test_the_real_fda(shared_data: Path) -> None:
    path = shared_data / "vendor" / "fda_minimized.fda"
    scan = read_scan(path)
    assert scan.pixels.shape == (1, 650, 512)
    assert scan.spacing_um == (None, 3.5, 11.71875)
    assert (scan.spacing_source, scan.laterality) == ("derived", "OS")
    assert (scan.device, scan.scan_pattern) == ("Topcon 3DOCT-1000MK2", "volume")
    bscan = scan.read_bscan(0)[0]
    assert bscan.dtype == np.uint8
    # as OCT-Converter reads it: its sum, and five pixels (decoders round in their own ways)
    assert abs(int(bscan.sum()) - 8_996_012) < 1000
    np.testing.assert_allclose(bscan[300, 100:500:80], [39, 205, 193, 59, 42], atol=2)
    # the vitreous is at the top and dark, the retina below it is bright
    assert bscan[150:200].mean() < 20 < 60 < bscan[290:330, 150:350].mean()
    # the file was cut down from 128 B-scans to one
    assert scan.metadata[BOUNDARIES] == {}
    assert scan.acquisition.contradictions == (
        "boundaries are those of 128 B-scans of 512 A-scans, but the file contains 1 B-scan of 512",
    )
    assert scan.acquisition.left_out == (
        "1 colour fundus photograph (the place of the scan on it is not known)",
        "boundaries of 128 B-scans",
    )
    assert scan.fundus is not None
    assert scan.fundus.shape == (128, 512)
    assert scan.metadata[FUNDUS_UM] == (46.875, 11.71875)
    # the B-scan that was kept is the lowest on the fundus: its columns are those of the last row
    columns = bscan[200:500].mean(axis=0)
    match = [abs(np.corrcoef(columns, row)[0, 1]) for row in scan.fundus.astype(float)]
    assert int(np.argmax(match)) == 127


def test_boundaries_of_the_real_fda(shared_data: Path, tmp_path: Path) -> None:
    data = (shared_data / "vendor" / "fda_minimized.fda").read_bytes()
    whole = read_scan(shared_data / "vendor" / "fda_minimized.fda")
    names = [f"RETINA_{k}" for k in range(1, 5)]
    chunks = []
    for name in names:
        at = data.index(name.encode()) + 34
        heights = np.frombuffer(data, "<u2", 128 * 512, at).reshape(128, 512)
        # the first row of the boundaries is that of the lowest B-scan, which the file has kept
        chunks.append(("@CONTOUR_INFO", made.contour(name, heights[:1])))
    at = data.index(b"@IMG_JPEG") + 13
    scan = write(tmp_path, ("@IMG_JPEG", data[at : at + 33200]), *chunks)
    np.testing.assert_array_equal(np.asarray(scan.pixels), np.asarray(whole.pixels))
    found = rows_of(scan)
    assert list(found) == ["ILM", "ISM", "OS", "BM"]
    stacked = np.stack([rows[0] for rows in found.values()])
    assert (np.diff(stacked, axis=0) >= 0).all()
    # the brightness of the vitreous ends at the ILM, and rises at the end of the ISM
    bscan = scan.read_bscan(0)[0].astype(float)
    for name in ("ILM", "ISM"):
        rows = found[name][0].astype(int)
        steps = [
            (bscan[rows + k + 1, range(512)] - bscan[rows + k, range(512)]).mean()
            for k in range(-4, 5)
        ]
        assert abs(int(np.argmax(steps)) - 4) <= 1


def test_layers_of_the_device_can_be_taken_as_labels(tmp_path: Path) -> None:
    names = {"MULTILAYERS_1": 0, "MULTILAYERS_2": 4, "MULTILAYERS_4": 8, "MULTILAYERS_7": 15}
    chunks = [
        ("@CONTOUR_INFO", made.contour(name, (HEIGHTS - below).astype(np.uint16)))
        for name, below in names.items()
    ]
    scan = write(tmp_path, *BASIC, *chunks)
    assert find_device_classes(scan, RETINA) == ["NFL", "GCL-IPL"]
    labels = label_device_layers(scan, 0, RETINA)
    edge = EDGES[0, 5]
    values = {c.name: c.value for c in RETINA.classes}
    expected = [0, *[values["NFL"]] * 4, *[values["GCL-IPL"]] * 4, 255]
    assert list(labels[edge : edge + 10, 5]) == expected


def test_the_real_fds(shared_data: Path, same: Callable[[OctScan, object], None]) -> None:
    path = shared_data / "vendor" / "fds_minimized.fds"
    scan = read_scan(path)
    assert (scan.laterality, scan.device) == ("OS", "Topcon 3DOCT-1000MK2")
    # the field is still 6 x 6 mm, of which 4 B-scans of 2 A-scans were kept
    assert scan.spacing_um == (1500.0, 3.5, 3000.0)
    data = path.read_bytes()
    at = data.index(b"@IMG_SCAN_03") + 12 + 4 + 22
    same(scan, np.frombuffer(data, "<u2", 24, at).reshape(4, 3, 2)[::-1])
    # as OCT-Converter reads them
    assert list(np.ravel(scan.read_bscan(3))) == [18417, 18857, 16765, 16123, 18132, 12364]
    assert "the motion-compensated B-scans in @IMG_MOT_COMP_03" in scan.acquisition.left_out

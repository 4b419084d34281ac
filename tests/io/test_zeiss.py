from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_retseg.errors import InputError
from napari_retseg.io import describe_scan, read_scan, zeiss
from napari_retseg.scan import OctScan
from napari_retseg.trust import make_trust_sheet

CUBE = np.random.default_rng(6).integers(0, 256, (4, 1024, 20), dtype=np.uint8)
NAME = "P471100_Macular Cube 20x4_2-28-2011_14-42-18_{}_sn44088_cube_z.img"


def write(folder: Path, name: str = NAME.format("OS"), cube: NDArray[np.uint8] = CUBE) -> Path:
    """B-scan after B-scan, the lowest row first, and each row from right to left."""
    path = folder / name
    path.write_bytes(cube[:, ::-1, ::-1].tobytes())
    return path


def test_a_cube_is_turned_and_its_scale_derived(
    tmp_path: Path, same: Callable[[OctScan, object], None]
) -> None:
    scan = read_scan(write(tmp_path))
    same(scan, CUBE)
    assert scan.spacing_um == (1500.0, 1.953125, 300.0)
    assert scan.acquisition.derived == {
        "bscan": "nominal 6 mm of a Cirrus cube / 4 B-scans",
        "depth": "nominal 2 mm of a Cirrus cube / 1024 rows",
        "width": "nominal 6 mm of a Cirrus cube / 20 A-scans",
        "scan_pattern": "file name",
    }
    sheet = make_trust_sheet(scan)
    assert {scale.known for scale in sheet.scale} == {"derived"}
    assert (sheet.laterality.known, sheet.scan_pattern.known) == ("derived", "derived")
    assert (scan.laterality, scan.acquisition.laterality_from) == ("OS", "file name")
    assert (scan.device, scan.scan_pattern) == ("Zeiss Cirrus", "macular cube")
    assert scan.bscans_declared == 4
    assert "numbers of A-scans and B-scans are taken from the file name" in scan.notes
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(scan)).read_bscan(2)[0], CUBE[2])


@pytest.mark.parametrize(
    ("name", "eye", "pattern"),
    [
        (NAME.format("OD"), "OD", "macular cube"),
        ("P1_Optic Disc Cube 20x4_1-1-2020_1-1-1_OD_sn1_cube_raw.img", "OD", "optic disc cube"),
        ("P0089_MacularCube20x4_4-25-2013_9-32-13_OD_sn2218_cube_z.IMG", "OD", "macular cube"),
        ("Macular Cube 20x4_cube_z.img", None, "macular cube"),
        ("P1_Anterior Segment Cube 20x4_1-1-2020_1-1-1_OS_s.img", "OS", "anterior segment cube"),
        ("OSCAR_Macular Cube 20x4.img", None, "macular cube"),
    ],
)
def test_names(tmp_path: Path, name: str, eye: str | None, pattern: str) -> None:
    scan = read_scan(write(tmp_path, name))
    assert (scan.laterality, scan.scan_pattern) == (eye, pattern)
    is_retina = not pattern.startswith("anterior")
    assert scan.spacing_source == ("derived" if is_retina else "unknown")
    assert zeiss.is_cube_name(name)


@pytest.mark.parametrize(
    "name", ["a.img", "P1_HD 5 Line Raster_1-1-2020_OD.img", "Cube 512x128.img", "Macular Cube.img"]
)
def test_names_without_a_shape(tmp_path: Path, name: str) -> None:
    assert not zeiss.is_cube_name(name)
    with pytest.raises(InputError, match="has no header, so its name must say what it is"):
        read_scan(write(tmp_path, name))


@pytest.mark.parametrize("name", ["Macular Cube 00x4.img", "Macular Cube 20x0.img"])
def test_a_name_that_says_nothing_is_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="must say what it is"):
        read_scan(write(tmp_path, name))


@pytest.mark.parametrize("n_bytes", [-1, 1, -1024 * 20, 20 * 1024])
def test_a_size_that_the_name_does_not_say(tmp_path: Path, n_bytes: int) -> None:
    path = write(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[:n_bytes] if n_bytes < 0 else data + bytes(n_bytes))
    words = r"says 4 B-scans of 1024 x 20 pixels \(81920 bytes\), but the file has"
    with pytest.raises(InputError, match=words):
        read_scan(path)


def test_a_name_that_claims_gigabytes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="but the file has 81920"):
        read_scan(write(tmp_path, "P1_Macular Cube 9999x9999_OD_.img"))


def test_the_patient_is_known_by_a_key_only(tmp_path: Path) -> None:
    path = write(tmp_path)
    scan = read_scan(path)
    assert scan.patient_key is not None
    # the path has the name; nothing else may
    kept = replace(scan, source=None, pixels=np.zeros(CUBE.shape), patient_key=None)
    told = repr(kept) + repr(describe_scan(kept)) + repr(pickle.dumps(kept))
    for secret in ("471100", "2011", "2-28"):
        assert secret not in told
    assert zeiss.read_identifiers(path) == {
        "patient id": "P471100",
        "examination date": "2011-02-28",
    }
    other = read_scan(write(tmp_path, NAME.format("OD"))).patient_key
    assert other == scan.patient_key
    assert read_scan(write(tmp_path, "Macular Cube 20x4_OD_.img")).patient_key is None


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / NAME.format("OD")
    path.write_bytes(b"")
    with pytest.raises(InputError, match="the file is empty"):
        read_scan(path)

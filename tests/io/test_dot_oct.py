from __future__ import annotations

import pickle
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_retseg.errors import InputError
from napari_retseg.io import describe_scan, dot_oct, read_scan
from napari_retseg.io.volumes import SeveralVolumesError
from napari_retseg.scan import OctScan
from tests.io.octfiles import (
    describe_optovue,
    field,
    real,
    whole,
    write_bioptigen,
    write_optovue,
)

STACK = np.random.default_rng(7).integers(0, 65536, (3, 24, 16)).astype(np.uint16)
FLOATS = np.random.default_rng(8).random((4, 12, 10), np.float32) * 40_000
RETINA = "Beeblebrox, Zaphod _27_3D Retina_OS_2014-09-12_10.21.36_1.OCT"
Same = Callable[[OctScan, object], None]


def test_bioptigen(tmp_path: Path, same: Same) -> None:
    scan = read_scan(write_bioptigen(tmp_path / "sample_OD_V_12x12_0_0000036.OCT", STACK))
    same(scan, STACK)
    assert (scan.device, scan.scan_pattern) == ("Bioptigen", "volume")
    assert (scan.laterality, scan.acquisition.laterality_from) == ("OD", "file name")
    assert scan.spacing_um == (2000.0, 137.5, 500.0)
    assert scan.acquisition.derived["width"] == "azscanlength of 8 mm in the file / 16 A-scans"
    assert scan.bscans_declared == 3
    assert len(pickle.dumps(scan)) < 4000


def test_bioptigen_lines_and_other_patterns(tmp_path: Path) -> None:
    line = read_scan(write_bioptigen(tmp_path / "a.oct", STACK, {"SCANTYPE": 0}))
    assert (line.scan_pattern, line.spacing_um) == ("line", (None, 137.5, 437.5))
    assert (line.laterality, line.acquisition.laterality_from) == (None, "")
    radial = read_scan(write_bioptigen(tmp_path / "a.oct", STACK, {"SCANTYPE": 3}))
    assert (radial.scan_pattern, radial.spacing_um) == ("radial", (None, 137.5, None))
    with pytest.raises(InputError, match="scans of mixed density are not read"):
        read_scan(write_bioptigen(tmp_path / "a.oct", STACK, {"SCANTYPE": 6}))


def test_bioptigen_without_sizes_or_with_several_frames(tmp_path: Path) -> None:
    sizes = dict.fromkeys(("SCANDEPTH", "AZSCANLENGTH", "ELSCANLENGTH"), 0.0)
    scan = read_scan(write_bioptigen(tmp_path / "a.oct", STACK, sizes))
    assert (scan.spacing_um, scan.spacing_source) == ((None, None, None), "unknown")
    scan = read_scan(write_bioptigen(tmp_path / "a.oct", STACK, {"SCANS": 1, "FRAMES": 3}))
    assert scan.spacing_um[0] is None
    assert any("several frames of each B-scan" in note for note in scan.notes)
    scan = read_scan(write_bioptigen(tmp_path / "a.oct", STACK, {"DOPPLERFLAG": 1}))
    assert scan.acquisition.left_out == ("Doppler data",)
    np.testing.assert_array_equal(np.asarray(scan.pixels), STACK)


def test_a_bioptigen_file_cut_anywhere(tmp_path: Path) -> None:
    data = write_bioptigen(tmp_path / "a.oct", STACK).read_bytes()
    cut = tmp_path / "cut.oct"
    for length in (*range(60), *range(60, len(data), 29), len(data) - 1):
        cut.write_bytes(data[:length])
        with pytest.raises(InputError, match=r"cut\.oct: ") as caught:
            read_scan(cut)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"FRAMECOUNT": 0}, "declares 0 B-scans"),
        ({"FRAMECOUNT": 2**32 - 1}, "declares 4294967295 B-scans"),
        ({"FRAMECOUNT": 4}, r"truncated in a field"),
        ({"LINECOUNT": 0}, "has no pixels"),
        ({"LINELENGTH": 25}, "B-scan 0 has 768 bytes instead of 16 A-scans of 25 samples"),
        ({"LINECOUNT": 2**31, "LINELENGTH": 2**31}, "more than the limit of 256 MB"),
    ],
)
def test_bioptigen_numbers_that_cannot_be(
    tmp_path: Path, numbers: dict[str, float], words: str
) -> None:
    path = write_bioptigen(tmp_path / "a.oct", STACK, numbers)
    with pytest.raises(InputError, match=rf"a\.oct: .*{words}"):
        read_scan(path)


def test_bioptigen_fields_that_cannot_be(tmp_path: Path) -> None:
    start = struct.pack("<IH", 0x15, 0x101) + field("FRAMEHEADER")
    basic = whole("FRAMECOUNT", 1) + whole("LINECOUNT", 2) + whole("LINELENGTH", 2)
    path = tmp_path / "a.oct"
    for content, words in (
        (whole("LINECOUNT", 2) + bytes(4), "has no field FRAMECOUNT"),
        (real("A", 1.0) * 70, "has too many fields"),
        (field("\x01\x02"), "has a field without a name"),
        (struct.pack("<I", 10**6), "has a field without a name"),
        (basic + bytes(4) + field("OTHER"), r"truncated in B-scan 0 \(0 to 0\)"),
        (basic + bytes(4) + field("FRAMEDATA") + bytes(4), "has no samples"),
        (struct.pack("<I4sI", 4, b"XMIN", 2**32 - 1), "truncated in XMIN"),
    ):
        path.write_bytes(start + content)
        with pytest.raises(InputError, match=rf"a\.oct: .*{words}"):
            read_scan(path)


def test_a_bioptigen_file_cut_after_it_was_opened(tmp_path: Path) -> None:
    path = write_bioptigen(tmp_path / "a.oct", STACK)
    scan = read_scan(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"a\.oct: cannot be read"):
        scan.read_bscan(2)


def test_optovue(tmp_path: Path, same: Same) -> None:
    text = describe_optovue((10, 4, 7.0, 0.05), depth=12, eye="OS")
    scan = read_scan(write_optovue(tmp_path / RETINA, FLOATS, text=text))
    same(scan, FLOATS)
    assert (scan.device, scan.laterality) == ("Optovue", "OS")
    assert scan.acquisition.laterality_from == "the .txt (Eye Scanned)"
    assert scan.spacing_um == (50.0, 200.083333, 700.0)
    assert scan.acquisition.derived == {
        "depth": "scan depth of 2.401 mm in the .txt / 12 rows",
        "width": "scan size of 7 mm in the .txt / 10 A-scans",
    }
    assert scan.acquisition.left_out == ()


def test_optovue_alignment_is_left_out(tmp_path: Path, same: Same) -> None:
    first, last = FLOATS[:1] + 1, FLOATS[1:2, :, :6]
    text = describe_optovue(
        (10, 1, 7.0, 0), (10, 4, 7.0, 0.05), (6, 1, 3.0, 0), (8, 0, 1, 1), depth=12
    )
    scan = read_scan(write_optovue(tmp_path / "a.OCT", first, FLOATS, last, text=text))
    same(scan, FLOATS)
    assert scan.acquisition.left_out == ("2 alignment B-scans",)


def test_optovue_several_volumes(tmp_path: Path, same: Same) -> None:
    other = FLOATS[:2, :, :5] + 7
    text = describe_optovue((10, 4, 7.0, 0.05), (5, 2, 4.0, 0.1), depth=12)
    path = write_optovue(tmp_path / "a.OCT", FLOATS, other, text=text)
    with pytest.raises(SeveralVolumesError) as caught:
        read_scan(path)
    assert caught.value.volumes == (
        "step 1: 4 B-scans of 12 x 10 pixels",
        "step 2: 2 B-scans of 12 x 5 pixels",
    )
    same(read_scan(tmp_path / "a.OCT#0"), FLOATS)
    second = read_scan(tmp_path / "a.OCT#1")
    same(second, other)
    assert second.spacing_um == (100.0, 200.083333, 800.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "does not say how many rows, A-scans and B-scans"),
        ("OCT Window Height=12", "does not say how many rows"),
        (describe_optovue((10, 5, 7.0, 0.05), depth=12), "declares 2400 bytes, but the file has"),
        (describe_optovue((10, 4, 7.0, 0.05), depth=0), "does not say how many rows"),
        (describe_optovue((10**8, 4, 7.0, 0.05), depth=12), "declares more than a scan can have"),
        (describe_optovue((10, 10**8, 7.0, 0.05), depth=12), "declares more than a scan can have"),
    ],
)
def test_optovue_descriptions_that_do_not_fit(tmp_path: Path, text: str, words: str) -> None:
    path = write_optovue(tmp_path / "a.OCT", FLOATS, text=text)
    with pytest.raises(InputError, match=rf"a\.OCT: .*{words}"):
        read_scan(path)


def test_a_cut_optovue_file(tmp_path: Path) -> None:
    text = describe_optovue((10, 4, 7.0, 0.05), depth=12)
    path = write_optovue(tmp_path / "a.OCT", FLOATS, text=text)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(InputError, match="declares 1920 bytes, but the file has 1916"):
        read_scan(path)


def test_thorlabs_and_others_are_told_apart(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.oct", "w") as archive:
        archive.writestr("Header.xml", "<Ocity/>")
    with pytest.raises(InputError, match=r"a\.oct: a file of Thorlabs .* export it as TIFF$"):
        read_scan(tmp_path / "a.oct")
    (tmp_path / "b.oct").write_bytes(b"some text" * 100)
    with pytest.raises(InputError, match=r"needs the \.txt of the same name beside it"):
        read_scan(tmp_path / "b.oct")
    (tmp_path / "c.oct").write_bytes(b"")
    with pytest.raises(InputError, match="the file is empty"):
        read_scan(tmp_path / "c.oct")


def test_names_and_dates_do_not_leave_the_files(tmp_path: Path) -> None:
    text = describe_optovue((10, 4, 7.0, 0.05), depth=12) + "\r\nPatient=Zaphod"
    path = write_optovue(tmp_path / RETINA, FLOATS, text=text)
    scan = read_scan(path)
    assert scan.patient_key is not None
    # the path has the name; nothing else may
    kept = replace(scan, source=None, pixels=np.zeros(FLOATS.shape), patient_key=None)
    frames = write_bioptigen(tmp_path / "b.oct", STACK)
    for one in (kept, read_scan(frames)):
        told = repr(one) + repr(describe_scan(one)) + repr(pickle.dumps(one))
        for secret in ("Zaphod", "Beeblebrox", "2014", "2016"):
            assert secret not in told
    assert dot_oct.read_identifiers(path) == {
        "patient name": "Beeblebrox, Zaphod",
        "examination date": "2014-09-12",
    }
    assert dot_oct.read_identifiers(frames) == {"examination date": "2016-02-17"}

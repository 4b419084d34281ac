from __future__ import annotations

import itertools
import pickle
import struct
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from eyepy.core.utils import from_vol_intensity
from eyepy.io.he.vol_reader import HeVolReader

from napari_retseg.errors import InputError
from napari_retseg.io import describe_scan, read_scan
from napari_retseg.io.heidelberg_vol import read_identifiers
from napari_retseg.io.lazy import PagedPixels
from napari_retseg.scan import BOUNDARIES, FUNDUS_UM


@pytest.fixture
def vol(tmp_path: Path) -> Path:
    """Three B-scans of 6 x 8 with two boundaries, an SLO of 5 x 4, and a patient."""
    n_bscans, height, width, header_bytes = 3, 6, 8, 400
    head = bytearray(2048)
    struct.pack_into("<12s3I3d2I2d", head, 0, b"HSF-OCT-103", width, n_bscans, height,
                     0.0115, 0.12, 0.00387, 5, 4, 0.011, 0.012)  # fmt: skip
    struct.pack_into("<I", head, 72, 30)
    struct.pack_into("<4s", head, 84, b"OS")
    struct.pack_into("<Q", head, 88, 131_000_000_000_000_000)
    struct.pack_into("<iI", head, 96, 3, header_bytes)
    struct.pack_into("<I24sd", head, 136, 4711, b"DOE-1234", 20_000.0)
    data = bytes(head) + bytes(range(20))
    for number in range(n_bscans):
        block = bytearray(header_bytes)
        struct.pack_into("<12sI4dIIf", block, 0, b"HSF-BS-103", header_bytes,
                         0.1, 2 - number, 5.1, 2 - number, 2, 256, 25.5)  # fmt: skip
        rows = np.full((2, width), number + 1.5, "<f4")
        rows[1, 3] = np.finfo(np.float32).max
        block[256 : 256 + rows.nbytes] = rows.tobytes()
        values = np.linspace(0, 1, height * width, dtype="<f4").reshape(height, width)
        values[0, number] = np.finfo(np.float32).max
        data += bytes(block) + values.tobytes()
    (tmp_path / "a.vol").write_bytes(data)
    return tmp_path / "a.vol"


def test_scale_eye_fundus_and_boundaries(vol: Path) -> None:
    scan = read_scan(vol)
    assert scan.axes == ("bscan", "depth", "width")
    assert scan.pixels.shape == (3, 6, 8)
    assert (scan.spacing_um, scan.spacing_source) == ((120.0, 3.87, 11.5), "file")
    assert (scan.laterality, scan.scan_pattern) == ("OS", "volume (ART)")
    assert scan.device == "Heidelberg Spectralis"
    assert scan.bscans_declared == 3
    assert scan.fundus is not None
    np.testing.assert_array_equal(scan.fundus, np.arange(20).reshape(4, 5))
    assert scan.metadata["fundus_spacing_um"] == (12.0, 11.0)
    assert scan.acquisition.quality == (25.5,) * 3
    assert scan.acquisition.positions_mm[0] == (0.1, 2, 5.1, 2)
    boundaries = scan.metadata["boundaries"]
    assert list(boundaries) == ["ILM", "BM"]
    np.testing.assert_array_equal(boundaries["ILM"], np.arange(3)[:, None].repeat(8, 1) + 1.5)
    assert np.isnan(boundaries["BM"][:, 3]).all()
    assert np.isfinite(np.delete(boundaries["BM"], 3, 1)).all()


def test_bscans_are_those_of_eyepy_and_stay_in_the_file(vol: Path) -> None:
    scan = read_scan(vol)
    assert isinstance(scan.pixels, PagedPixels)
    volume = HeVolReader(vol).volume
    np.testing.assert_array_equal(np.asarray(scan.pixels), volume.data)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(scan)).read_bscan(1)[0], volume[1].data)


def test_no_name_number_or_date_leaves_the_file(vol: Path) -> None:
    scan = read_scan(vol)
    assert scan.patient_key is not None
    told = (repr(describe_scan(scan)) + repr(scan)).replace(scan.patient_key, "")
    packed = pickle.dumps(replace(scan, patient_key=None))
    for secret in ("DOE", "4711", "1954", "2016"):
        assert secret not in told
        assert secret.encode() not in packed
    assert len(scan.patient_key) == 16
    assert read_scan(vol).patient_key == scan.patient_key


def test_another_salt_gives_another_key(
    vol: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_scan(vol).patient_key
    monkeypatch.setenv("NAPARI_RETSEG_SALT", str(tmp_path / "other"))
    assert read_scan(vol).patient_key != before


def test_another_patient_gets_another_key(vol: Path) -> None:
    before = read_scan(vol).patient_key
    vol.write_bytes(vol.read_bytes().replace(b"DOE-1234", b"DOE-1235"))
    assert read_scan(vol).patient_key not in (before, None)


def test_a_name_beyond_ascii_is_read_and_not_told(vol: Path) -> None:
    vol.write_bytes(vol.read_bytes().replace(b"DOE-1234", "JÖRG-12".encode("latin-1") + b"\0"))
    assert read_scan(vol).patient_key is not None


def test_a_file_without_a_patient_has_no_key(vol: Path) -> None:
    data = bytearray(vol.read_bytes())
    data[136:164] = bytes(28)
    vol.write_bytes(data)
    scan = read_scan(vol)
    assert scan.patient_key is None
    assert not any("patient" in note for note in scan.notes)


def test_without_a_place_for_the_salt_the_scan_is_read_with_a_note(vol: Path, salt: Path) -> None:
    salt.parent.mkdir()
    salt.write_bytes(b"short")
    scan = read_scan(vol)
    assert scan.patient_key is None
    assert any("no patient key" in note for note in scan.notes)


@pytest.mark.parametrize("keep", [0, 5, 100, 2047, 2050, 2068, 2100, 2600, 3000, 3500, 3840])
def test_a_cut_file_is_an_input_error(vol: Path, keep: int) -> None:
    data = vol.read_bytes()
    assert len(data) == 3844
    vol.write_bytes(data[:keep])
    with pytest.raises(
        InputError, match=r"a\.vol: (the file is empty|not a |truncated|cannot be read)"
    ):
        read_scan(vol)


@pytest.mark.parametrize(
    ("offset", "value"), [(12, 0), (16, 0), (16, 10**9), (20, 10**9), (48, 10**9), (2068 + 12, 3)]
)
def test_numbers_that_cannot_be_are_an_input_error(vol: Path, offset: int, value: int) -> None:
    data = bytearray(vol.read_bytes())
    struct.pack_into("<I", data, offset, value)
    vol.write_bytes(data)
    with pytest.raises(InputError, match=r"a\.vol: "):
        read_scan(vol)


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.vol").write_bytes(b"some text" * 1000)
    with pytest.raises(InputError, match=r"a\.vol: not a Heidelberg"):
        read_scan(tmp_path / "a.vol")


def test_a_file_cut_after_it_was_opened(vol: Path) -> None:
    scan = read_scan(vol)
    vol.write_bytes(vol.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"a\.vol: cannot be read"):
        scan.read_bscan(2)


def test_without_eyepy_the_extra_is_named(vol: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "eyepy.io.he.vol_reader", None)
    with pytest.raises(InputError, match=r"a\.vol: .*napari-retseg\[oct\]"):
        read_scan(vol)


@pytest.mark.parametrize(
    ("name", "lateral_um", "pattern"),
    [("valid.vol", 17.8909991, "circle"), ("Willis_B_716_0.vol", 11.8205771, "line")],
)
def test_real_files(shared_data: Path, name: str, lateral_um: float, pattern: str) -> None:
    scan = read_scan(shared_data / "vendor" / name)
    assert scan.pixels.shape == (1, 496, 768)
    assert scan.spacing_um == (None, 3.87166976, lateral_um)
    assert (scan.spacing_source, scan.laterality) == ("file", "OD")
    assert scan.scan_pattern == pattern
    assert scan.fundus is not None
    assert scan.fundus.shape == (768, 768)
    assert (scan.bscans_declared, scan.n_bscans) == (1, 1)
    bscan = scan.read_bscan(0)[0]
    assert bscan.dtype == np.uint8
    assert 20 < bscan.mean() < 120
    ilm, bm, _ = scan.metadata["boundaries"].values()
    found = np.isfinite(ilm) & np.isfinite(bm)
    assert found.any()
    assert (ilm[found] < bm[found]).all()


@pytest.mark.parametrize("share", [0.0005, 0.2, 0.5, 0.9999])
def test_a_real_file_cut_in_the_middle(shared_data: Path, tmp_path: Path, share: float) -> None:
    data = (shared_data / "vendor" / "valid.vol").read_bytes()
    (tmp_path / "cut.vol").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match=r"cut\.vol: truncated"):
        read_scan(tmp_path / "cut.vol")


def test_the_empty_real_file(shared_data: Path) -> None:
    with pytest.raises(InputError, match=r"invalid\.vol: the file is empty"):
        read_scan(shared_data / "vendor" / "invalid.vol")


def test_block_headers_of_their_own_length(
    shared_data: Path, same: Callable[[object, object], None]
) -> None:
    file = shared_data / "vendor" / "heyex" / "heyex_vol" / "test_volume.vol"
    scan = read_scan(file)
    assert scan.pixels.shape == (10, 40, 50)
    same(scan, HeVolReader(file).volume.data)


def test_a_gap_between_bscans_is_noted(vol: Path) -> None:
    data = bytearray(vol.read_bytes())
    start, step = 2048 + 20, 400 + 6 * 8 * 4
    for number, place in enumerate((0.0, 0.12, 0.36)):
        struct.pack_into("<4d", data, start + number * step + 16, 0.1, place, 5.1, place)
    vol.write_bytes(data)
    assert (
        "B-scans 1 and 2 of the file are 240 µm apart, others 120 µm; is a B-scan missing?"
        in read_scan(vol).acquisition.contradictions
    )


def test_positions_against_the_header(vol: Path) -> None:
    assert read_scan(vol).acquisition.contradictions == (
        "the header says 120 µm between B-scans, their positions say 1000 µm",
        "the B-scans are 5 mm long by their positions, 0.092 mm by their pixel size",
    )


def test_a_repeated_bscan(vol: Path) -> None:
    data = bytearray(vol.read_bytes())
    struct.pack_into("<4d", data, 2048 + 20 + (400 + 6 * 8 * 4) + 16, 0.1, 2, 5.1, 2)
    vol.write_bytes(data)
    scan = read_scan(vol)
    assert scan.acquisition.repeated == (1,)
    assert "B-scan 1 of the file is there more than once" in scan.notes


def test_quality_that_the_device_left_out(vol: Path) -> None:
    data = bytearray(vol.read_bytes())
    struct.pack_into("<f", data, 2048 + 20 + 56, np.finfo(np.float32).max)
    vol.write_bytes(data)
    assert read_scan(vol).acquisition.quality == (None, 25.5, 25.5)


@pytest.mark.parametrize("eye", ["OD", "OS"])
@pytest.mark.parametrize(
    ("from_above", "reversed_ascans"), list(itertools.product((False, True), repeat=2))
)
def test_every_order_comes_out_as_one(
    vol: Path, eye: str, from_above: bool, reversed_ascans: bool
) -> None:
    expected = read_scan(vol)
    pixels = np.asarray(expected.pixels)
    data = vol.read_bytes().replace(b"OS\0", eye.encode() + b"\0", 1)
    start, step = 2048 + 20, 400 + 6 * 8 * 4
    blocks = [data[at : at + step] for at in range(start, len(data), step)]
    if reversed_ascans:
        blocks = [_mirror(block) for block in blocks]
    vol.write_bytes(data[:start] + b"".join(reversed(blocks) if from_above else blocks))
    scan = read_scan(vol)
    np.testing.assert_array_equal(np.asarray(scan.pixels), pixels)
    for name, rows in expected.metadata[BOUNDARIES].items():
        np.testing.assert_array_equal(scan.metadata[BOUNDARIES][name], rows)
    names = [n for n, wanted in (("bscan", from_above), ("width", reversed_ascans)) if wanted]
    assert scan.acquisition.reversed_axes == tuple(names)
    assert scan.acquisition.positions_mm == expected.acquisition.positions_mm
    assert scan.laterality == eye


def _mirror(block: bytes) -> bytes:
    """A B-scan with its A-scans from right to left."""
    changed = bytearray(block)
    x0, y0, x1, y1 = struct.unpack_from("<4d", block, 16)
    struct.pack_into("<4d", changed, 16, x1, y1, x0, y0)
    for at, shape in ((256, (2, 8)), (400, (6, 8))):
        values = np.frombuffer(block, "<f4", shape[0] * shape[1], at).reshape(shape)
        changed[at : at + values.nbytes] = values[:, ::-1].tobytes()
    return bytes(changed)


def test_identifiers_are_read_on_request_only(vol: Path) -> None:
    header = HeVolReader(vol).parsed_file
    assert read_identifiers(vol) == {
        "patient id": "DOE-1234",
        "patient number": "4711",
        "birth date": header.dob[:10],
        "examination date": header.exam_time[:10],
    }


@pytest.mark.parametrize("name", ["valid.vol", "Willis_B_716_0.vol"])
def test_real_files_are_read_as_eyepy_reads_them(shared_data: Path, name: str) -> None:
    file = shared_data / "vendor" / name
    scan, reader = read_scan(file), HeVolReader(file)
    header = reader.parsed_file
    (block,) = header.bscans
    np.testing.assert_array_equal(scan.read_bscan(0)[0], from_vol_intensity(block.data.copy()))
    assert scan.spacing_um[1:] == pytest.approx((1000 * header.scale_y, 1000 * header.scale_x))
    assert scan.laterality == header.scan_position
    assert scan.fundus is not None
    np.testing.assert_array_equal(scan.fundus, header.localizer)
    assert scan.metadata[FUNDUS_UM] == pytest.approx(
        (1000 * header.scale_y_slo, 1000 * header.scale_x_slo)
    )
    place = (block.start_x, block.start_y, block.end_x, block.end_y)
    assert scan.acquisition.positions_mm == (place,)
    assert scan.acquisition.quality == (block.quality,)
    assert list(scan.metadata[BOUNDARIES]) == ["ILM", "BM", "RNFL"]
    for rows, expected in zip(scan.metadata[BOUNDARIES].values(), reader.layers, strict=True):
        np.testing.assert_array_equal(rows, expected)


def test_radial_bscans_have_no_distance(vol: Path) -> None:
    data = bytearray(vol.read_bytes())
    struct.pack_into("<i", data, 96, 5)
    struct.pack_into("<f", data, 2048 + 20 + 64, 0.5)
    vol.write_bytes(data)
    scan = read_scan(vol)
    assert (scan.scan_pattern, scan.spacing_um[0]) == ("radial", None)
    assert any("are not parallel" in note for note in scan.notes)
    assert any("shifts between B-scans" in note for note in scan.notes)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_intensities_that_make_no_sense_are_refused(vol: Path, value: float) -> None:
    data = bytearray(vol.read_bytes())
    struct.pack_into("<f", data, 2048 + 20 + 400 + 40, value)
    vol.write_bytes(data)
    with pytest.raises(InputError, match="B-scan 0 contains intensities"):
        read_scan(vol).read_bscan(0)

"""Heidelberg E2E: made files as eyepy reads them, and a real one without its directories."""

from __future__ import annotations

import itertools
import pickle
import struct
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import construct as cs
import numpy as np
import pytest
from eyepy.core.utils import from_e2e_intensity
from eyepy.io.he.e2e_format import BscanAdapter
from eyepy.io.he.e2e_reader import HeE2eReader
from numpy.typing import NDArray

from napari_retseg.errors import InputError
from napari_retseg.io import describe_scan, is_scan_path, read_scan
from napari_retseg.io.heidelberg_e2e import make_grey_table, read_identifiers
from napari_retseg.io.lazy import PagedPixels
from napari_retseg.io.volumes import SeveralVolumesError
from napari_retseg.scan import BOUNDARIES, FUNDUS_UM
from tests.conftest import check_line
from tests.io.conftest import assert_same
from tests.io.e2e_file import PATIENT_NUMBER, PLAIN, SECRETS, make_raw, make_slo, write_e2e

ROWS = {0: np.full((3, 8), 1.5, np.float32), 1: np.arange(24, dtype=np.float32).reshape(3, 8) + 2}
ROWS[1][1, 3:5] = np.nan
FULL = replace(PLAIN, rows=ROWS)


def convert(raw: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Grey values of stored ones, by eyepy."""
    table = BscanAdapter(cs.Bytes(1)).LUT
    return np.asarray(from_e2e_intensity(table[raw]))


def test_all_grey_values_are_those_of_eyepy() -> None:
    np.testing.assert_array_equal(
        make_grey_table(Path("a.E2E")), convert(np.arange(2**16, dtype=np.uint16))
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """One volume with everything."""
    return write_e2e(tmp_path / "eye.E2E", FULL)


def test_a_volume_is_read_as_eyepy_reads_it(file: Path) -> None:
    scan = read_scan(file)
    with HeE2eReader(file) as reader:
        (volume,) = reader.volumes
    assert_same(scan, volume.data)
    assert isinstance(scan.pixels, PagedPixels)
    assert (scan.laterality, scan.device) == ("OS", "Heidelberg Spectralis")
    assert scan.fundus is not None
    np.testing.assert_array_equal(scan.fundus, volume.localizer.data)
    assert list(scan.metadata[BOUNDARIES]) == list(volume.layers) == ["ILM", "BM"]
    for name, rows in scan.metadata[BOUNDARIES].items():
        np.testing.assert_array_equal(rows, volume.layers[name].data)
        np.testing.assert_array_equal(rows, ROWS[["ILM", "BM"].index(name)])
    degrees = [(*one["start_pos"], *one["end_pos"]) for one in volume.meta["bscan_meta"]]
    np.testing.assert_allclose(
        scan.acquisition.positions_mm, (np.array(degrees) + 15) * 4.4 / 15, rtol=1e-6
    )
    assert scan.acquisition.quality == tuple(one["quality_ui"] for one in volume.meta["bscan_meta"])
    assert scan.acquisition.averaged == (7, 8, 9)
    assert (scan.bscans_declared, scan.n_bscans) == (3, 3)
    assert scan.scan_pattern == "volume (ART)"


def test_which_scale_is_derived(file: Path) -> None:
    scan = read_scan(file)
    lateral = 20 * 4.4 / 15 / 8 * 1000
    assert scan.spacing_um == pytest.approx((0.5 * 4.4 / 15 * 1000, 3.872, lateral))
    assert scan.acquisition.derived == {
        "width": "degrees x 4.4/15 mm",
        "bscan": "mean distance of their positions, degrees x 4.4/15 mm",
        "positions": "degrees x 4.4/15 mm",
        "fundus": "a field of 30 degrees is assumed, degrees x 4.4/15 mm",
    }
    scales = {scale.axis: scale.known for scale in describe_trust(scan)}
    assert scales == {"bscan": "derived", "depth": "file", "width": "derived"}
    assert scan.metadata[FUNDUS_UM] == pytest.approx((880, 880))
    assert scan.acquisition.contradictions == ()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(scan)).fundus, make_slo())


def describe_trust(scan: Any) -> Any:
    """The scales of the trust sheet."""
    from napari_retseg.trust import make_trust_sheet

    return make_trust_sheet(scan).scale


def test_a_real_file_without_directories(shared_data: Path) -> None:
    file = shared_data / "vendor" / "e2e_minimized.E2E"
    scan = read_scan(file)
    # the shape that makes a retina of it: rows and columns exchanged give stripes
    assert scan.pixels.shape == (1, 496, 512)
    assert (scan.laterality, scan.device) == ("OS", "Heidelberg")
    assert scan.spacing_um == (None, None, None)
    assert scan.spacing_source == "unknown"
    assert scan.acquisition.left_out == ("the fundus image, which is truncated",)
    assert scan.fundus is None
    raw = np.frombuffer(file.read_bytes()[-2 * 496 * 512 :], "<u2").reshape(496, 512)
    np.testing.assert_array_equal(scan.read_bscan(0)[0], convert(raw))
    plane = scan.read_bscan(0)[0].astype(float)
    # neighbours are alike, vitreous above is darker than the retina, and it is dark below
    assert np.corrcoef(plane[:, 1:].ravel(), plane[:, :-1].ravel())[0, 1] > 0.8
    assert plane[180:280].mean() > 10 * max(plane[:150].mean(), plane[420:].mean())


@pytest.mark.parametrize("letter", ["L", "R"])
@pytest.mark.parametrize(
    ("from_above", "reversed_ascans"), list(itertools.product((False, True), repeat=2))
)
def test_every_order_comes_out_as_one(
    tmp_path: Path, letter: str, from_above: bool, reversed_ascans: bool
) -> None:
    raw, places, rows = PLAIN.raw, list(PLAIN.places), dict(ROWS)
    if from_above:
        raw, places = raw[::-1], places[::-1]
        rows = {name: values[::-1] for name, values in rows.items()}
    if reversed_ascans:
        raw = raw[..., ::-1]
        places = [(x1, y1, x0, y0) for x0, y0, x1, y1 in places]
        rows = {name: values[:, ::-1] for name, values in rows.items()}
    made = replace(PLAIN, raw=np.ascontiguousarray(raw), places=places, rows=rows, eye=letter)
    scan = read_scan(write_e2e(tmp_path / "a.e2e", made))
    assert_same(scan, convert(PLAIN.raw))
    for name, expected in zip(scan.metadata[BOUNDARIES], ROWS.values(), strict=True):
        np.testing.assert_array_equal(scan.metadata[BOUNDARIES][name], expected)
    names = [n for n, wanted in (("bscan", from_above), ("width", reversed_ascans)) if wanted]
    assert scan.acquisition.reversed_axes == tuple(names)
    assert scan.laterality == {"L": "OS", "R": "OD"}[letter]


@pytest.mark.parametrize("directories", [True, False])
def test_several_volumes(tmp_path: Path, directories: bool) -> None:
    right = replace(PLAIN, raw=make_raw(2, 5, 9), eye="R", number=31, places=PLAIN.places[:2])
    line = replace(
        PLAIN, raw=make_raw(1), number=29, pattern=1, slices=[2], places=PLAIN.places[:1]
    )
    file = write_e2e(tmp_path / "eye.E2E", FULL, right, line, directories=directories)
    with pytest.raises(SeveralVolumesError) as error:
        read_scan(file)
    assert error.value.volumes == (
        "left eye, 1 B-scan of 6 x 8, line",
        "left eye, 3 B-scans of 6 x 8, volume (ART)",
        "right eye, 2 B-scans of 5 x 9, volume (ART)",
    )
    scans = [read_scan(tmp_path / f"eye.E2E#{k}") for k in range(3)]
    for scan, made in zip(scans, (line, FULL, right), strict=True):
        assert_same(scan, convert(made.raw))
        assert scan.acquisition.missing == ()
        assert scan.fundus is not None
        np.testing.assert_array_equal(scan.fundus, make_slo(made.number))
    assert len({scan.patient_key for scan in scans}) == 1
    with pytest.raises(InputError, match="no volume 3"):
        read_scan(tmp_path / "eye.E2E#3")


def test_a_file_of_multiple_volumes_has_a_longer_beginning(file: Path) -> None:
    file.write_bytes(b"E2EMultipleVolumeFile".ljust(64, b"\0") + file.read_bytes())
    assert_same(read_scan(file), convert(PLAIN.raw))


def test_missing_and_repeated_bscans(tmp_path: Path) -> None:
    made = replace(FULL, slices=[0, 2, 2], declared=4)
    scan = read_scan(write_e2e(tmp_path / "a.E2E", made))
    assert_same(scan, convert(PLAIN.raw[:2]))
    assert scan.acquisition.missing == (2, 3)
    assert scan.acquisition.repeated == (1,)
    assert scan.bscans_declared == 4
    assert scan.notes[:2] == (
        "B-scans 2, 3 of the file are missing",
        "B-scan 1 of the file is there more than once",
    )


def test_both_eyes_in_one_series(file: Path) -> None:
    data = file.read_bytes().replace(bytes(14) + b"L", bytes(14) + b"R", 1)
    preamble = struct.pack("<12s5I4i2HII", b"MDbData", 0, 0, 0, 8, 0, PATIENT_NUMBER, 20, 30, 0,
                           0, 0, 3, 0)  # fmt: skip
    file.write_bytes(data + preamble + bytes(4) + b"L" + bytes(3))
    scan = read_scan(file)
    assert scan.laterality is None
    assert scan.acquisition.contradictions == (
        "the file says right and left eye for the same series",
    )


def test_circles_have_no_lateral_scale(tmp_path: Path) -> None:
    made = replace(PLAIN, raw=make_raw(1), places=[(-6.0, 0.0, 0.0, 0.0)], pattern=2)
    scan = read_scan(write_e2e(tmp_path / "a.E2E", made))
    assert (scan.scan_pattern, scan.spacing_um) == ("circle", (None, 3.872, None))


def test_the_name_of_a_pattern_without_a_number(tmp_path: Path) -> None:
    made = replace(PLAIN, pattern=0, pattern_name="OCT Star Scan")
    assert read_scan(write_e2e(tmp_path / "a.E2E", made)).scan_pattern == "radial"


def test_values_that_are_not_finite(file: Path, tmp_path: Path) -> None:
    inf, nan = float("inf"), float("nan")
    odd = replace(FULL, places=[(nan, 0.0, inf, 0.0), *PLAIN.places[1:]])
    scan = read_scan(write_e2e(tmp_path / "odd.E2E", odd))
    assert scan.spacing_um == (None, 3.872, None)
    assert np.isnan(scan.acquisition.positions_mm[0]).all()
    data = file.read_bytes().replace(struct.pack("<f", 0.003872), struct.pack("<f", nan), 1)
    file.write_bytes(data.replace(struct.pack("<f", 1.5), struct.pack("<f", inf)))
    scan = read_scan(file)
    assert scan.spacing_um[1] is None
    assert np.isnan(scan.metadata[BOUNDARIES]["ILM"]).all()


def test_sizes_that_differ(file: Path) -> None:
    data = bytearray(file.read_bytes())
    at = data.rfind(struct.pack("<5I", 116, 35652097, 48, 6, 8))
    struct.pack_into("<2I", data, at + 12, 8, 6)
    file.write_bytes(data)
    with pytest.raises(InputError, match=r"different sizes: \(6, 8\) and \(8, 6\) \(B-scan 2\)"):
        read_scan(file)


@pytest.mark.parametrize("keep", [0, 3, 30, 36, 80, 300, 1000, -1, -50])
def test_a_cut_file_is_an_input_error(file: Path, keep: int) -> None:
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(
        InputError, match=r"the file is empty|not a Heidelberg|no B-scans|truncated in B-scan"
    ) as error:
        read_scan(file)
    check_line(error.value, str(file))


def test_a_file_cut_after_it_was_opened(file: Path) -> None:
    scan = read_scan(file)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"eye\.E2E: cannot be read"):
        scan.read_bscan(2)


@pytest.mark.parametrize("number", [0, 1, 59, 10**6, 2**32 - 1])
def test_wrong_lengths_are_found_out(file: Path, number: int) -> None:
    data = bytearray(file.read_bytes())
    # the length of the patient's chunk: the next ones are found behind it
    struct.pack_into("<I", data, data.find(b"MDbData") + 24, number)
    file.write_bytes(data)
    assert_same(read_scan(file), convert(PLAIN.raw))


@pytest.mark.timeout(60)
def test_a_file_of_wrong_lengths_takes_no_time(tmp_path: Path) -> None:
    head = write_e2e(tmp_path / "a.E2E").read_bytes()[:88]
    chunk = struct.pack("<12s5I4i2HII", b"MDbData", 0, 0, 0, 7, 0, 1, 2, 3, 0, 0, 0, 11, 0)
    (tmp_path / "a.E2E").write_bytes(head + chunk * 260_000)
    with pytest.raises(InputError, match="more than 250,000 pieces"):
        read_scan(tmp_path / "a.E2E")


def test_nothing_says_who_was_examined(file: Path) -> None:
    scan = read_scan(file)
    assert scan.patient_key is not None
    told = (repr(scan) + repr(describe_scan(scan))).replace(scan.patient_key, "")
    packed = pickle.dumps(replace(scan, patient_key=None))
    for secret in SECRETS:
        assert secret not in told
        assert secret.encode() not in packed
    assert read_identifiers(file) == {
        "patient name": "Sommer, Annegret",
        "patient id": "P-77123",
        "birth date": "1948-02-09",
        "sex": "F",
        "examination date": "2016-02-15",
    }


def test_without_eyepy_the_extra_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "eyepy.io.he.vol_reader", None)
    with pytest.raises(InputError, match=r"eye\.E2E: .*napari-retseg\[oct\]"):
        read_scan(file)


def test_it_is_a_scan(file: Path) -> None:
    assert is_scan_path(file)
    assert is_scan_path(file.with_suffix(".e2e"))

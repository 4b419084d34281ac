"""HEYEX XML exports: real ones as eyepy reads them, made ones value for value."""

from __future__ import annotations

import itertools
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from eyepy.io.he.xml_reader import HeXmlReader

from napari_retseg.errors import InputError
from napari_retseg.io import describe_scan, is_scan_path, read_scan
from napari_retseg.io.devices import find_device_reader
from napari_retseg.io.heidelberg_xml import ETDRS, read_identifiers
from napari_retseg.io.lazy import PagedPixels
from napari_retseg.io.volumes import SeveralVolumesError
from napari_retseg.scan import BOUNDARIES, FUNDUS_UM
from tests.conftest import check_line
from tests.io.conftest import assert_same
from tests.io.heyex_export import PLAIN, SECRETS, make_slo, make_variant, write_export

ROWS = {"ILM": np.full((3, 8), 1.5), "BM": np.arange(24.0).reshape(3, 8) / 8 + 2}
ROWS["BM"][1, 3:5] = np.nan


def make_readable_for_eyepy(source: Path, folder: Path) -> Path:
    """Copy an export; eyepy needs the eye of the series, real exports have that of images only."""
    shutil.copytree(source, folder, copy_function=shutil.copyfile)
    folder.chmod(0o755)
    (xml,) = folder.glob("*.xml")
    text = xml.read_text()
    eye = "R" if "<Laterality>R<" in text else "L"
    if f"<Laterality>{eye}</Laterality>" not in text.partition("<Image>")[0]:
        text = text.replace("<NumImages>", f"<Laterality>{eye}</Laterality><NumImages>", 1)
        xml.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("name", "shape", "spacing_um", "eye"),
    [
        ("heyex_exports/AMD_patient1", (49, 496, 512), (129.4375, 3.87167, 12.2), "OS"),
        ("heyex_exports/healthy_subject1", (49, 496, 512), (124.729167, 3.87167, 11.7), "OD"),
        ("heyex/heyex_xml/test_volume", (10, 40, 50), (31.4444444, 3.872, 11.819), "OD"),
    ],
)
def test_real_exports_are_read_as_eyepy_reads_them(
    shared_data: Path,
    tmp_path: Path,
    name: str,
    shape: tuple[int, ...],
    spacing_um: tuple[float, ...],
    eye: str,
) -> None:
    folder = shared_data / "vendor" / name
    scan = read_scan(folder)
    read_by_eyepy: Any = HeXmlReader
    volume = read_by_eyepy(make_readable_for_eyepy(folder, tmp_path / "copy")).volume
    meta, bscans = volume.meta, volume.meta["bscan_meta"]
    assert scan.pixels.shape == shape
    assert scan.spacing_um == spacing_um
    theirs = [1000 * meta[f"scale_{axis}"] for axis in "zyx"]
    if "depth" in scan.acquisition.derived:
        assert theirs[1] == 3.9
        theirs[1] = spacing_um[1]
    assert scan.spacing_um == pytest.approx(theirs, rel=1e-8)
    assert scan.laterality == eye == meta["laterality"]
    assert_same(scan, volume.data)
    assert scan.fundus is not None
    np.testing.assert_array_equal(scan.fundus, volume.localizer.data)
    assert scan.metadata[FUNDUS_UM] == pytest.approx(
        (1000 * volume.localizer.scale_y, 1000 * volume.localizer.scale_x)
    )
    assert scan.acquisition.positions_mm == tuple(
        (*one["start_pos"], *one["end_pos"]) for one in bscans
    )
    assert scan.acquisition.quality == tuple(one["quality"] for one in bscans)
    assert list(scan.metadata[BOUNDARIES]) == list(volume.layers)
    for line, rows in scan.metadata[BOUNDARIES].items():
        np.testing.assert_array_equal(rows, volume.layers[line].data)
    assert scan.bscans_declared == scan.n_bscans == len(bscans)
    assert not scan.acquisition.missing
    assert not scan.acquisition.repeated


def test_what_a_real_export_says_besides(shared_data: Path) -> None:
    scan = read_scan(shared_data / "vendor" / "heyex_exports" / "AMD_patient1")
    assert scan.acquisition.averaged[:4] == (9, 10, 8, 9)
    assert scan.acquisition.reversed_axes == ()
    assert scan.acquisition.derived == {
        "bscan": "mean distance of their positions",
        "depth": "the Spectralis's; rounded to 3.9 µm in the file",
    }
    assert scan.acquisition.contradictions == ()
    assert (scan.device, scan.scan_pattern) == ("Heidelberg Spectralis", "volume")
    assert scan.notes == ()
    grid = scan.metadata[ETDRS]
    assert grid["name"] == "1, 3, 6 mm ETDRS"
    assert (grid["diameters_mm"], grid["centre_px"]) == ((1.0, 3.0, 6.0), (384.0, 384.0))
    assert (grid["central_um"], grid["total_mm3"]) == (260.0, 8.401)
    assert sorted(grid["zones"]) == ["C0", "I1", "I2", "N1", "N2", "S1", "S2", "T1", "T2"]
    assert grid["zones"]["T2"] == {"um": 271.0, "mm3": 1.439, "valid_percent": None}


def test_the_rounded_pixel_size_is_that_of_the_raw_exports(shared_data: Path) -> None:
    """Four digits of mm stand for 3.85 to 3.95 um; raw exports of the device have all digits."""
    for name in ("valid.vol", "Willis_B_716_0.vol"):
        raw = read_scan(shared_data / "vendor" / name)
        assert raw.spacing_um[1] == pytest.approx(3.87167, abs=1e-5)


@pytest.mark.parametrize(
    ("device", "axial_mm", "axial_um"),
    [
        ("Spectralis", "0.0039", 3.87167),
        ("Spectralis", "0.0038", 3.8),  # not what it would be rounded to
        ("Spectralis", "0.003872", 3.872),  # not rounded
        ("Anterion", "0.0039", 3.9),
    ],
)
def test_only_what_is_rounded_is_replaced(
    tmp_path: Path, device: str, axial_mm: str, axial_um: float
) -> None:
    file = write_export(tmp_path / "export", PLAIN)
    text = file.read_text().replace("<ScaleY>0.003872", f"<ScaleY>{axial_mm}")
    file.write_text(text.replace("Spectralis", device))
    scan = read_scan(file)
    assert scan.spacing_um[1] == axial_um
    assert any("axial pixel size is rounded" in note for note in scan.notes) == (
        axial_um in (3.8, 3.9)
    )


def test_a_folder_and_its_xml_file_are_the_same_scan(shared_data: Path) -> None:
    folder = shared_data / "vendor" / "heyex_exports" / "healthy_subject1"
    (file,) = folder.glob("*.xml")
    for path in (folder, file):
        assert is_scan_path(path)
        assert read_scan(path).source == path
    np.testing.assert_array_equal(read_scan(folder).read_bscan(24), read_scan(file).read_bscan(24))


@pytest.mark.parametrize("letter", ["L", "R"])
@pytest.mark.parametrize(
    ("from_above", "reversed_ascans"), list(itertools.product((False, True), repeat=2))
)
def test_every_order_comes_out_as_one(
    tmp_path: Path, letter: str, from_above: bool, reversed_ascans: bool
) -> None:
    plain = replace(PLAIN, eye=letter, rows=ROWS)
    made = make_variant(plain, from_above=from_above, reversed_ascans=reversed_ascans)
    write_export(tmp_path / "export", made)
    scan = read_scan(tmp_path / "export")
    assert_same(scan, plain.pixels)
    assert isinstance(scan.pixels, PagedPixels)
    assert scan.spacing_um == (120.0, 3.872, 625.0)
    assert scan.laterality == {"L": "OS", "R": "OD"}[letter]
    names = [n for n, wanted in (("bscan", from_above), ("width", reversed_ascans)) if wanted]
    assert scan.acquisition.reversed_axes == tuple(names)
    assert scan.acquisition.positions_mm == pytest.approx(np.round(plain.places, 3))
    assert scan.acquisition.averaged == ((11, 10, 9) if from_above else (9, 10, 11))
    assert scan.acquisition.quality == ((22, 21, 20) if from_above else (20, 21, 22))
    assert list(scan.metadata[BOUNDARIES]) == ["ILM", "BM"]
    for name, rows in ROWS.items():
        np.testing.assert_allclose(scan.metadata[BOUNDARIES][name], rows, atol=0.051)
        np.testing.assert_array_equal(np.isnan(scan.metadata[BOUNDARIES][name]), np.isnan(rows))
    assert scan.fundus is not None
    np.testing.assert_array_equal(scan.fundus, make_slo())
    assert scan.metadata[FUNDUS_UM] == (12.2, 12.1)
    assert scan.metadata[ETDRS]["zones"]["N1"]["valid_percent"] == 65.119
    assert scan.acquisition.contradictions == ()
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(scan)).read_bscan(1)[0], PLAIN.pixels[1]
    )


def test_a_missing_image_shifts_nothing(tmp_path: Path) -> None:
    write_export(tmp_path, replace(PLAIN, rows=ROWS))
    (tmp_path / "S0B1.tif").unlink()
    scan = read_scan(tmp_path)
    assert_same(scan, PLAIN.pixels[[0, 2]])
    assert (scan.bscans_declared, scan.n_bscans) == (3, 2)
    assert scan.acquisition.missing == (1,)
    assert scan.acquisition.quality == (20.0, 22.0)
    assert scan.acquisition.positions_mm[1] == PLAIN.places[2]
    np.testing.assert_allclose(scan.metadata[BOUNDARIES]["ILM"], ROWS["ILM"][[0, 2]])
    assert "B-scan 1 of the file is missing" in scan.notes
    assert scan.spacing_um[0] == 120.0


def test_an_image_that_is_there_twice(tmp_path: Path) -> None:
    pixels = PLAIN.pixels[[0, 1, 1]]
    files = ["B0.tif", "B1.tif", "B1.tif"]
    write_export(tmp_path, replace(PLAIN, pixels=pixels, files=files))
    scan = read_scan(tmp_path)
    assert_same(scan, pixels)
    assert scan.acquisition.repeated == (2,)
    assert "B-scan 2 of the file is there more than once" in scan.notes


def test_without_any_image(tmp_path: Path) -> None:
    file = write_export(tmp_path, PLAIN)
    for image in tmp_path.glob("*.tif"):
        image.unlink()
    for path in (file, tmp_path):
        with pytest.raises(InputError, match=r"none of the 3 B-scans .* copy or export") as error:
            read_scan(path)
        check_line(error.value, str(file))


def test_without_a_fundus_image(tmp_path: Path) -> None:
    write_export(tmp_path, PLAIN)
    (tmp_path / "S0SLO.tif").unlink()
    scan = read_scan(tmp_path)
    assert scan.fundus is None
    assert "the fundus image is missing" in scan.notes


def test_a_fundus_image_that_cannot_be_read(tmp_path: Path) -> None:
    write_export(tmp_path / "Sommer", PLAIN)
    (tmp_path / "Sommer" / "S0SLO.tif").write_bytes(b"II*\0")
    scan = read_scan(tmp_path / "Sommer")
    assert scan.fundus is None
    assert any(note.startswith("the fundus image is left out: ") for note in scan.notes)
    assert not any("Sommer" in note for note in scan.notes)


def test_a_circle_is_told_by_its_place(tmp_path: Path) -> None:
    # from right to left: a line like this would be turned
    place = (6.0, 2.0, 6.0 - 5 / (2 * np.pi), 2.0)
    for pattern, name in (("Other", "circle"), ("Line scan", "line")):
        made = replace(PLAIN, pixels=PLAIN.pixels[:1], places=[place], pattern=pattern)
        scan = read_scan(write_export(tmp_path / name, made))
        assert scan.scan_pattern == name
        assert bool(scan.acquisition.reversed_axes) == (name == "line")


def test_several_series_are_several_volumes(tmp_path: Path) -> None:
    other = replace(PLAIN, pixels=PLAIN.pixels + 100, eye="R", pattern="Star")
    write_export(tmp_path, PLAIN, other)
    with pytest.raises(SeveralVolumesError) as error:
        read_scan(tmp_path)
    assert error.value.volumes == (
        "left eye, 3 B-scans of 6 x 8, volume",
        "right eye, 3 B-scans of 6 x 8, radial",
    )
    second = read_scan(Path(f"{tmp_path}#1"))
    assert_same(second, other.pixels)
    assert (second.laterality, second.scan_pattern, second.spacing_um[0]) == ("OD", "radial", None)
    assert_same(read_scan(tmp_path / "A1.xml#0"), PLAIN.pixels)


def test_several_exports_in_a_folder(tmp_path: Path) -> None:
    write_export(tmp_path, PLAIN)
    write_export(tmp_path, PLAIN, name="A10.xml")
    write_export(tmp_path, PLAIN, name="A2.xml")
    with pytest.raises(SeveralVolumesError, match="contains 3 volumes"):
        read_scan(tmp_path)
    assert_same(read_scan(tmp_path / "A2.xml"), PLAIN.pixels)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"series_eye": "R"}, "the laterality is OD for the series, OS for its images"),
        ({"declared": 9}, "the XML says 9 images and describes 4"),
        (
            {"shape": (6, 9)},
            "the XML says B-scans of 6 x 9 pixels, the files have 6 x 8; their pixel size is not "
            "taken over",
        ),
        (
            {"scale": ("0.003872", "0.5")},
            "the B-scans are 5 mm long by their positions, 4 mm by their pixel size",
        ),
        (
            {"places": [(1.0, 3.0, 6.0, 3.0), (1.0, 2.0, 6.0, 2.0), (1.0, 2.5, 6.0, 2.5)]},
            "the positions of the B-scans are not in order (B-scans 1 and 2 of the file)",
        ),
        (
            {"places": [(1.0, 3.0, 6.0, 3.0), (1.0, 2.9, 6.0, 2.9), (3.0, 0.0, 3.0, 5.0)]},
            "the B-scans are not parallel",
        ),
    ],
    ids=["series", "count", "size", "length", "order", "parallel"],
)
def test_what_does_not_agree_is_said(tmp_path: Path, changes: dict[str, object], line: str) -> None:
    write_export(tmp_path, replace(PLAIN, **changes))  # type: ignore[arg-type]
    assert line in read_scan(tmp_path).acquisition.contradictions


def test_images_of_both_eyes(tmp_path: Path) -> None:
    file = write_export(tmp_path, PLAIN)
    file.write_text(file.read_text().replace("<Laterality>L", "<Laterality>R", 1))
    scan = read_scan(tmp_path)
    assert scan.laterality is None
    assert "the laterality of the images differs (OD for 1 and OS for 3)" in (
        scan.acquisition.contradictions
    )


def test_pixel_sizes_of_pictures_that_were_resized(tmp_path: Path) -> None:
    write_export(tmp_path, replace(PLAIN, shape=(12, 8), rows={"ILM": ROWS["ILM"]}))
    assert read_scan(tmp_path).spacing_um[1:] == (None, None)


def test_values_that_are_not_finite(tmp_path: Path) -> None:
    file = write_export(tmp_path, replace(PLAIN, rows=ROWS))
    text = file.read_text().replace("<ScaleY>0.003872", "<ScaleY>nan", 1)
    text = text.replace("<ImageQuality>21", "<ImageQuality>inf").replace(">1.5 1.5", ">nan -inf", 1)
    file.write_text(text.replace("<X>6.0", "<X>1e999", 1))
    scan = read_scan(tmp_path)
    assert scan.spacing_um == (None, None, 625.0)
    assert scan.acquisition.quality == (20.0, None, 22.0)
    assert np.isnan(scan.metadata[BOUNDARIES]["ILM"][0, :2]).all()
    assert np.isnan(scan.acquisition.positions_mm[0]).all()


def test_utf16_and_latin1(tmp_path: Path) -> None:
    file = write_export(tmp_path, PLAIN)
    text = file.read_text().replace("Sommer<", "Sömmer<")
    file.write_bytes(text.encode("latin-1"))
    assert_same(read_scan(tmp_path), PLAIN.pixels)
    assert read_identifiers(tmp_path)["patient name"] == "Sömmer, Annegret"
    file.write_text(text, encoding="utf-16")
    with pytest.raises(InputError, match="UTF-16"):
        read_scan(file)


def test_nothing_says_who_was_examined(tmp_path: Path) -> None:
    write_export(tmp_path / "export", replace(PLAIN, rows=ROWS, declared=7))
    scan = read_scan(tmp_path / "export")
    assert scan.patient_key is not None
    told = (repr(scan) + repr(describe_scan(scan))).replace(scan.patient_key, "")
    packed = pickle.dumps(replace(scan, patient_key=None))
    for secret in SECRETS:
        assert secret not in told
        assert secret.encode() not in packed
    assert read_identifiers(tmp_path / "export") == {
        "patient name": "Sommer, Annegret",
        "patient id": "P-77123",
        "patient number": "004711",
        "birth date": "1948-02-09",
        "sex": "F",
        "examination date": "2019-11-03",
        "operator": "opfrau",
        "physician": "Dr-Winter",
    }


def test_patients_of_one_number_are_told_apart_by_name(tmp_path: Path) -> None:
    keys = set()
    for name in ("Sommer", "Winter"):
        file = write_export(tmp_path / name, PLAIN)
        text = file.read_text().replace("P-77123", "")
        file.write_text(text.replace("<LastName>Sommer", f"<LastName>{name}"))
        keys.add(read_scan(file).patient_key)
    assert len(keys) == 2
    assert None not in keys


def test_an_export_wins_over_a_folder_of_bscans(tmp_path: Path) -> None:
    write_export(tmp_path, PLAIN)
    assert is_scan_path(tmp_path)
    assert find_device_reader(tmp_path) is not None
    (tmp_path / "A1.xml").write_text("<notes>not an export</notes>")
    assert find_device_reader(tmp_path) is None
    assert not is_scan_path(tmp_path / "A1.xml")
    assert is_scan_path(tmp_path)

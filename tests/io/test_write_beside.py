"""Corrected boundaries beside a device's file: found again with the scan, and its own only."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_retseg.classes import RETINA
from napari_retseg.device_layers import choose_device_classes, label_device_layers
from napari_retseg.errors import InputError
from napari_retseg.io import read_scan
from napari_retseg.io.surfaces_beside import write_beside
from napari_retseg.layers import boundaries_of_labels, name_boundaries
from napari_retseg.scan import BOUNDARIES, OctScan
from tests.conftest import check_line
from tests.io import octfiles, test_zeiss, topconscan
from tests.io.dicomfiles import make_opt, make_stack, place_lines, save
from tests.io.e2e_file import PLAIN as E2E
from tests.io.e2e_file import write_e2e
from tests.io.heyex_export import PLAIN, make_variant, write_export
from tests.io.test_surfaces_beside import unmark
from tests.volfile import write_vol

FOLLOWING = replace(PLAIN, rows={"ILM": np.full((3, 8), 2.0), "BM": np.full((3, 8), 4.0)})
ABOVE = make_variant(FOLLOWING, from_above=True, reversed_ascans=True)
SMALL = np.arange(144, dtype=np.uint16).reshape(3, 6, 8)


def write_optovue(path: Path) -> Path:
    text = octfiles.describe_optovue((8, 3, 6.0, 0.1), depth=6)
    return octfiles.write_optovue(path, SMALL.astype(np.float32), text=text)


def write_dicom(path: Path) -> Path:
    stack = make_stack()
    return save(path, make_opt(stack, lines=place_lines(*stack.shape[::2])[::-1]))


#: How a scan of each kind is made, by the name under which it is opened.
KINDS: dict[str, Callable[[Path], Path]] = {
    "a.vol": lambda path: write_vol(path, boundaries=np.full((2, 3, 96), 9.0)),
    "above.vol": lambda path: write_vol(path, from_above=True, reversed_ascans=True),
    "export": lambda path: write_export(path, FOLLOWING).parent,
    "A1.xml": lambda path: write_export(path.parent / "export", ABOVE),
    "several": lambda path: write_export(path, FOLLOWING, ABOVE).parent.with_name("several#1"),
    "a.E2E": lambda path: write_e2e(path, E2E),
    "b.E2E": lambda path: write_e2e(path, E2E, replace(E2E, number=31)).with_name("b.E2E#1"),
    "a.fda": topconscan.write_file,
    "a.img": lambda path: test_zeiss.write(path.parent),
    "a.OCT": lambda path: octfiles.write_bioptigen(path, SMALL),
    "b.OCT": write_optovue,
    "a.dcm": write_dicom,
}
REVERSED = {"above.vol", "A1.xml", "several", "a.fda", "a.dcm"}


def make_boundaries(scan: OctScan) -> dict[str, NDArray[np.float32]]:
    """Rows that differ at every A-scan; some A-scans have one of them, or none."""
    shape = scan.n_bscans, scan.spatial_shape[-1]
    rows = np.random.default_rng(1).integers(-1, 5, (3, *shape)).astype(np.float32)
    rows[:, 0, 3] = np.nan
    rows[2, 1, :4] = np.nan
    rows[0, 2, 5] = np.nan
    return {"inner boundary of NFL": rows[0], "NFL (a) / GCL (b)": rows[1], "<RPE>": rows[2]}


def hash_files(folder: Path) -> dict[Path, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_corrected_boundaries_are_read_with_their_scan(tmp_path: Path, kind: str) -> None:
    source = KINDS[kind](tmp_path / kind)
    scan = read_scan(source)
    assert (kind in REVERSED) == bool(scan.acquisition.reversed_axes)
    before = hash_files(tmp_path)
    corrected = make_boundaries(scan)
    file = write_beside(corrected, scan)
    after = hash_files(tmp_path)
    assert after.keys() - before.keys() == {file}
    assert before.items() <= after.items()
    found = read_scan(source)
    assert list(found.metadata[BOUNDARIES]) == list(corrected)
    for name, rows in corrected.items():
        np.testing.assert_array_equal(found.metadata[BOUNDARIES][name], rows)
    assert any("boundaries from Surfaces_Iowa.xml" in note for note in found.notes)
    assert found.acquisition.contradictions == scan.acquisition.contradictions
    # written again, it is replaced
    corrected["<RPE>"] += 1
    assert write_beside(corrected, found) == file
    np.testing.assert_array_equal(
        read_scan(source).metadata[BOUNDARIES]["<RPE>"], corrected["<RPE>"]
    )


def test_an_export_is_one_scan_by_its_folder_and_by_its_file(tmp_path: Path) -> None:
    file = write_export(tmp_path / "export", ABOVE)
    corrected = make_boundaries(read_scan(file))
    write_beside(corrected, read_scan(file.parent))
    for path in (file, file.parent):
        found = read_scan(path).metadata[BOUNDARIES]
        np.testing.assert_array_equal(found["<RPE>"], corrected["<RPE>"])


@pytest.mark.parametrize(
    "name", ["Willis_B_716_0.vol", "valid.vol", "heyex_exports/healthy_subject1",
             "heyex/heyex_xml/test_volume"],
)  # fmt: skip
def test_exports_of_the_device(tmp_path: Path, shared_data: Path, name: str) -> None:
    vendor, source = shared_data / "vendor" / name, tmp_path / Path(name).name
    if vendor.is_dir():
        shutil.copytree(vendor, source)
        source.chmod(0o755)
    else:
        shutil.copyfile(vendor, source)
    scan = read_scan(source)
    own = {name: np.round(rows) for name, rows in scan.metadata[BOUNDARIES].items()}
    corrected = own or make_boundaries(scan)
    next(iter(corrected.values()))[0, 10:20] = np.nan
    write_beside(corrected, scan)
    found = read_scan(source)
    assert any("in place of the device's" in note for note in found.notes) == bool(own)
    assert found.metadata[BOUNDARIES].keys() == corrected.keys()
    for name, rows in corrected.items():
        np.testing.assert_array_equal(found.metadata[BOUNDARIES][name], rows)


def test_a_line_names_what_belongs_to_another_scan(tmp_path: Path) -> None:
    one = read_scan(write_vol(tmp_path / "one.vol", boundaries=np.full((2, 3, 96), 9.0)))
    write_vol(tmp_path / "two.vol", eye="OD", boundaries=np.full((2, 3, 96), 7.0), from_above=True)
    # the same grey values are the same scan, whatever its name
    stored = bytearray((tmp_path / "two.vol").read_bytes())
    stored[-400:-200] = bytes(200)
    (tmp_path / "two.vol").write_bytes(stored)
    file = write_beside(make_boundaries(one), one)
    shutil.copyfile(file, tmp_path / "two_Surfaces_Iowa.xml")
    found = read_scan(tmp_path / "two.vol")
    line = "Surfaces_Iowa.xml beside it was written for another scan, and is left out; move it away"
    assert found.acquisition.contradictions == (line,)
    assert (found.metadata[BOUNDARIES]["ILM"] == 7).all()
    with pytest.raises(InputError, match="was written for another scan; rename it") as error:
        write_beside(make_boundaries(found), found)
    check_line(error.value, str(tmp_path / "two_Surfaces_Iowa.xml"))


@pytest.mark.parametrize("ending", ["Surfaces_Iowa.xml", "Surfaces_Retina-JEI-Final.xml"])
def test_surfaces_of_another_program_are_not_overwritten(tmp_path: Path, ending: str) -> None:
    scan = read_scan(write_vol(tmp_path / "a.vol"))
    written = unmark(write_beside(make_boundaries(scan), scan))
    theirs, text = tmp_path / f"a_{ending}", written.read_text()
    written.unlink()
    for content in (text, "<surfaces>", "something else"):
        theirs.write_text(content)
        with pytest.raises(InputError, match="was not written by napari-retseg; rename") as error:
            write_beside(make_boundaries(scan), scan)
        check_line(error.value, str(theirs))
        assert theirs.read_text() == content
    assert {*tmp_path.glob("a*")} == {tmp_path / "a.vol", theirs}


def test_surfaces_of_others_are_read_where_the_device_found_nothing(tmp_path: Path) -> None:
    rows = np.full((2, 3, 96), np.nan)
    scan = read_scan(write_vol(tmp_path / "a.vol", boundaries=rows))
    unmark(write_beside(make_boundaries(scan), scan))
    found = read_scan(tmp_path / "a.vol")
    assert np.isfinite(found.metadata[BOUNDARIES]["<RPE>"]).any()
    assert "boundaries from Surfaces_Iowa.xml: inner boundary of NFL, " in "".join(found.notes)


def test_corrected_layers_can_be_accepted_as_the_devices_are(tmp_path: Path) -> None:
    scan = read_scan(write_vol(tmp_path / "a.vol"))
    labels = np.zeros(scan.spatial_shape, np.uint8)
    for value in range(1, 8):
        labels[:, 5 * value : 5 * value + 5] = value
    labels[1, 5:40, 7] = 0
    rows = boundaries_of_labels(labels, list(range(1, 8))).annotated_rows().swapaxes(0, 1)
    names = name_boundaries(RETINA.names[1:8])
    write_beside(dict(zip(names, rows, strict=True)), scan)
    found = read_scan(tmp_path / "a.vol")
    assert choose_device_classes(found) == RETINA
    made = np.stack([label_device_layers(found, k, RETINA) for k in range(scan.n_bscans)])
    assert (made[1, :, 7] == 255).all()
    made[1, :, 7] = labels[1, :, 7]
    np.testing.assert_array_equal(made, labels)


def test_a_scan_without_a_file_has_nothing_beside_it() -> None:
    scan = OctScan(np.zeros((3, 6, 8), np.uint8), ("bscan", "depth", "width"))
    with pytest.raises(InputError, match="save it first"):
        write_beside(make_boundaries(scan), scan)

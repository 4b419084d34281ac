"""`export`: labels as boundaries and as DICOM Segmentation."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from napari_retseg.io import read_scan, write_labels
from napari_retseg.io.octexplorer_xml import read_surfaces
from napari_retseg.models.label_records import Origin, Record, Records, hash_labels
from napari_retseg.scan import BOUNDARIES, OctScan
from tests.cli.conftest import Run, only_error
from tests.io.dicomfiles import PERSON, make_opt, make_stack, place_lines, save
from tests.io.heyex_export import PLAIN, write_export


@pytest.fixture
def scan(tmp_path: Path) -> OctScan:
    """A DICOM scan whose B-scans run from above, in a folder of its own."""
    stack = make_stack()
    lines = place_lines(*stack.shape[::2])[::-1]
    (tmp_path / "scans").mkdir()
    return read_scan(save(tmp_path / "scans" / "eye.dcm", make_opt(stack, lines=lines)))


@pytest.fixture
def labels(tmp_path: Path, scan: OctScan) -> Path:
    """Labels of it, with the names of their classes."""
    folder = tmp_path / "labels"
    folder.mkdir()
    (folder / "classes.json").write_text(json.dumps({"NFL": 1, "GCL": 2, "fluid": 3}))
    values = np.zeros(scan.spatial_shape, np.uint8)
    for bscan, plane in enumerate(values):
        plane[5 + bscan : 9] = 1
        plane[9:14] = 2
    values[2, 11:13, 4:9] = 3
    return write_labels(folder / "eye.tif", values, scan=scan)


def test_boundaries_as_csv(run: Run, scan: OctScan, labels: Path, tmp_path: Path) -> None:
    target = tmp_path / "eye.csv"
    result = run("export", labels, "--scan", str(scan.source), "--output", target)
    assert result.exit_code == 0, result.output
    assert f"{labels} -> {target} (3 boundaries of 4 B-scans)" in result.output
    with target.open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert len(lines) == 3 * 4 * 48
    top = {int(o["bscan"]): o for o in lines if o["boundary"] == "inner boundary of NFL"}
    # the file's B-scans run from above: its last is the first that is shown
    assert [float(top[k]["row"]) for k in range(4)] == [7, 6, 5, 4]
    assert float(top[0]["um"]) == pytest.approx(7 * 3.87)


def test_boundaries_as_xml(run: Run, scan: OctScan, labels: Path, tmp_path: Path) -> None:
    target = tmp_path / "eye.xml"
    run("export", labels, "--scan", str(scan.source), "--output", target)
    found = read_surfaces(target)
    assert list(found.boundaries) == [
        "inner boundary of NFL", "NFL / GCL", "outer boundary of GCL",
    ]  # fmt: skip
    assert (found.boundaries["NFL / GCL"] == 8).all()
    assert found.boundaries["inner boundary of NFL"][:, 0].tolist() == [7, 6, 5, 4]


def test_ascans_out_of_order_are_named(
    run: Run, scan: OctScan, labels: Path, tmp_path: Path
) -> None:
    values = np.zeros(scan.spatial_shape, np.uint8)
    values[:, 4:6], values[:, 6:12] = 1, 2
    values[1, 3, 7:10] = 2
    write_labels(labels, values, scan=scan)
    target = tmp_path / "eye.csv"
    arguments = ("export", labels, "--scan", str(scan.source), "--output", target)
    result = run(*arguments)
    assert "the layers of 3 of 192 A-scans are out of order" in result.output
    assert json.loads(run(*arguments, "--json").stdout)["ascans_out_of_order"] == 3


def test_dicom_segmentation(run: Run, scan: OctScan, labels: Path, tmp_path: Path) -> None:
    target = tmp_path / "eye-seg.dcm"
    arguments = ("export", labels, "--scan", str(scan.source), "--output", target)
    result = run(*arguments)
    assert "name, number and dates of the patient are empty" in result.output
    found = dcmread(target)
    assert [one.SegmentLabel for one in found.SegmentSequence] == ["NFL", "GCL", "fluid"]
    assert found.PatientID == ""
    result = run(*arguments, "--keep-identifiers", "--json")
    assert json.loads(result.stdout)["identifiers_copied"]
    assert dcmread(target).PatientID == PERSON["PatientID"]


@pytest.mark.parametrize("suffix", [".csv", ".xml", ".dcm"])
def test_nobody_is_named(
    run: Run, scan: OctScan, labels: Path, tmp_path: Path, suffix: str
) -> None:
    target = tmp_path / f"eye{suffix}"
    result = run("export", labels, "--scan", str(scan.source), "--output", target)
    for planted in PERSON.values():
        for coding in ("utf-8", "latin-1"):
            assert planted.encode(coding) not in target.read_bytes()
        assert planted not in result.output


def test_labels_of_another_scan_are_refused(
    run: Run, scan: OctScan, labels: Path, tmp_path: Path
) -> None:
    origin = Origin(scan="another", weights="", model="", options={}, program="1")
    from napari_retseg.io import read_labels

    record = Record(made_from=origin, labels=hash_labels(read_labels(labels)))
    Records(labels.parent).write(labels, record)
    target = tmp_path / "eye.csv"
    result = run("export", labels, "--scan", str(scan.source), "--output", target)
    assert "made from another scan" in only_error(result)
    assert not target.exists()


def test_what_is_refused(run: Run, scan: OctScan, labels: Path, tmp_path: Path) -> None:
    source = str(scan.source)
    base = ("export", labels, "--scan", source, "--output")
    assert "use one of .csv .xml .dcm" in only_error(run(*base, tmp_path / "a.json"))
    assert "only be used with a .dcm" in only_error(
        run(*base, tmp_path / "a.csv", "--keep-identifiers")
    )
    (labels.parent / "classes.json").write_text(json.dumps({"a": 1, "b": 2, "c": 3}))
    assert "boundaries need labels of retinal layers" in only_error(run(*base, tmp_path / "a.csv"))
    (labels.parent / "classes.json").write_text(json.dumps({"NFL": 1, "GCL": 2}))
    assert "label values [3] have no class" in only_error(run(*base, tmp_path / "a.csv"))
    other = replace(scan, pixels=np.asarray(scan.pixels)[:2])
    few = write_labels(tmp_path / "few.tif", np.zeros(other.spatial_shape, np.uint8))
    assert "do not fit a scan" in only_error(
        run("export", few, "--scan", source, "--output", tmp_path / "a.csv")
    )


def test_boundaries_beside_the_scan(run: Run, scan: OctScan, labels: Path, tmp_path: Path) -> None:
    base = ("export", labels, "--scan", str(scan.source))
    target = tmp_path / "scans" / "eye_Surfaces_Iowa.xml"
    for _ in range(2):  # its own file is replaced
        result = run(*base, "--beside-scan", "--json")
        assert json.loads(result.stdout)["output"] == str(target), result.output
    assert scan.source is not None
    found = read_scan(scan.source).metadata[BOUNDARIES]
    assert found["inner boundary of NFL"][:, 0].tolist() == [4, 5, 6, 7]
    target.write_text("<surfaces/>")
    line = only_error(run(*base, "--beside-scan"))
    assert f"{target}: was not written by napari-retseg" in line
    assert target.read_text() == "<surfaces/>"
    for both in ((), ("--beside-scan", "--output", tmp_path / "a.xml")):
        assert "give either --output or --beside-scan" in only_error(run(*base, *both))


def test_a_scan_is_never_overwritten(run: Run, scan: OctScan, labels: Path, tmp_path: Path) -> None:
    assert scan.source is not None
    base = ("export", labels, "--scan", str(scan.source), "--output")
    before = scan.source.read_bytes()
    assert "is no DICOM Segmentation" in only_error(run(*base, scan.source))
    assert scan.source.read_bytes() == before
    export = write_export(tmp_path / "export", PLAIN)
    before = export.read_bytes()
    assert "was not written by napari-retseg" in only_error(run(*base, export))
    assert export.read_bytes() == before
    (tmp_path / "none.dcm").write_text("something else")
    assert "is no DICOM Segmentation" in only_error(run(*base, tmp_path / "none.dcm"))
    for name in ("a.dcm", "a.xml", "a.csv"):  # what it wrote itself it may
        for _ in range(2):
            assert run(*base, tmp_path / name).exit_code == 0

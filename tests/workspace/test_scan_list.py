"""The scans of a workspace: added, named, grouped, described and taken out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from napari_retseg.dataset import load_dataset
from napari_retseg.errors import InputError
from napari_retseg.io import read_scan
from napari_retseg.scan import OctScan
from napari_retseg.workspace import Workspace
from napari_retseg.workspace.adding import guess_group
from napari_retseg.workspace.layout import choose_name
from tests.workspace.conftest import SHAPE, draw_plane, write_scan_file


def test_scans_stay_where_they_are(workspace: Workspace, scan_files: list[Path]) -> None:
    assert [entry.path for entry in workspace.scans] == scan_files
    assert [entry.name for entry in workspace.scans] == ["P1", "P2", "S06_B10"]
    assert [entry.n_bscans for entry in workspace.scans] == [4, 4, 1]
    assert [entry.group for entry in workspace.scans] == ["P1", "P2", "S06"]
    np.testing.assert_array_equal(workspace.read_scan("P1").pixels, read_scan(scan_files[0]).pixels)
    assert not (workspace.folder / "scans").exists()


def test_the_same_file_is_added_once(workspace: Workspace, scan_files: list[Path]) -> None:
    workspace.write_labels("P1", 0, draw_plane(), state="confirmed")
    before = workspace.scans
    link = scan_files[0].with_name("link.tif")
    link.symlink_to(scan_files[0])
    for path in (scan_files[0], link, scan_files[0].parent / ".." / "clinic" / "P1.tif"):
        assert workspace.add_scan(read_scan(path)) == before[0]
    assert workspace.scans == before
    assert workspace.states("P1") == {0: "confirmed"}


def test_scans_of_the_same_name_are_told_apart(workspace: Workspace, tmp_path: Path) -> None:
    again = workspace.add_scan(read_scan(write_scan_file(tmp_path / "b" / "p1.tif")))
    third = workspace.add_scan(read_scan(write_scan_file(tmp_path / "c" / "P1.tif")))
    assert (again.name, third.name) == ("p1-2", "P1-3")
    workspace.write_labels("P1-3", 0, draw_plane(), state="confirmed")
    assert workspace.states("P1") == {}


def test_a_scan_without_a_file_is_written_into_the_workspace(workspace: Workspace) -> None:
    pixels = np.arange(np.prod(SHAPE), dtype=np.uint16).reshape(SHAPE)
    scan = OctScan(
        pixels=pixels,
        axes=("bscan", "depth", "width"),
        spacing_um=(120.0, 3.9, 11.0),
        spacing_source="user",
        laterality="OS",
    )
    entry = workspace.add_scan(scan, name="Anna / OS: layer?")
    assert entry.name == "Anna _ OS_ layer_"
    assert entry.path == workspace.folder / "scans" / "Anna _ OS_ layer_.tif"
    assert (entry.spacing_um, entry.spacing_source) == ((120.0, 3.9, 11.0), "user")
    workspace.close()
    with Workspace.open(workspace.folder) as opened:
        found = opened.read_scan(entry.name)
        np.testing.assert_array_equal(found.pixels, pixels)
        assert found.axes == scan.axes
        assert (found.spacing_um, found.laterality) == (scan.spacing_um, "OS")
        assert load_dataset(opened.folder).cases[-1].read_scan().laterality == "OS"


@pytest.mark.parametrize("dtype", ["bool", "float16", "int64", "float32", "uint8"])
def test_pixels_of_any_kind_are_kept(workspace: Workspace, dtype: str) -> None:
    pixels = (np.arange(12 * 16).reshape(12, 16) % 2).astype(dtype)
    entry = workspace.add_scan(OctScan(pixels=pixels, axes=("depth", "width")))
    np.testing.assert_array_equal(workspace.read_scan(entry.name).pixels, pixels.astype(float))


def test_a_part_of_a_file_is_a_scan_of_its_own(
    workspace: Workspace, scan_files: list[Path]
) -> None:
    whole = read_scan(scan_files[0])
    part = OctScan(pixels=np.asarray(whole.pixels)[:2], axes=whole.axes, source=whole.source)
    entry = workspace.add_scan(part)
    assert (entry.name, entry.n_bscans) == ("P1-2", 2)
    assert entry.path.parent == workspace.folder / "scans"
    report = scan_files[0].with_suffix(".e2e")
    report.write_bytes(b"of another reader")
    foreign = OctScan(pixels=part.pixels, axes=part.axes, source=report, patient_key="0123abcd")
    assert workspace.add_scan(foreign).group == "0123abcd"


def test_patients_are_guessed_from_names(tmp_path: Path) -> None:
    with Workspace.create(tmp_path / "work") as made:

        def add(name: str) -> str:
            return made.add_scan(read_scan(write_scan_file(tmp_path / f"{name}.tif"))).group

        def groups() -> dict[str, str]:
            return {entry.name: entry.group for entry in made.scans}

        assert [add(name) for name in ("S06_B10", "S06_B13", "x-b02")] == ["S06", "S06", "x"]
        assert add("P1_OD") == "P1_OD"
        assert add("P1_OS") == "P1"
        assert groups()["P1_OD"] == "P1"  # both eyes of one patient, now that one can tell
        assert [add(f"scan_{n}") for n in (1, 2)] == ["scan_1", "scan_2"]
        assert add("P2_OD") == "P2_OD"
        made.write_labels("P2_OD", 0, draw_plane(), state="confirmed")
        made.write_labels("P1_OD", 0, draw_plane(), state="confirmed")
        made.pin()
        before = {entry.name: entry.split for entry in made.scans}
        assert add("P2_OS") == "P2_OD"  # a patient whose split is pinned keeps the name
        made.describe_scan("S06_B10", group="somebody")
        assert add("S06_B14") == "S06"
        assert groups()["S06_B10"] == "somebody"
        assert {n: s for n, s in before.items() if s} == {
            e.name: e.split for e in made.scans if e.split
        }
    assert load_dataset(tmp_path / "work").cases[0].group == "somebody"


def test_a_name_without_a_bscan_is_its_own_patient() -> None:
    names = ["S06_B10", "a_b_B2", "P1-b7", "B10", "_B1", "P1_OD", "P1_Bx"]
    guessed = ["S06", "a_b", "P1", "B10", "_B1", "P1_OD", "P1_Bx"]
    assert [guess_group(name) for name in names] == guessed


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ("P1", "P1-3"),
        ("../../etc", "_.._etc"),
        ("CON", "CON_"),
        ("com1.x", "com1.x_"),
        (" .hidden. ", "hidden"),
        ("", "scan"),
        ("...", "scan"),
        ("Müller", "Müller"),
        ("a\n\x00b", "a_b"),
        ("x" * 300, "x" * 80),
    ],
)
def test_names_are_safe_as_folders(tmp_path: Path, wanted: str, chosen: str) -> None:
    name = choose_name(wanted, ["p1", "P1-2"])
    assert name == chosen
    (tmp_path / name).mkdir()
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_what_the_user_says_about_a_scan_stays(workspace: Workspace) -> None:
    workspace.describe_scan("P1", spacing_um=(None, 3.9, 11.5))
    entry = workspace.describe_scan("P1", laterality="OD")
    assert (entry.spacing_um, entry.spacing_source) == ((None, 3.9, 11.5), "user")
    workspace.close()
    with Workspace.open(workspace.folder) as opened:
        assert opened.scans[0] == entry
        scan = opened.read_scan("P1")
        assert (scan.spacing_um, scan.spacing_source) == ((None, 3.9, 11.5), "user")
        assert scan.laterality == "OD"
        # a training reads the scan of the dataset: it has to know the same
        trained = load_dataset(opened.folder).cases[0].read_scan()
        assert (trained.spacing_um, trained.laterality) == (scan.spacing_um, "OD")


def test_what_cannot_be_said_about_a_scan_is_refused(workspace: Workspace) -> None:
    with pytest.raises(InputError, match="got 2 pixel sizes, but the scan has 3 axes"):
        workspace.describe_scan("P1", spacing_um=(1.0, 2.0))
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="positive numbers"):
            workspace.describe_scan("P1", spacing_um=(1.0, 2.0, wrong))
    with pytest.raises(InputError, match="OD or OS"):
        workspace.describe_scan("P1", laterality="left")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="enter a name"):
        workspace.describe_scan("P1", group=" ")
    with pytest.raises(InputError, match="no scan named 'P9'"):
        workspace.describe_scan("P9", group="x")


def test_a_scan_of_another_patient_gets_a_new_place_in_the_split(workspace: Workspace) -> None:
    for name in ("P1", "P2"):
        workspace.write_labels(name, 0, draw_plane(), state="confirmed")
    workspace.pin()
    splits = {entry.group: entry.split for entry in workspace.scans}
    assert workspace.describe_scan("P1", group="P1").split == splits["P1"]
    assert workspace.describe_scan("P1", group="P2").split is None
    workspace.pin()
    assert workspace.scans[0].split == splits["P2"]


def test_labels_of_no_scan_are_told_and_left_alone(workspace: Workspace, tmp_path: Path) -> None:
    workspace.write_labels("P1", 1, draw_plane(1), state="confirmed")
    workspace.close()
    path = workspace.folder / "dataset.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "training": content["training"][1:]}))
    with Workspace.open(workspace.folder) as opened:
        assert "labels of scans that are not in the workspace: P1" in opened.notes[0]
        entry = opened.add_scan(read_scan(tmp_path / "clinic" / "P1.tif"))
        assert entry.name == "P1-2"
        assert (opened.folder / "labels" / "P1" / "0001.png").exists()

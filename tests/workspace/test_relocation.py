"""Scans and workspaces that move: found by name and hash, and never mistaken for others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_retseg.dataset import Case, Dataset, load_dataset
from napari_retseg.dataset.split import rank_groups
from napari_retseg.errors import InputError
from napari_retseg.io import read_scan
from napari_retseg.workspace import Workspace
from napari_retseg.workspace.relocation import find_moved
from tests.conftest import TINY_CLASSES
from tests.io.heyex_export import PLAIN, write_export
from tests.workspace.conftest import SHAPE, draw_plane, write_scan_file


def reopen(workspace: Workspace, folder: Path | None = None) -> Workspace:
    workspace.close()
    return Workspace.open(folder or workspace.folder)


def label_all(workspace: Workspace) -> None:
    for seed, entry in enumerate(workspace.scans):
        workspace.write_labels(entry.name, 0, draw_plane(seed), state="confirmed")
    workspace.pin()


def test_scans_that_moved_are_missing_until_they_are_found(
    workspace: Workspace, tmp_path: Path
) -> None:
    label_all(workspace)
    before = workspace.scans
    (tmp_path / "clinic").rename(tmp_path / "archive")
    with reopen(workspace) as opened:
        assert [entry.name for entry in opened.missing] == ["P1", "P2", "S06_B10"]
        assert opened.dataset().cases == ()
        assert (opened.read_labels("P2")[0] == draw_plane(1)).all()
        with pytest.raises(InputError, match=r"P1\.tif: file or folder not found"):
            opened.read_scan("P1")
        found = opened.find_moved(tmp_path / "archive")
        assert found == {
            entry.name: tmp_path / "archive" / entry.path.name for entry in opened.missing
        }
        assert [entry.is_missing for entry in opened.scans] == [True] * 3  # it only looked
        for name, path in found.items():
            opened.relocate(name, path)
        assert opened.missing == ()
        kept = [(e.name, e.group, e.split, e.shape) for e in opened.scans]
        assert kept == [(e.name, e.group, e.split, e.shape) for e in before]
        assert load_dataset(opened.folder) == opened.dataset()
    with reopen(opened) as again:
        assert again.missing == ()
        assert again.states("P1") == {0: "confirmed"}


def without_stamps(dataset: Dataset) -> Dataset:
    """A dataset but for the times of the scans' files, which a way there and back changes."""
    cases = tuple(
        case.model_copy(update={"about": {k: v for k, v in case.about.items() if k != "stamp"}})
        for case in dataset.cases
    )
    return dataset.model_copy(update={"cases": cases})


def test_scans_that_come_back_are_there_again_in_their_old_order(
    workspace: Workspace, tmp_path: Path
) -> None:
    label_all(workspace)
    before = workspace.scans, without_stamps(workspace.dataset())
    path = tmp_path / "clinic" / "P1.tif"
    away = path.rename(tmp_path / "away.tif")
    with reopen(workspace) as opened:
        assert [entry.is_missing for entry in opened.scans] == [True, False, False]
        assert [case.name for case in load_dataset(opened.folder).cases] == ["P2", "S06_B10"]
        opened.write_labels("P1", 1, draw_plane(8), state="corrected")
        opened.write_labels("P2", 1, draw_plane(9), state="corrected")
        opened.clear_labels("P1", [1])
        opened.clear_labels("P2", [1])
    away.rename(path)
    with reopen(opened) as again:
        assert (again.scans, without_stamps(again.dataset())) == before
        assert load_dataset(again.folder) == again.dataset()


def test_a_renamed_scan_is_found_by_its_content(workspace: Workspace, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    write_scan_file(archive / "a" / "P1.tif", (4, 12, 17))  # the name, but not the content
    other = np.zeros(SHAPE, np.uint8)
    (archive / "b").mkdir()
    tifffile.imwrite(archive / "b" / "P1.tif", other, photometric="minisblack")
    (tmp_path / "clinic" / "P1.tif").rename(archive / "b" / "renamed.TIF")
    (archive / ".hidden").mkdir()
    shutil.copy(tmp_path / "clinic" / "P2.tif", archive / ".hidden" / "P2.tif")
    (tmp_path / "clinic" / "P2.tif").unlink()
    with reopen(workspace) as opened:
        assert opened.find_moved(archive) == {"P1": archive / "b" / "renamed.TIF"}
        assert opened.find_moved(tmp_path / "clinic") == {}
        with pytest.raises(InputError, match="folder not found"):
            opened.find_moved(tmp_path / "none")


def test_without_a_known_content_only_the_name_finds_a_scan(tmp_path: Path) -> None:
    case = Case(image=tmp_path / "gone" / "P1.tif", group="g", about={"name": "P1"})
    write_scan_file(tmp_path / "archive" / "a" / "P2.tif")
    write_scan_file(tmp_path / "archive" / "a" / "A1.tif")
    assert find_moved([case], tmp_path / "archive") == {}
    there = write_scan_file(tmp_path / "archive" / "b" / "p1.TIF")
    assert find_moved([case], tmp_path / "archive") == {"P1": there}


def test_another_scan_is_not_taken_for_the_one_that_moved(
    workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "clinic" / "P1.tif").unlink()
    same_shape = write_scan_file(tmp_path / "new" / "P1b.tif")
    other_shape = write_scan_file(tmp_path / "new" / "P1c.tif", (5, 12, 16))
    with reopen(workspace) as opened:
        with pytest.raises(InputError, match=r"not the scan that was added as P1"):
            opened.relocate("P1", same_shape)
        with pytest.raises(InputError, match=r"shape \(5, 12, 16\)"):
            opened.relocate("P1", other_shape, check_hash=False)
        with pytest.raises(InputError, match="file or folder not found"):
            opened.relocate("P1", tmp_path / "none.tif")
        with pytest.raises(InputError, match="already in the workspace, as P2"):
            opened.relocate("P1", tmp_path / "clinic" / "P2.tif", check_hash=False)
        assert [entry.name for entry in opened.missing] == ["P1"]
        entry = opened.relocate("P1", same_shape, check_hash=False)
        assert (entry.path, entry.is_missing) == (same_shape, False)
        moved = same_shape.rename(tmp_path / "again.tif")
        opened.relocate("P1", moved)  # the hash is that of the new file


def test_a_folder_of_bscans_is_found_again(tmp_path: Path) -> None:
    folder = tmp_path / "clinic" / "eye"
    for number in range(3):
        write_scan_file(folder / f"B{number}.png", SHAPE[1:])
    with Workspace.create(tmp_path / "work", classes=TINY_CLASSES) as made:
        entry = made.add_scan(read_scan(folder))
        assert (entry.name, entry.n_bscans) == ("eye", 3)
    shutil.move(folder, tmp_path / "archive" / "deep" / "other name")
    shutil.copytree(tmp_path / "archive" / "deep" / "other name", tmp_path / "archive" / "eye")
    write_scan_file(tmp_path / "archive" / "eye" / "B2.png", (12, 17))
    with Workspace.open(tmp_path / "work") as opened:
        found = opened.find_moved(tmp_path / "archive")
        assert found == {"eye": tmp_path / "archive" / "deep" / "other name"}
        opened.relocate("eye", found["eye"])
        assert opened.read_scan("eye").n_bscans == 3


def test_a_missing_scan_that_is_added_again_is_the_same(
    workspace: Workspace, tmp_path: Path
) -> None:
    label_all(workspace)
    moved = (tmp_path / "clinic" / "P1.tif").rename(tmp_path / "P1 (1).tif")
    with reopen(workspace) as opened:
        entry = opened.add_scan(read_scan(moved))
        assert (entry.name, entry.path, entry.is_missing) == ("P1", moved, False)
        assert opened.states("P1") == {0: "confirmed"}
        assert len(opened.scans) == 3


def test_a_workspace_that_moved_finds_the_scans_that_stayed(
    workspace: Workspace, tmp_path: Path
) -> None:
    label_all(workspace)
    paths = [entry.path for entry in workspace.scans]
    workspace.close()
    moved = tmp_path / "elsewhere" / "deeper" / "work"
    moved.parent.mkdir(parents=True)
    workspace.folder.rename(moved)
    with pytest.raises(InputError, match="image not found"):
        load_dataset(moved)
    with Workspace.open(moved) as opened:
        assert (opened.id, opened.missing) == (workspace.id, ())
        assert [entry.path for entry in opened.scans] == paths
        assert load_dataset(moved) == opened.dataset()
        assert opened.states("P2") == {0: "confirmed"}


def test_a_workspace_that_moved_does_not_take_other_scans_for_its_own(
    workspace: Workspace, tmp_path: Path
) -> None:
    workspace.close()
    moved = tmp_path / "elsewhere" / "work"
    moved.parent.mkdir()
    workspace.folder.rename(moved)
    # where the old way leads from the new place: another scan of that name and size
    pixels = read_scan(tmp_path / "clinic" / "P1.tif").pixels
    decoy = tmp_path / "elsewhere" / "clinic" / "P1.tif"
    decoy.parent.mkdir()
    other = np.asarray(pixels).copy()
    other[0, 0, 0] ^= 1
    tifffile.imwrite(decoy, other, photometric="minisblack", metadata={"axes": "ZYX"})
    assert decoy.stat().st_size == (tmp_path / "clinic" / "P1.tif").stat().st_size
    shutil.copy(tmp_path / "clinic" / "P2.tif", decoy.parent)
    with Workspace.open(moved) as opened:
        paths = {entry.name: entry.path for entry in opened.scans}
        assert paths["P1"] == tmp_path / "clinic" / "P1.tif"
        assert paths["P2"] == decoy.parent / "P2.tif"  # moved along, and the same
        assert opened.missing == ()
    shutil.rmtree(tmp_path / "clinic")
    twice = tmp_path / "third" / "deep" / "work"
    twice.parent.mkdir(parents=True)
    moved.rename(twice)
    with Workspace.open(twice) as opened:
        assert [entry.name for entry in opened.missing] == ["P1", "S06_B10"]


def test_a_workspace_that_moved_with_its_scans_opens(workspace: Workspace, tmp_path: Path) -> None:
    label_all(workspace)
    workspace.close()
    home = tmp_path / "disk"
    home.mkdir()
    for name in ("work", "clinic"):
        (tmp_path / name).rename(home / name)
    with Workspace.open(home / "work") as opened:
        assert opened.missing == ()
        assert {entry.path.parent for entry in opened.scans} == {home / "clinic"}


def test_a_scan_that_changed_under_its_name_is_not_shown_with_old_labels(
    workspace: Workspace, tmp_path: Path
) -> None:
    path = tmp_path / "clinic" / "P1.tif"
    write_scan_file(path, (5, 12, 16))
    assert workspace.read_scan("P1").n_bscans == 5  # without labels nothing is in the way
    write_scan_file(path, SHAPE)
    assert workspace.read_scan("P1").n_bscans == 4
    workspace.write_labels("P1", 0, draw_plane(), state="confirmed")
    write_scan_file(path, (7, 12, 16))
    with pytest.raises(InputError, match=r"had shape \(4, 12, 16\).*\(7, 12, 16\) now"):
        workspace.read_scan("P1")


def test_the_split_counts_patients_that_are_missing(workspace: Workspace, tmp_path: Path) -> None:
    label_all(workspace)
    before = {entry.name: entry.split for entry in workspace.scans}
    assert sorted(filter(None, before.values())) == ["train", "train", "val"]
    heldout = next(name for name, split in before.items() if split == "val")
    path = next(entry.path for entry in workspace.scans if entry.name == heldout)
    path.unlink()
    with reopen(workspace) as opened:
        (gone,) = opened.missing
        # a new patient who would be held out first, if the missing one did not count
        new = next(n for n in map(str, range(99)) if rank_groups([n, gone.group], 0)[0] == n)
        for name, group in (("eye", gone.group), ("new", new)):
            opened.add_scan(read_scan(write_scan_file(tmp_path / f"{name}.tif")), group=group)
            opened.write_labels(name, 0, draw_plane(), state="confirmed")
        opened.pin()
        after = {entry.name: entry.split for entry in opened.scans}
        assert after == {**before, "eye": "val", "new": "train"}
        content = json.loads((opened.folder / "dataset.json").read_text())
        assert [case["split"] for case in content["missing"]] == ["val"]


def test_a_devices_export_is_found_again(tmp_path: Path) -> None:
    write_export(tmp_path / "clinic" / "a", PLAIN)
    with Workspace.create(tmp_path / "ws", classes=TINY_CLASSES) as workspace:
        name = workspace.add_scan(read_scan(tmp_path / "clinic" / "a")).name
        (tmp_path / "clinic").rename(tmp_path / "archive")
        with reopen(workspace) as opened:
            assert opened.find_moved(tmp_path / "archive") == {name: tmp_path / "archive" / "a"}

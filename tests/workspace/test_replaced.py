"""Scans whose file was replaced: labels are kept, but nothing that was confirmed is relied on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_retseg.dataset import load_dataset
from napari_retseg.errors import InputError
from napari_retseg.io import read_scan
from napari_retseg.workspace import RestorePoints, Workspace
from tests.workspace.conftest import SHAPE, draw_plane, write_scan_file


class Model:
    name, weights_id = "tiny", "w1"


def write_other(path: Path, seed: int = 9, shape: tuple[int, ...] = SHAPE) -> None:
    """Put another scan in the place of a file; of the same size in bytes where the shape is."""
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    tifffile.imwrite(path, pixels, photometric="minisblack", metadata={"axes": "ZYX"})


def replace(path: Path) -> None:
    write_other(path)


def replace_and_set_the_time_back(path: Path) -> None:
    before = path.stat()
    write_other(path)
    assert path.stat().st_size == before.st_size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace_by_moving_an_older_file(path: Path) -> None:
    other = path.with_name("older.tif")
    write_other(other)
    os.utime(other, (1, 1))
    other.replace(path)


WAYS: list[Callable[[Path], None]] = [
    replace,
    replace_and_set_the_time_back,
    replace_by_moving_an_older_file,
]


def reopen(workspace: Workspace) -> Workspace:
    workspace.close()
    return Workspace.open(workspace.folder)


@pytest.fixture
def labelled(workspace: Workspace) -> Workspace:
    """Two B-scans of P1 are confirmed, one is corrected, all are predicted; P2 is confirmed."""
    for bscan, state in ((0, "confirmed"), (1, "corrected"), (2, "confirmed")):
        workspace.write_labels("P1", bscan, draw_plane(bscan), state=state)  # type: ignore[arg-type]
    workspace.write_labels("P2", 3, draw_plane(3), state="confirmed")
    for name in ("P1", "P2"):
        planes = {b: (draw_plane(10 + b), None) for b in range(4)}
        workspace.write_predictions(name, planes, model=Model(), options="o")
    return workspace


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("moment", ["before opening", "before reading", "before training"])
def test_labels_of_a_replaced_scan_are_to_be_confirmed_again(
    labelled: Workspace, scan_files: list[Path], way: Callable[[Path], None], moment: str
) -> None:
    before = labelled.read_labels("P1")
    if moment == "before opening":
        way(scan_files[0])
        opened = reopen(labelled)
        assert any("P1.tif: the scan has changed" in note for note in opened.notes)
    else:
        opened = reopen(labelled)
        assert opened.notes == ()
        way(scan_files[0])
        if moment == "before reading":
            assert any("the scan has changed" in note for note in opened.read_scan("P1").notes)
        else:
            found = load_dataset(opened.save_snapshot(opened.new_round() / "data"))
            counts = {case.name: case.annotated_bscans() for case in found.cases}
            assert counts["P1"] == []
            assert counts["P2"] == [3]
    with opened:
        assert opened.states("P1") == {0: "corrected", 1: "corrected", 2: "corrected"}
        assert opened.states("P2") == {3: "confirmed"}
        np.testing.assert_array_equal(opened.read_labels("P1"), before)
        assert opened.predictions("P1") == {}
        assert opened.read_prediction("P1") is None
        assert len(opened.predictions("P2")) == 4
        points = RestorePoints(opened)
        assert [(p.name, p.why) for p in points.list()] == [("P1", "scan file replaced")]
        # what was confirmed of the other scan does not come back as confirmed
        opened.write_labels("P1", 0, draw_plane(7), state="corrected")
        points.restore(1)
        assert opened.states("P1") == {0: "corrected", 1: "corrected", 2: "corrected"}
        np.testing.assert_array_equal(opened.read_labels("P1"), before)
        opened.write_labels("P1", 0, draw_plane(7), state="confirmed")
    with reopen(opened) as again:
        assert again.notes == ()
        assert again.states("P1")[0] == "confirmed"
        assert len(RestorePoints(again).list()) == 2


@pytest.mark.parametrize("way", WAYS)
def test_the_command_line_relies_on_none_of_them_either(
    labelled: Workspace, scan_files: list[Path], way: Callable[[Path], None]
) -> None:
    labelled.close()
    way(scan_files[0])
    found = load_dataset(labelled.folder)
    assert {case.name: case.annotated_bscans() for case in found.cases} == {
        "P1": [],
        "P2": [3],
        "S06_B10": [],
    }
    assert any("P1.tif: the scan has changed" in note for note in found.notes)


def test_a_copy_or_a_touched_file_is_the_same_scan(
    labelled: Workspace, scan_files: list[Path], tmp_path: Path
) -> None:
    scan_files[0].touch()
    shutil.copy(scan_files[1], tmp_path / "copy.tif")
    (tmp_path / "copy.tif").replace(scan_files[1])
    with reopen(labelled) as opened:
        assert opened.notes == ()
        assert opened.states("P1")[0] == "confirmed"
        assert opened.states("P2") == {3: "confirmed"}
        assert len(opened.predictions("P1")) == 4


def test_a_scan_that_can_only_be_looked_at_is_not_relied_on_either(
    labelled: Workspace, scan_files: list[Path]
) -> None:
    before = (labelled.folder / "dataset.json").read_bytes()
    replace(scan_files[0])
    with Workspace.open(labelled.folder) as second:
        assert second.is_read_only
        assert second.states("P1") == {0: "corrected", 1: "corrected", 2: "corrected"}
        assert second.predictions("P1") == {}
    assert (labelled.folder / "dataset.json").read_bytes() == before


def test_another_shape_is_said_and_the_labels_wait_for_their_scan(
    labelled: Workspace, scan_files: list[Path], tmp_path: Path
) -> None:
    shutil.copy2(scan_files[0], tmp_path / "kept.tif")
    write_other(scan_files[0], shape=(4, 10, 10))
    with reopen(labelled) as opened:
        assert opened.states("P1") == {0: "corrected", 1: "corrected", 2: "corrected"}
        with pytest.raises(InputError, match=r"had shape \(4, 12, 16\)"):
            opened.read_scan("P1")
    shutil.copy2(tmp_path / "kept.tif", scan_files[0])
    with reopen(labelled) as opened:
        assert opened.read_scan("P1").spatial_shape == SHAPE
        assert opened.notes == ()
        opened.remove_scan("P1")
        opened.add_scan(read_scan(scan_files[0]))
        np.testing.assert_array_equal(opened.read_labels("P1")[1], draw_plane(1))


def test_a_folder_of_bscans_is_replaced_by_any_of_its_files(
    workspace: Workspace, tmp_path: Path
) -> None:
    folder = tmp_path / "clinic" / "eye"
    for number in range(3):
        write_scan_file(folder / f"{number}.png", SHAPE[1:])
    workspace.add_scan(read_scan(folder))
    workspace.write_labels("eye", 1, draw_plane(), state="confirmed")
    shutil.copy(folder / "0.png", folder / "2.png")
    with reopen(workspace) as opened:
        assert opened.states("eye") == {1: "corrected"}


def test_predictions_are_known_by_scan_weights_and_options(labelled: Workspace) -> None:
    found = labelled.predictions("P1")[0]
    assert (found.weights_id, found.options) == ("w1", "o")
    assert found.scan == labelled.content_of("P1")
    about = labelled.folder / "predictions" / "P1" / "about.json"
    shutil.copy(labelled.folder / "predictions" / "P2" / "about.json", about)
    with reopen(labelled) as opened:  # what is said of another scan does not count
        assert opened.predictions("P1") == {}
        assert len(opened.predictions("P2")) == 4


def test_labels_of_which_nobody_knows_the_model_are_no_prediction(labelled: Workspace) -> None:
    folder = labelled.folder / "predictions" / "P1"
    (folder / "about.json").unlink()
    with reopen(labelled) as opened:
        assert opened.predictions("P1") == {}
        opened.write_prediction("P1", 0, draw_plane(4), model=Model())
        assert set(opened.predictions("P1")) == {0}
        assert set((opened.read_prediction("P1")).bscans) == {0}  # type: ignore[union-attr]


def test_a_scan_of_another_content_is_to_be_confirmed_again(
    labelled: Workspace, scan_files: list[Path], tmp_path: Path
) -> None:
    scan_files[0].unlink()
    other = write_scan_file(tmp_path / "other.tif")
    with reopen(labelled) as opened:
        opened.relocate("P1", other, check_hash=False)
        assert opened.states("P1") == {0: "corrected", 1: "corrected", 2: "corrected"}
        assert opened.predictions("P1") == {}

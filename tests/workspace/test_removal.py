"""A scan that is removed comes back with its labels, also where a kill cut it off."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from napari_retseg.dataset import load_dataset
from napari_retseg.errors import InputError
from napari_retseg.io import read_scan
from napari_retseg.workspace import Workspace
from tests.workspace.conftest import draw_plane, write_scan_file
from tests.workspace.dying import Killed
from tests.workspace.player import Model


def test_a_scan_that_is_removed_leaves_its_labels_behind(
    workspace: Workspace, scan_files: list[Path], tmp_path: Path
) -> None:
    workspace.write_labels("P1", 1, draw_plane(1), state="confirmed", model="m1")
    workspace.write_labels("P1", 2, draw_plane(2), state="corrected")
    workspace.remove_scan("P1")
    assert [entry.name for entry in workspace.scans] == ["P2", "S06_B10"]
    assert scan_files[0].exists()
    kept = workspace.folder / "removed" / "P1"
    assert sorted(p.name for p in (kept / "labels").iterdir()) == ["0001.png", "0002.png"]
    assert load_dataset(workspace.folder) == workspace.dataset()
    with pytest.raises(InputError, match="no scan named 'P1'; it may have been removed"):
        workspace.states("P1")
    # another scan of that name does not get them
    other = workspace.add_scan(read_scan(write_scan_file(tmp_path / "other" / "p1.tif")))
    assert (other.name, workspace.states(other.name)) == ("p1", {})
    # the scan itself does, under whatever name
    back = workspace.add_scan(read_scan(scan_files[0]))
    assert back.name == "P1-2"
    assert workspace.states("P1-2") == {1: "confirmed", 2: "corrected"}
    np.testing.assert_array_equal(workspace.read_labels("P1-2")[2], draw_plane(2))
    assert not kept.exists()
    assert load_dataset(workspace.folder) == workspace.dataset()


def test_a_removed_scan_that_was_never_labelled_comes_back_empty(
    workspace: Workspace, scan_files: list[Path]
) -> None:
    for _ in range(2):
        workspace.remove_scan("P2")
        assert workspace.add_scan(read_scan(scan_files[1])).name == "P2"
    assert workspace.states("P2") == {}


def test_a_kill_while_labels_come_back_loses_none(
    workspace: Workspace, scan_files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.write_labels("P1", 1, draw_plane(1), state="confirmed")
    workspace.remove_scan("P1")
    scan = read_scan(scan_files[0])

    def die(_dataset: object) -> None:
        raise InputError("killed here")

    with monkeypatch.context() as patch:
        patch.setattr("napari_retseg.workspace.cases.save_dataset", die)
        with pytest.raises(InputError, match="killed here"):
            workspace.add_scan(scan)
    workspace.close()
    with Workspace.open(workspace.folder) as opened:
        entry = opened.add_scan(scan)
        assert opened.states(entry.name) == {1: "confirmed"}
        np.testing.assert_array_equal(opened.read_labels(entry.name)[1], draw_plane(1))


@pytest.mark.parametrize("n_moves", [0, 1])
def test_a_removal_that_a_kill_cut_off_is_finished_when_the_workspace_opens(
    workspace: Workspace, scan_files: list[Path], n_moves: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.write_labels("P1", 1, draw_plane(1), state="confirmed")
    workspace.write_prediction("P1", 2, draw_plane(2), model=Model("m"))
    real, moves = Path.replace, []

    def die(self: Path, target: Path) -> Path:
        if self.is_dir():
            moves.append(self)
            if len(moves) > n_moves:
                raise Killed
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", die)
        with pytest.raises(Killed):
            workspace.remove_scan("P1")
    workspace.close()
    with Workspace.open(workspace.folder) as opened:
        assert not (opened.folder / "labels" / "P1").exists()
        assert not (opened.folder / "predictions" / "P1").exists()
        entry = opened.add_scan(read_scan(scan_files[0]))
        assert entry.name == "P1"
        assert opened.states("P1") == {1: "confirmed"}
        np.testing.assert_array_equal(opened.read_labels("P1")[1], draw_plane(1))


@pytest.mark.parametrize("newest", [0, 1])
def test_what_a_kill_left_goes_to_the_latest_removal_of_that_name(
    workspace: Workspace, newest: int
) -> None:
    workspace.write_labels("P1", 1, draw_plane(1), state="confirmed")
    workspace.remove_scan("P1")
    folders = [workspace.folder / "removed" / name for name in ("P1", "P1-2")]
    shutil.rmtree(folders[0] / "labels")
    shutil.copytree(folders[0], folders[1])
    for number, folder in enumerate(folders):
        at = 10.0**9 + 10 * (number == newest)
        os.utime(folder / "case.json", (at, at))
    left = workspace.folder / "labels" / "P1"
    left.mkdir(exist_ok=True)
    (left / "0002.png").write_bytes(b"left behind")
    workspace.close()
    with Workspace.open(workspace.folder):
        assert not left.exists()
    found = [(folder / "labels" / "0002.png").is_file() for folder in folders]
    assert found == [number == newest for number in range(2)]


def test_a_removal_of_long_ago_takes_no_labels_of_a_scan_that_is_there(
    workspace: Workspace, scan_files: list[Path]
) -> None:
    """Where capital letters make no difference, its folder is that of the other scan."""
    workspace.write_labels("P2", 1, draw_plane(1), state="corrected")
    workspace.remove_scan("P1")
    kept = workspace.folder / "removed" / "P1" / "case.json"
    kept.write_text(kept.read_text().replace('"name": "P1"', '"name": "p2"'))
    folder = workspace.folder / "labels" / "p2"
    folder.mkdir(exist_ok=True)
    workspace.close()
    with Workspace.open(workspace.folder) as opened:
        assert opened.states("P2") == {1: "corrected"}
        assert folder.is_dir()
    assert [p.name for p in kept.parent.iterdir()] == ["case.json"]

"""Folders that moved, newer files and second windows: what the dock shows and offers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from napari_retseg.workspace import Workspace
from tests.ui.workbench.safety.clicking import User


def start(user: User, folder: Path, volume: Path) -> Path:
    """Make a workspace whose scan lies outside it, paint on B-scan 2, and leave it."""
    scans = folder / "clinic"
    scans.mkdir()
    scan = shutil.copyfile(volume, scans / "left.tif")
    user.make_workspace(folder / "work")
    user.add(scan)
    user.paint(1, slice(10, 20), 3)
    user.wait_until_saved()
    user.press_new(folder / "other")
    user.wait(lambda: user.state.folder == folder / "other")
    return folder / "work"


def test_a_workspace_that_moved_and_scans_that_moved(
    user: User, tmp_path: Path, volume: Path
) -> None:
    start(user, tmp_path, volume).rename(tmp_path / "desktop")
    panel = user.dock.scan_panel
    user.open_workspace(tmp_path / "desktop")
    user.wait(lambda: user.state.n_bscans == 5)
    assert not panel.locate_button.isVisible()
    assert (user.opened.labels.data[1][10:20] == 3).all()
    user.open_workspace(tmp_path / "other")
    user.wait(lambda: user.state.folder == tmp_path / "other")

    (tmp_path / "clinic").rename(tmp_path / "archive")
    user.open_workspace(tmp_path / "desktop")
    user.wait(lambda: user.state.folder == tmp_path / "desktop")
    user.wait(lambda: "left" in user.notice)
    assert "Press Locate and choose the folder" in user.notice
    assert panel.scan_box.itemText(0) == "left (not found)"
    user.choose_folder(tmp_path / "desktop")
    user.click(panel.locate_button)
    user.wait(lambda: "still missing" in user.notice)
    user.choose_folder(tmp_path / "archive")
    user.click(panel.locate_button)
    user.wait(lambda: user.state.n_bscans == 5)
    assert panel.scan_box.itemText(0) == "left"
    assert not panel.locate_button.isVisible()
    assert (user.opened.labels.data[1][10:20] == 3).all()


def test_a_newer_workspace_is_left_alone(user: User, tmp_path: Path, volume: Path) -> None:
    folder = start(user, tmp_path, volume)
    header = folder / "workspace.json"
    header.write_text(json.dumps({**json.loads(header.read_text()), "schema_version": 99}))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    user.open_workspace(folder)
    user.wait(lambda: "created by a newer napari-retseg" in user.notice)
    assert "update napari-retseg to open it" in user.notice
    assert user.state.folder == tmp_path / "other"
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert after == before


def test_a_second_window_can_look_only(
    user: User, make_user: Callable[[], User], tmp_path: Path, volume: Path
) -> None:
    folder = start(user, tmp_path, volume)
    user.open_workspace(folder)
    user.wait(lambda: user.state.n_bscans == 5)
    second = make_user()
    second.open_workspace(folder)
    second.wait(lambda: second.state.n_bscans == 5)
    with Workspace.open(folder) as third:
        assert second.notice == third.why_read_only
    assert "(read-only)" in second.dock.scan_panel.folder_text.text()
    assert not second.opened.labels.editable
    review = second.dock.review_panel
    for button in (
        review.accept_button,
        review.confirm_button,
        review.undo_button,
        second.dock.scan_panel.add_button,
        second.dock.retrain_panel.retrain_button,
    ):
        assert not button.isEnabled()
    assert (second.opened.labels.data[1][10:20] == 3).all()
    user.paint(2, slice(10, 20), 1)
    user.wait_until_saved()
    assert user.states() == {1: "corrected", 2: "corrected"}

"""Restore points: nothing that was kept is overwritten, whatever the disk or a crash does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from napari_retseg.dataset import load_dataset
from napari_retseg.dataset.planes import list_planes, plane_path, read_plane
from napari_retseg.errors import InputError
from napari_retseg.workspace.autosave import Autosaver
from napari_retseg.workspace.restore import RestorePoints
from napari_retseg.workspace.restore_point import RestorePoint
from napari_retseg.workspace.workspace import Workspace
from tests.workspace.restore.painting import SHAPE, Seen, add_volume, paint, plane, see


def test_strokes_on_their_way_to_the_disk_are_in_the_point(workspace: Workspace) -> None:
    saver = Autosaver(workspace, on_error=pytest.fail, delay=30)
    points = RestorePoints(workspace, flush=lambda: saver.flush(5))
    saver.put("first", 0, plane(4))
    point = points.make("before accepting", name="first")
    saver.put("first", 0, plane(5), state="confirmed")
    points.restore(point.number)
    saver.close()
    assert see(workspace) == {0: (4, "corrected")}


def test_strokes_wait_for_a_folder_that_is_write_protected(workspace: Workspace) -> None:
    told: list[str] = []
    saver = Autosaver(workspace, on_error=told.append, on_saved=lambda: told.append("saved"))
    points = RestorePoints(workspace, flush=saver.flush)
    paint(workspace, 0, 1, "confirmed")
    labels = workspace.folder / "labels" / "first"
    labels.chmod(0o555)
    try:
        saver.put("first", 0, plane(2))
        saver.put("first", 1, plane(3), state="confirmed")
        assert not saver.flush()
        with pytest.raises(InputError, match="not saved yet"):
            points.make("before", name="first")
        assert see_on_disk(workspace.folder) == {0: (1, "corrected")}
    finally:
        labels.chmod(0o755)
    assert saver.flush(5)
    saver.close()
    assert len(told) == 2
    assert "write-protected" in told[0]
    assert see_on_disk(workspace.folder) == {0: (2, "corrected"), 1: (3, "confirmed")}


def test_no_point_is_made_while_strokes_cannot_be_saved(workspace: Workspace) -> None:
    points = RestorePoints(workspace, flush=lambda: False)
    with pytest.raises(InputError, match="free some disk space"):
        points.make("before", name="first")
    assert points.list() == []


def test_the_newest_points_are_kept(workspace: Workspace) -> None:
    points = RestorePoints(workspace, keep=3)
    for value in range(1, 7):
        paint(workspace, 0, value)
        points.make(f"before {value + 1}", name="first")
    assert [p.number for p in points.list()] == [6, 5, 4]
    assert sorted(p.name for p in (workspace.folder / "restore").iterdir()) == [
        "000004",
        "000005",
        "000006",
    ]
    # the oldest is still there to go back to, though a new point takes its place
    points.restore(4)
    assert see(workspace) == {0: (4, "corrected")}
    assert [p.number for p in RestorePoints(workspace).list()] == [7, 6, 5]


def test_files_are_copied_where_the_disk_knows_no_links(
    workspace: Workspace, points: RestorePoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    paint(workspace, 0, 1)
    linked = points.make("linked", name="first")
    label = workspace.folder / "labels" / "first" / "0000.png"
    assert label.samefile(workspace.folder / "restore" / f"{linked.number:06d}" / "0000.png")

    def refuse(self: Path, target: Path) -> None:
        raise PermissionError("no links")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    copied = points.make("copied", name="first")
    kept = workspace.folder / "restore" / f"{copied.number:06d}" / "0000.png"
    assert not label.samefile(kept)
    assert label.read_bytes() == kept.read_bytes()
    paint(workspace, 0, 2)
    points.restore(copied.number)
    assert see(workspace) == {0: (1, "corrected")}


def test_a_point_that_fails_leaves_nothing_behind(
    workspace: Workspace, points: RestorePoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    paint(workspace, 0, 1)

    def refuse(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        with pytest.raises(InputError, match=r"No space left.*nothing was changed"):
            points.make("before", name="first")
    assert list((workspace.folder / "restore").iterdir()) == []
    assert points.make("before", name="first").number == 1


def test_leftovers_and_damaged_points_do_no_harm(workspace: Workspace) -> None:
    points = RestorePoints(workspace)
    paint(workspace, 0, 1)
    good = points.make("before", name="first")
    folder = workspace.folder / "restore"
    (folder / ".staged-0123456789ab").mkdir()
    (folder / ".staged-0123456789ab" / "0000.png").write_bytes(b"half")
    (folder / "notes.txt").write_text("by hand")
    for number, text in ((7, "{"), (8, "{}"), (9, None)):
        shutil.copytree(folder / "000001", folder / f"{number:06d}")
        described = folder / f"{number:06d}" / "point.json"
        content = json.loads(described.read_text()) | {"number": number, "schema_version": 2}
        described.write_text(json.dumps(content) if text is None else text)
    workspace.close()
    with Workspace.open(workspace.folder) as opened:
        again = RestorePoints(opened)
        assert again.list() == [good]
        unreadable = again.list_unreadable()
        assert [
            f"restore/{number:06d}/point.json: " in why
            for number, why in zip((9, 8, 7), unreadable, strict=True)
        ] == [True] * 3
        assert not (folder / ".staged-0123456789ab").exists()
        assert again.make("after", name="first").number == 10


def test_a_point_that_is_gone_or_of_a_removed_scan_is_refused(
    workspace: Workspace, points: RestorePoints
) -> None:
    with pytest.raises(InputError, match="restore point 5: does not exist"):
        points.restore(5)
    paint(workspace, 0, 1)
    point = points.make("before removing it", name="first")
    workspace.remove_scan("first")
    with pytest.raises(InputError, match="first is not in the workspace"):
        points.restore(point.number)
    assert points.undo() is None
    with pytest.raises(InputError, match="first"):
        points.make("before", name="first")


def test_a_removed_scan_gets_its_labels_back(
    workspace: Workspace, points: RestorePoints, tmp_path: Path
) -> None:
    paint(workspace, 0, 1, "confirmed")
    point = points.make("before removing it", name="first")
    workspace.remove_scan("first")
    add_volume(workspace, tmp_path / "first.npy")
    points.restore(point.number)
    assert see(workspace) == {0: (1, "confirmed")}


def test_a_read_only_workspace_shows_its_points_but_changes_nothing(
    workspace: Workspace, points: RestorePoints
) -> None:
    paint(workspace, 0, 1)
    point = points.make("before", name="first")
    paint(workspace, 0, 2)
    with Workspace.open(workspace.folder) as second:
        assert second.is_read_only
        others = RestorePoints(second)
        assert others.list() == [point]
        for act in (
            lambda: others.make("before", name="first"),
            lambda: others.restore(point.number),
            others.undo,
            others.redo,
        ):
            with pytest.raises(InputError):
                act()
        newer = points.make("newer", name="first")
        assert others.list() == [newer, point]
    assert see(workspace) == {0: (2, "corrected")}


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_during_restore_leaves_whole_bscans_and_a_way_back(
    workspace: Workspace, points: RestorePoints, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    paint(workspace, 0, 1, "confirmed")
    paint(workspace, 1, 1)
    old = see(workspace)
    target = points.make("before", name="first")
    paint(workspace, 0, 2)
    paint(workspace, 1, 2, "confirmed")
    paint(workspace, 2, 2, "confirmed")
    new = see(workspace)
    seen = set()
    for step in range(100):
        act = partial(RestorePoints(workspace).restore, target.number)
        was_killed = kill_at(monkeypatch, step, act, after)
        now = see_on_disk(workspace.folder)
        for bscan in (0, 1, 2):
            values = {old.get(bscan), new.get(bscan)}
            # while its file changes, a B-scan may have the state that promises less
            values |= {(pair[0], "corrected") for pair in values if pair}
            assert now.get(bscan) in values
        seen.add(str(now))
        if not was_killed:
            break
        workspace = reopen(workspace)
        back = RestorePoints(workspace)
        newest = back.list()[0]
        if newest.number != target.number:
            back.restore(newest.number)
        assert see_on_disk(workspace.folder) == new
        keep_only(workspace.folder, target)
    assert not was_killed
    assert see_on_disk(workspace.folder) == old
    assert len(seen) >= 4
    workspace.close()


def kill_at(
    monkeypatch: pytest.MonkeyPatch, step: int, action: Callable[[], object], after: bool
) -> bool:
    """End `action` at its rename number `step`, just before or after; nobody cleans up then."""
    done = 0
    is_dead = False
    replace, rename, unlink, rmtree = Path.replace, Path.rename, Path.unlink, shutil.rmtree

    def die(move: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
        def moving(self: Path, target: Path) -> Path:
            nonlocal done, is_dead
            done += 1
            if done - 1 == step:
                is_dead = True
                if after:
                    move(self, target)
                raise Killed
            return move(self, target)

        return moving

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", die(replace))
        patch.setattr(Path, "rename", die(rename))
        patch.setattr(Path, "unlink", lambda *a, **k: None if is_dead else unlink(*a, **k))
        patch.setattr(shutil, "rmtree", lambda *a, **k: None if is_dead else rmtree(*a, **k))
        try:
            action()
        except Killed:
            return True
    return False


def see_on_disk(folder: Path) -> Seen:
    """Return what a program that opens the workspace now finds; every file must be whole."""
    labels = folder / "labels" / "first"
    values = {b: read_plane(plane_path(labels, b), SHAPE) for b in list_planes(labels)}
    assert all(len(np.unique(value)) == 1 for value in values.values())
    (case,) = [c for c in load_dataset(folder).cases if c.about["name"] == "first"]
    states = case.bscans or {}
    found: Seen = {}
    for bscan, value in values.items():
        state = states[bscan].state if bscan in states else "corrected"
        assert state != "predicted"
        found[bscan] = (int(value.flat[0]), state)
    return found


def reopen(workspace: Workspace) -> Workspace:
    workspace.close()
    return Workspace.open(workspace.folder)


def keep_only(folder: Path, point: RestorePoint) -> None:
    for entry in (folder / "restore").iterdir():
        if entry.name != f"{point.number:06d}":
            shutil.rmtree(entry)

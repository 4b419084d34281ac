"""Files of a workspace that are not what they should be: one line, and all else goes on."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from napari_retseg.dataset import registry
from napari_retseg.errors import InputError
from napari_retseg.io import atomic, read_scan
from napari_retseg.workspace import Autosaver, RestorePoints, Workspace
from tests.workspace.conftest import SHAPE, draw_plane

DEEP = "[" * 2000 + "]" * 2000
BAD: dict[str, str | bytes] = {
    "empty": "",
    "truncated": '{"a": ',
    "a list": "[]",
    "a number": "3",
    "deep": DEEP,
    "nested": f'{{"bscans": {DEEP}, "labels": {DEEP}, "workspaces": {DEEP}}}',
    "digits": f'{{"number": {"9" * 5000}, "weights_id": {"9" * 5000}}}',
    "not finite": '{"weights_id": "a", "model": "b", "bscans": {"0": {"score": NaN}}}',
    "types": '{"weights_id": 3, "model": [], "bscans": [1], "labels": 2, "sha256": {}, "id": []}',
    "keys": '{"weights_id": "a", "model": "b", "bscans": {"x": {}}, "labels": {"-1": "confirmed"}}',
    "not UTF-8 text": b"\xff\xfe\x00\x00",
    "NUL": '{"weights_id": "a\\u0000", "model": "b", "bscans": {}}',
}


class Model:
    name, weights_id = "tiny", "w1"


def put(path: Path, kind: str) -> None:
    """Put something bad in the place of a file."""
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            home = Path.cwd()
            os.chdir(path.parent)  # names of sockets are short
            try:
                server.bind(path.name)
            finally:
                os.chdir(home)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        content = BAD[kind]
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


KINDS = (*BAD, "pipe", "socket", "folder", "device")


@pytest.fixture
def folder(workspace: Workspace) -> Path:
    """A closed workspace: two scans have labels and predictions, P1 has two restore points."""
    for name in ("P1", "P2"):
        workspace.write_labels(name, 1, draw_plane(1), state="confirmed")
        workspace.write_predictions(name, {0: (draw_plane(2), None)}, model=Model())
    points = RestorePoints(workspace)
    points.make("first", name="P1")
    points.make("second", name="P1")
    workspace.remove_scan("S06_B10")
    workspace.close()
    return workspace.folder


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("file", ["dataset.json", "workspace.json"])
def test_a_workspace_that_cannot_be_read_is_one_line(folder: Path, file: str, kind: str) -> None:
    put(folder / file, kind)
    with pytest.raises(InputError) as caught:
        Workspace.open(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert registry.recent() in ([], [folder])  # the list is shown


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "file",
    [
        "predictions/P1/about.json",
        "predictions/P1/0000.png",
        "restore/000001/point.json",
        "removed/S06_B10/case.json",
    ],
)
def test_one_bad_file_keeps_nothing_else_from_being_shown(
    folder: Path, file: str, kind: str, scan_files: list[Path]
) -> None:
    put(folder / file, kind)
    with Workspace.open(folder) as opened:
        assert [entry.name for entry in opened.scans] == ["P1", "P2"]
        assert opened.read_scan("P1").spatial_shape == SHAPE
        assert opened.states("P1") == {1: "confirmed"}
        stored = opened.read_prediction("P2")
        assert stored is not None
        assert set(stored.bscans) == {0}
        is_shown = opened.read_prediction("P1") is not None
        assert is_shown is not file.startswith("predictions")
        if not is_shown:
            assert any(f"{folder}/predictions/P1" in n for n in opened.read_scan("P1").notes)
        points = RestorePoints(opened)
        is_bad = file.startswith("restore")
        assert [point.number for point in points.list()] == ([2] if is_bad else [2, 1])
        assert ["000001" in why for why in points.list_unreadable()] == [True] * is_bad
        if kind != "folder":  # segmenting again mends it
            opened.write_predictions("P1", {0: (draw_plane(5), None)}, model=Model())
            assert set(opened.predictions("P1")) == {0}
            assert opened.read_scan("P1").notes == ()
        entry = opened.add_scan(read_scan(scan_files[2]))
        assert entry.name == "S06_B10"


@pytest.mark.parametrize("kind", KINDS)
def test_the_users_list_may_be_unreadable(folder: Path, own_state: Path, kind: str) -> None:
    put(own_state / "workspaces.json", kind)
    assert registry.recent() == []
    assert registry.find_problem().startswith(str(own_state / "workspaces.json"))
    with Workspace.open(folder, trust=True):
        pass
    assert registry.recent() == [folder]
    assert registry.find_problem() == ""
    assert os.path.lexists(own_state / "workspaces.unreadable")  # what was there is kept


def test_one_bad_entry_of_the_list_is_left_out(folder: Path, own_state: Path) -> None:
    path = own_state / "workspaces.json"
    content = json.loads(path.read_text())
    content["workspaces"] += [3, {"id": 4, "folder": []}, {"id": "x" * 9000, "folder": "/a"}]
    path.write_text(json.dumps(content))
    assert registry.recent() == [folder]


def test_what_killed_programs_left_is_removed(folder: Path) -> None:
    run = folder / "rounds" / "0001"
    places = ("", "labels/P1", "predictions/P1", "removed/S06_B10", "restore/000001", "scans")
    left = [folder / place / ".retseg-0123456789ab.json" for place in places]
    left += [run / "model" / ".retseg-0123456789ab.json", folder / "restore" / ".staged-1" / "x"]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    with Workspace.open(folder):
        hidden = [path.name for path in folder.rglob(".*")]
    assert hidden == [".lock"]


@pytest.mark.parametrize("what", ["renamed", "removed", "replaced"])
def test_strokes_wait_until_a_workspace_that_went_away_is_back(
    workspace: Workspace, what: str
) -> None:
    said: list[str] = []
    saver = Autosaver(workspace, on_error=said.append, delay=0.01)
    folder, away = workspace.folder, workspace.folder.with_name("away")
    if what == "removed":
        shutil.rmtree(folder)
    else:
        folder.rename(away)
    if what == "replaced":
        folder.mkdir()
    saver.put("P1", 0, draw_plane(3), state="confirmed")
    saver.put("P1", 1, draw_plane(4))
    assert not saver.flush()
    assert len(said) == 1
    assert said[0].startswith(f"{folder}: was moved, renamed or removed")
    assert saver.pending == 2
    assert not folder.exists() or list(folder.iterdir()) == []
    if what == "replaced":
        folder.rmdir()
    if what != "removed":
        away.rename(folder)
        assert saver.flush(20)
        assert workspace.states("P1") == {0: "confirmed", 1: "corrected"}
    saver.close()


def _paint(workspace: Workspace) -> None:
    workspace.write_labels("P1", 0, draw_plane(8), state="corrected")


WRITES: dict[str, Callable[[Workspace], object]] = {
    "paint": _paint,
    "predict": lambda w: w.write_predictions("P1", {0: (draw_plane(), None)}, model=Model()),
    "settings": lambda w: w.save_settings(a=1),
    "keep": lambda w: RestorePoints(w).make("test", name="P1"),
    "round": lambda w: w.save_snapshot(w.new_round() / "data"),
    "remove": lambda w: w.remove_scan("P1"),
    "export": lambda w: w.export_labels(w.folder.parent / "out", only_confirmed=False),
}


@pytest.mark.parametrize("act", WRITES)
def test_a_full_disk_names_the_file_and_the_room(
    folder: Path, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    def refuse(_number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")  # as systems do: without a name

    with Workspace.open(folder) as opened:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", refuse)
            with pytest.raises(InputError) as caught:
                WRITES[act](opened)
        assert str(folder.parent) in str(caught.value)
        assert "No space left on device; " in str(caught.value)
        assert "MB are free, the file needs" in str(caught.value) or act == "export"
        assert "free some disk space" in str(caught.value)
        WRITES[act](opened)
    assert not list(folder.rglob(f"{atomic._PREFIX}*"))

"""A workspace as a folder: made, opened, locked, moved, refused, and its settings."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from napari_retseg.dataset import load_dataset, registry
from napari_retseg.errors import InputError
from napari_retseg.io import read_scan
from napari_retseg.workspace import Workspace
from tests.conftest import TINY_CLASSES
from tests.workspace.conftest import draw_plane, write_scan_file


def holder(folder: Path) -> subprocess.Popen[str]:
    """Start a program that has a workspace open until it is killed."""
    code = (
        "import sys, time; from napari_retseg.workspace import Workspace\n"
        "w = Workspace.open(sys.argv[1]); print(w.is_read_only, flush=True); time.sleep(120)"
    )
    command = [sys.executable, "-c", code, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "False"
    return process


def test_an_empty_workspace_is_one(tmp_path: Path) -> None:
    with Workspace.create(tmp_path / "new" / "work", classes=TINY_CLASSES, name="Grader 1") as made:
        assert (made.scans, made.missing, made.rounds, made.notes) == ((), (), [], ())
        assert made.dataset().cases == ()
        made.pin()
    with Workspace.open(tmp_path / "new" / "work") as opened:
        assert (opened.id, opened.name, opened.classes) == (made.id, "Grader 1", TINY_CLASSES)
        assert opened.folder == tmp_path / "new" / "work"
        assert not opened.is_read_only
    assert registry.recent() == [tmp_path / "new" / "work"]


def test_a_workspace_is_made_in_an_empty_folder_only(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / ".DS_Store").touch()
    Workspace.create(tmp_path / "work").close()
    with pytest.raises(InputError, match="already a workspace; open it"):
        Workspace.create(tmp_path / "work")
    write_scan_file(tmp_path / "scans" / "a.tif")
    with pytest.raises(InputError, match=r"not empty \(a\.tif\)"):
        Workspace.create(tmp_path / "scans")
    with pytest.raises(InputError, match="is a file"):
        Workspace.create(tmp_path / "scans" / "a.tif")
    assert [p.name for p in (tmp_path / "scans").iterdir()] == ["a.tif"]


def test_what_was_written_is_there_again(workspace: Workspace) -> None:
    workspace.write_labels("P1", 2, draw_plane(2), state="confirmed", model="abc")
    workspace.write_labels("P1", 0, draw_plane(0), state="corrected")
    workspace.pin()
    before = workspace.scans, workspace.dataset(), workspace.states("P1")
    workspace.close()
    with Workspace.open(workspace.folder) as opened:
        assert (opened.scans, opened.dataset(), opened.states("P1")) == before
        assert opened.notes == ()
        assert opened.states("P1") == {0: "corrected", 2: "confirmed"}
        loaded = load_dataset(opened.folder)
        assert loaded == opened.dataset()
        state = (loaded.cases[0].bscans or {})[2]
        assert (state.model, state.when is not None) == ("abc", True)


def test_a_second_opener_in_another_program_may_only_look(workspace: Workspace) -> None:
    workspace.write_labels("P1", 2, draw_plane(2), state="confirmed")
    workspace.close()
    with holder(workspace.folder) as process:
        with Workspace.open(workspace.folder) as second:
            assert second.is_read_only
            assert "open in another window or program" in second.why_read_only
            assert second.states("P1") == {2: "confirmed"}
            assert (second.read_labels("P1")[2] == draw_plane(2)).all()
            with pytest.raises(InputError, match="open in another window or program"):
                second.write_labels("P1", 1, draw_plane(), state="corrected")
            for change in (second.pin, second.new_round, lambda: second.save_settings(a=1)):
                with pytest.raises(InputError, match="open in another window"):
                    change()
        process.kill()
    with Workspace.open(workspace.folder) as third:  # the dead one's lock is nobody's
        assert not third.is_read_only


def test_a_second_opener_in_the_same_program_may_only_look(workspace: Workspace) -> None:
    second = Workspace.open(workspace.folder)
    assert second.is_read_only
    second.close()
    second.close()
    assert not workspace.is_read_only
    other_thread = threading.Thread(target=workspace.close)
    other_thread.start()
    other_thread.join()
    with Workspace.open(workspace.folder) as third:
        assert not third.is_read_only
    with pytest.raises(InputError, match="was closed; open it again"):
        third.new_round()


def test_a_protected_workspace_may_only_be_looked_at(workspace: Workspace) -> None:
    workspace.close()
    for place in (workspace.folder / "dataset.json", workspace.folder):
        mode = place.stat().st_mode
        place.chmod(mode & ~0o222)
        try:
            with Workspace.open(workspace.folder) as opened:
                assert opened.is_read_only
                assert f"{place} is write-protected" in opened.why_read_only
                assert len(opened.scans) == 3
        finally:
            place.chmod(mode)
    with Workspace.open(workspace.folder) as opened:
        assert not opened.is_read_only


@pytest.mark.parametrize("file", ["workspace.json", "dataset.json"])
def test_a_newer_schema_is_refused_in_one_kind_line(workspace: Workspace, file: str) -> None:
    workspace.close()
    path = workspace.folder / file
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 2}))
    before = path.read_bytes()
    with pytest.raises(InputError, match="update napari-retseg") as caught:
        Workspace.open(workspace.folder)
    assert "\n" not in str(caught.value)
    assert str(workspace.folder) in str(caught.value)
    assert path.read_bytes() == before
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 1}))
    with Workspace.open(workspace.folder) as opened:  # the refusal let the lock go
        assert not opened.is_read_only


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "not a workspace"),
        ("{", "cannot be read as JSON"),
        ("[]", "not a workspace description"),
        ('{"schema_version": 1}', "not a workspace description"),
        ('{"schema_version": "1", "id": "a"}', "not a workspace description"),
        ('{"schema_version": 1, "id": "a", "settings": 3}', "not a workspace description"),
    ],
)
def test_what_is_no_workspace_is_said(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "workspace.json").write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        Workspace.open(tmp_path)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="folder not found"):
        Workspace.open(tmp_path / "none")


def test_a_description_that_is_gone_or_damaged_is_said(workspace: Workspace) -> None:
    workspace.close()
    path = workspace.folder / "dataset.json"
    path.write_text("{")
    with pytest.raises(InputError, match=r"dataset\.json: cannot be read as JSON"):
        Workspace.open(workspace.folder)
    path.unlink()
    with pytest.raises(InputError, match=r"dataset\.json: file or folder not found"):
        Workspace.open(workspace.folder)


def test_a_workspace_of_somebody_else_is_not_followed_outside(
    workspace: Workspace, own_state: Path
) -> None:
    workspace.close()
    shutil.rmtree(own_state)
    with pytest.raises(InputError, match="napari-retseg workspace trust"):
        Workspace.open(workspace.folder)
    with pytest.raises(InputError, match="napari-retseg workspace trust"):
        load_dataset(workspace.folder)
    assert registry.recent() == []
    with Workspace.open(workspace.folder, trust=True) as opened:
        assert [entry.is_missing for entry in opened.scans] == [False] * 3
    with Workspace.open(workspace.folder):
        assert len(load_dataset(workspace.folder).cases) == 3


def test_a_workspace_of_somebody_else_with_all_inside_opens(
    tmp_path: Path, scan_files: list[Path], own_state: Path
) -> None:
    with Workspace.create(tmp_path / "work") as made:
        inside = made.folder / "copied.tif"
        shutil.copy(scan_files[0], inside)
        made.add_scan(read_scan(inside))
    shutil.rmtree(own_state)
    with Workspace.open(tmp_path / "work") as opened:
        assert opened.scans[0].path == inside


def test_labels_of_a_hand_written_description_may_not_leave_the_folder(
    workspace: Workspace, tmp_path: Path
) -> None:
    workspace.close()
    path = workspace.folder / "dataset.json"
    content = json.loads(path.read_text())
    for label, message in [("../clinic", "labels must be inside"), ("./other", "in a workspace")]:
        content["training"][0] |= {"label": label, "bscans": {}}
        path.write_text(json.dumps(content))
        with pytest.raises(InputError, match=message):
            Workspace.open(workspace.folder)
    content["training"][0] |= {"label": None}
    content["training"][1]["image"] = content["training"][0]["image"]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="is listed twice"):
        Workspace.open(workspace.folder)


def test_cases_written_by_hand_get_names_and_shapes(workspace: Workspace) -> None:
    workspace.close()
    path = workspace.folder / "dataset.json"
    content = json.loads(path.read_text())
    for case in content["training"]:
        for key in ("name", "shape", "sha256", "size"):
            del case[key]
    content["training"][1]["name"] = "P1"
    path.write_text(json.dumps(content))
    with Workspace.open(workspace.folder) as opened:
        assert [entry.name for entry in opened.scans] == ["P1", "P1-2", "S06_B10"]
        assert [entry.n_bscans for entry in opened.scans] == [4, 4, 1]
        opened.write_labels("P1-2", 3, draw_plane(), state="confirmed")
        assert load_dataset(opened.folder) == opened.dataset()


def test_settings_stay(workspace: Workspace) -> None:
    workspace.save_settings(model="starter", budget={"minutes": 5})
    workspace.save_settings(model="mine")
    workspace.settings["model"] = "not this way"
    workspace.close()
    with Workspace.open(workspace.folder) as opened:
        assert opened.settings == {"model": "mine", "budget": {"minutes": 5}}


def test_rounds_are_numbered(workspace: Workspace) -> None:
    rounds = workspace.folder / "rounds"
    assert [workspace.new_round() for _ in range(2)] == [rounds / "0001", rounds / "0002"]
    (rounds / "0009").mkdir()
    (rounds / "notes").mkdir()
    assert workspace.new_round() == rounds / "0010"
    assert [path.name for path in workspace.rounds] == ["0001", "0002", "0009", "0010"]


def test_classes_that_are_labelled_stay_and_others_may_come(workspace: Workspace) -> None:
    workspace.set_classes(TINY_CLASSES.from_names(["retina"]))
    assert load_dataset(workspace.folder).labels.names == ("background", "retina")
    workspace.write_labels("P1", 0, draw_plane(), state="corrected")
    with pytest.raises(InputError, match="P1 has labels, so retina cannot be removed or moved"):
        workspace.set_classes(TINY_CLASSES)
    assert workspace.classes.names == ("background", "retina")
    workspace.set_classes(workspace.classes.extended(["drusen"]))
    found = load_dataset(workspace.folder).labels
    assert [(c.value, c.name) for c in found.classes[1:]] == [(1, "retina"), (2, "drusen")]


@pytest.mark.parametrize(
    "bad",
    [
        [],
        5,
        {},
        {"image": 5},
        {"image": "scans/x.tif", "split": "dev"},
        {"image": "x\u0001" * 3000},
    ],
)
def test_one_bad_entry_is_set_aside_and_the_others_are_there(
    workspace: Workspace, bad: object
) -> None:
    folder = workspace.folder
    names = [entry.name for entry in workspace.scans]
    workspace.close()
    path = folder / "dataset.json"
    content = json.loads(path.read_text())
    content["training"].insert(1, bad)
    path.write_text(json.dumps(content))
    for _ in range(2):
        with Workspace.open(folder, trust=True) as opened:
            assert [entry.name for entry in opened.scans] == names
            assert any(note.startswith("skipped one entry: ") for note in opened.notes)
        assert json.loads(path.read_text())["unreadable"] == [bad]

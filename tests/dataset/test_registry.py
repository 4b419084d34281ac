"""The list of workspaces: which are the user's own, wherever they lie by now."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_retseg.dataset import load_dataset, registry
from napari_retseg.errors import InputError
from tests.dataset.conftest import NAMES, write_description, write_pair, write_png


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_RETSEG_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def make_workspace(folder: Path, workspace_id: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "workspace.json").write_text(json.dumps({"schema_version": 1, "id": workspace_id}))
    return folder


def test_the_list_shows_the_last_opened_first(tmp_path: Path) -> None:
    assert registry.recent() == []
    a, b = make_workspace(tmp_path / "a", "A"), make_workspace(tmp_path / "b", "B")
    registry.remember(a, "A")
    registry.remember(b, "B")
    assert registry.recent() == [b, a]
    registry.remember(a, "A")
    assert registry.recent() == [a, b]
    registry.forget(b)
    assert registry.recent() == [a]
    assert not registry.is_own(b)
    (a / "workspace.json").unlink()
    assert registry.recent() == []


def test_at_most_20_are_shown(tmp_path: Path) -> None:
    folders = [make_workspace(tmp_path / str(n), f"id{n}") for n in range(25)]
    for n, folder in enumerate(folders):
        registry.remember(folder, f"id{n}")
    assert registry.recent() == folders[:4:-1]
    assert registry.is_own(folders[0])


def test_a_workspace_that_was_moved_stays_the_users(tmp_path: Path) -> None:
    folder = make_workspace(tmp_path / "a", "A")
    registry.remember(folder, "A")
    moved = folder.rename(tmp_path / "elsewhere")
    assert registry.is_own(moved)
    known = registry.find("A")
    assert known is not None
    assert known.folder == folder
    registry.remember(moved, "A")
    assert registry.recent() == [moved]
    assert not registry.is_own(make_workspace(tmp_path / "foreign", "F"))
    assert not registry.is_own(tmp_path / "none")


def test_the_data_of_a_round_is_the_workspaces(tmp_path: Path) -> None:
    folder = make_workspace(tmp_path / "a", "A")
    registry.remember(folder, "A")
    assert registry.is_own(folder / "rounds" / "0001" / "data")
    assert not registry.is_own(folder / "rounds" / "0001" / "data" / "deeper")
    foreign = make_workspace(folder / "rounds" / "copy", "F")
    assert not registry.is_own(foreign)


@pytest.mark.parametrize("content", ["", "[]", '{"workspaces": 3}', '{"workspaces": [1, {}]}'])
def test_a_damaged_list_is_made_anew(tmp_path: Path, state: Path, content: str) -> None:
    state.mkdir()
    (state / "workspaces.json").write_text(content)
    folder = make_workspace(tmp_path / "a", "A")
    assert registry.recent() == []
    assert not registry.is_own(folder)
    registry.remember(folder, "A")
    assert registry.is_own(folder)


def test_a_state_folder_that_cannot_be_made_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NAPARI_RETSEG_STATE", str(tmp_path / "file" / "state"))
    folder = make_workspace(tmp_path / "a", "A")
    with pytest.raises(InputError, match="set NAPARI_RETSEG_STATE") as caught:
        registry.remember(folder, "A")
    assert "\n" not in str(caught.value)
    assert not registry.is_own(folder)


def test_programs_that_write_the_list_at_once_lose_nothing(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from napari_retseg.dataset import registry\n"
        "for n in range(10): registry.remember(Path(sys.argv[1]) / f'{sys.argv[2]}{n}', "
        "f'{sys.argv[2]}{n}')"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name]) for name in "abc"
    ]
    assert [process.wait(timeout=120) for process in started] == [0, 0, 0]
    known = [registry.find(f"{name}{n}") for name in "abc" for n in range(10)]
    assert {one.folder for one in known if one} == {
        tmp_path / f"{name}{n}" for name in "abc" for n in range(10)
    }


def test_scans_outside_are_read_where_the_workspace_is_the_users(tmp_path: Path) -> None:
    folder = write_pair(tmp_path / "work", ["a"])
    (folder / "workspace.json").write_text('{"schema_version": 1, "id": "A"}')
    write_png(tmp_path / "outside.png", np.zeros((6, 8), np.uint8))
    write_description(folder, labels=NAMES, training=["../outside.png"])
    with pytest.raises(InputError, match="napari-retseg workspace trust") as caught:
        load_dataset(folder)
    assert str(folder) in str(caught.value)
    registry.remember(folder, "A")
    assert load_dataset(folder).cases[0].image == tmp_path / "outside.png"
    assert load_dataset(folder / "dataset.json").cases[0].image == tmp_path / "outside.png"
    with pytest.raises(InputError, match="is outside"):
        load_dataset(folder, allow_outside=False)
    (folder / "workspace.json").unlink()
    with pytest.raises(InputError, match="allow_outside=True"):
        load_dataset(folder)

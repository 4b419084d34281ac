"""Files of several volumes in the viewer: the user chooses; a workspace takes all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QInputDialog

from napari_retseg.ui.readers import NothingChosenError, read_layers
from tests.io.e2e_file import PLAIN, MadeVolume, make_raw, write_e2e
from tests.ui.workbench.playedbench import PlayedBench

OTHER = MadeVolume(make_raw(2), PLAIN.places[:2], eye="R", number=40)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_e2e(tmp_path / "eye.E2E", PLAIN, OTHER)


def test_the_user_chooses_a_volume(
    file: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def choose(_parent: Any, _title: str, _text: str, lines: list[str], *_: Any) -> Any:
        asked.append(lines)
        return lines[1], True

    monkeypatch.setattr(QInputDialog, "getItem", choose)
    layers = read_layers(str(file))
    ((first, second),) = asked
    assert first.startswith("0: ")
    assert "2 B-scans" in second
    pixels, about, _ = next(data for data in layers if data[1]["name"] == "eye-1")
    assert pixels.shape[0] == 2
    assert about["metadata"]["retseg"]["laterality"] == "OD"


def test_a_choice_that_is_cancelled_opens_nothing(
    file: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QInputDialog, "getItem", lambda *_: ("", False))
    with pytest.raises(NothingChosenError, match="contains 2 volumes"):
        read_layers(str(file))


def test_a_workspace_takes_each_volume_as_a_scan(
    file: Path, tmp_path: Path, own_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_RETSEG_STATE", str(tmp_path / "state"))
    played = PlayedBench()
    played.start(tmp_path / "work", file)
    entries = played.workspace.scans
    assert [(entry.name, entry.n_bscans) for entry in entries] == [("eye-0", 3), ("eye-1", 2)]
    assert [entry.laterality for entry in entries] == ["OS", "OD"]
    assert len({entry.group for entry in entries}) == 1  # one patient
    played.bench.navigation.choose_scan(1)
    played.settle()
    assert played.opened.n_bscans == 2
    assert not played.workspace.missing
    moved = file.rename(tmp_path / "moved.E2E")
    assert played.workspace.find_moved(tmp_path) == {}
    played.close()
    again = PlayedBench()
    again.bench.open(tmp_path / "work")
    again.settle()
    assert [entry.name for entry in again.workspace.missing] == ["eye-0", "eye-1"]
    found = again.workspace.find_moved(tmp_path)
    assert found == {f"eye-{k}": moved.with_name(f"moved.E2E#{k}") for k in range(2)}
    again.close()

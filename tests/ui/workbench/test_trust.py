"""What somebody else's folder may do: nothing outside of it, and nothing elsewhere, unasked."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_retseg.dataset import load_dataset
from napari_retseg.errors import InputError
from napari_retseg.io import read_scan
from napari_retseg.ui.workbench.control import controller as bench_module
from napari_retseg.ui.workbench.control.addresses import list_addresses
from napari_retseg.ui.workbench.control.session import TrustQuestion
from napari_retseg.workspace import Workspace
from tests.ui.playing import PlayedEngine
from tests.ui.workbench.playedbench import PlayedBench

SCHEDULER = "tcp://10.0.0.7:8786"


@pytest.fixture
def foreign(tmp_path: Path, volume: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace of somebody else, whose scan lies outside of it."""
    with monkeypatch.context() as theirs:
        theirs.setenv("NAPARI_RETSEG_STATE", str(tmp_path / "their-state"))
        with Workspace.create(tmp_path / "theirs") as workspace:
            workspace.add_scan(read_scan(volume))
            workspace.save_settings(address=SCHEDULER)
    return tmp_path / "theirs"


@pytest.fixture
def played(own_models: Path) -> Iterator[PlayedBench]:
    made = PlayedBench()
    yield made
    made.close()


@pytest.fixture
def questions(played: PlayedBench) -> list[TrustQuestion]:
    asked: list[TrustQuestion] = []
    played.bench.session.asked.connect(asked.append)
    return asked


def test_a_workspace_of_somebody_else_is_opened_after_a_question(
    played: PlayedBench, questions: list[TrustQuestion], foreign: Path
) -> None:
    played.bench.open(foreign)
    played.settle()
    (question,) = questions
    assert question.folder == foreign
    assert question.outside.endswith("eye.tif")
    assert played.state.folder is None
    question.agree()
    played.settle()
    assert played.state.folder == foreign
    assert played.state.n_bscans == 5
    played.bench.leave()
    played.bench.open(foreign)
    played.settle()
    assert len(questions) == 1
    assert played.state.n_bscans == 5


def test_a_workspace_that_is_not_trusted_leaves_the_open_one_as_it_was(
    played: PlayedBench,
    questions: list[TrustQuestion],
    foreign: Path,
    tmp_path: Path,
    volume: Path,
) -> None:
    played.start(tmp_path / "mine", volume)
    played.bench.open(foreign)
    played.settle()
    questions[0].refuse()
    assert "not opened" in played.state.notice.text
    assert "not allow" in played.state.notice.text
    assert played.state.folder == tmp_path / "mine"
    assert played.state.n_bscans == 5
    with Workspace.open(foreign, trust=True) as workspace:
        assert not workspace.is_read_only


def test_a_workspace_cannot_send_scans_to_a_computer_that_the_user_has_not_chosen(
    played: PlayedBench, foreign: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines: list[str | None] = []

    def make(address: str | None) -> PlayedEngine:
        engines.append(address)
        return PlayedEngine()

    monkeypatch.setattr(bench_module, "Engine", make)
    for _ in range(2):  # the second time it is on the user's list
        played.bench.open(foreign, trust=True)
        played.settle()
        assert played.state.address == ""
        assert SCHEDULER in played.state.notice.text
        assert played.bench.offered_address == SCHEDULER
        played.bench.leave()
    assert engines == []
    played.bench.open(foreign)
    played.settle()
    played.bench.connect(SCHEDULER)
    played.settle()
    assert list_addresses() == [SCHEDULER]
    played.bench.leave()
    played.bench.connect("")
    played.bench.open(foreign)
    played.settle()
    assert played.state.address == SCHEDULER
    assert engines == [SCHEDULER, None, SCHEDULER]


def write_dataset(folder: Path) -> Path:
    """Write a dataset with labels, whose image lies outside of it."""
    (folder / "labels").mkdir(parents=True)
    picture = np.zeros((64, 96), np.uint8)
    Image.fromarray(picture).save(folder.parent / "outside.png")
    picture[20:40] = 1
    Image.fromarray(picture).save(folder / "labels" / "outside.png")
    case = {"image": "../outside.png", "label": "./labels/outside.png", "group": "P"}
    content = {"name": "d", "labels": {"0": "background", "1": "NFL"}, "training": [case]}
    (folder / "dataset.json").write_text(json.dumps(content))
    return folder


def test_a_data_set_with_images_outside_is_added_after_a_question(
    played: PlayedBench, questions: list[TrustQuestion], tmp_path: Path
) -> None:
    folder = write_dataset(tmp_path / "data")
    played.bench.create(tmp_path / "work")
    played.settle()
    played.bench.scan_import.add_dataset(folder)
    played.settle()
    (question,) = questions
    assert not played.state.scans
    question.refuse()
    assert "not opened" in played.state.notice.text
    question.agree()
    played.settle()
    assert [entry.name for entry in played.state.scans] == ["outside"]
    assert played.workspace.states("outside") == {0: "confirmed"}


def test_the_sentence_for_the_command_line_says_what_can_be_done_there(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "data")
    with pytest.raises(InputError) as caught:
        load_dataset(folder)
    assert "--" not in str(caught.value)
    assert "copy it into the folder" in str(caught.value)
    shutil.copy(tmp_path / "outside.png", folder / "outside.png")
    content = (folder / "dataset.json").read_text().replace("../outside.png", "./outside.png")
    (folder / "dataset.json").write_text(content)
    assert len(load_dataset(folder).cases) == 1

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
from tests.ui.workbench.session import Session

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
def session(own_models: Path) -> Iterator[Session]:
    made = Session()
    yield made
    made.close()


@pytest.fixture
def questions(session: Session) -> list[TrustQuestion]:
    asked: list[TrustQuestion] = []
    session.bench.desk.asked.connect(asked.append)
    return asked


def test_a_workspace_of_somebody_else_is_opened_after_a_question(
    session: Session, questions: list[TrustQuestion], foreign: Path
) -> None:
    session.bench.open(foreign)
    session.settle()
    (question,) = questions
    assert question.folder == foreign
    assert question.outside.endswith("eye.tif")
    assert session.state.folder is None
    question.agree()
    session.settle()
    assert session.state.folder == foreign
    assert session.state.n_bscans == 5
    session.bench.leave()
    session.bench.open(foreign)
    session.settle()
    assert len(questions) == 1
    assert session.state.n_bscans == 5


def test_a_workspace_that_is_not_trusted_leaves_the_open_one_as_it_was(
    session: Session,
    questions: list[TrustQuestion],
    foreign: Path,
    tmp_path: Path,
    volume: Path,
) -> None:
    session.start(tmp_path / "mine", volume)
    session.bench.open(foreign)
    session.settle()
    questions[0].refuse()
    assert "not opened" in session.state.notice.text
    assert "not allow" in session.state.notice.text
    assert session.state.folder == tmp_path / "mine"
    assert session.state.n_bscans == 5
    with Workspace.open(foreign, trust=True) as workspace:
        assert not workspace.is_read_only


def test_a_workspace_cannot_send_scans_to_a_computer_that_the_user_has_not_chosen(
    session: Session, foreign: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines: list[str | None] = []

    def make(address: str | None) -> PlayedEngine:
        engines.append(address)
        return PlayedEngine()

    monkeypatch.setattr(bench_module, "Engine", make)
    for _ in range(2):  # the second time it is on the user's list
        session.bench.open(foreign, trust=True)
        session.settle()
        assert session.state.address == ""
        assert SCHEDULER in session.state.notice.text
        assert session.bench.offered_address == SCHEDULER
        session.bench.leave()
    assert engines == []
    session.bench.open(foreign)
    session.settle()
    session.bench.connect(SCHEDULER)
    session.settle()
    assert list_addresses() == [SCHEDULER]
    session.bench.leave()
    session.bench.connect("")
    session.bench.open(foreign)
    session.settle()
    assert session.state.address == SCHEDULER
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
    session: Session, questions: list[TrustQuestion], tmp_path: Path
) -> None:
    folder = write_dataset(tmp_path / "data")
    session.bench.create(tmp_path / "work")
    session.settle()
    session.bench.adding.add_dataset(folder)
    session.settle()
    (question,) = questions
    assert not session.state.scans
    question.refuse()
    assert "not opened" in session.state.notice.text
    question.agree()
    session.settle()
    assert [entry.name for entry in session.state.scans] == ["outside"]
    assert session.workspace.states("outside") == {0: "confirmed"}


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

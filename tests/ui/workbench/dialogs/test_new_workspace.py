"""New…: a name that is typed is enough, and what cannot be a workspace is said before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from napari_retseg.ui.workbench.dialogs.new_workspace import NewWindow

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> NewWindow:
    made = NewWindow()
    qtbot.addWidget(made)
    made.folder_edit.value = tmp_path
    made.show()
    return made


@pytest.mark.parametrize("name", ["typed", "with a space", "Ä & B"])
def test_a_name_that_is_typed_is_taken(
    name: str, window: NewWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    window.name_edit.value = name
    assert str(tmp_path / name) in window.notice.text()
    with qtbot.waitSignal(window.chosen) as chosen:
        window.take_button.click()
    assert chosen.args == [tmp_path / name]
    other = NewWindow()  # the place is remembered
    qtbot.addWidget(other)
    assert other.folder.parent == tmp_path


def test_an_empty_folder_is_taken(window: NewWindow, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    window.name_edit.value = "empty"
    assert window.take_button.isEnabled()


@pytest.mark.parametrize(
    ("name", "said"), [("", "Enter a name"), ("full", "is not empty"), ("file", "is a file")]
)
def test_what_cannot_be_a_workspace_is_said(
    name: str, said: str, window: NewWindow, tmp_path: Path
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").write_text("a")
    (tmp_path / "file").write_text("a")
    window.name_edit.value = name
    assert said in window.notice.text()
    assert not window.take_button.isEnabled()

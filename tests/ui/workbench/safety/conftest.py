"""A user before an empty workbench, with models of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.ui.workbench.safety.clicking import User

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot


@pytest.fixture
def make_user(
    make_napari_viewer: Callable[..., Viewer],
    own_copy: Path,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[], User]:
    """Open a viewer with the workbench; no workspace is open."""

    def make() -> User:
        return User(make_napari_viewer(show=True), qtbot, monkeypatch)

    return make


@pytest.fixture
def user(make_user: Callable[[], User]) -> User:
    return make_user()


@pytest.fixture
def at_work(user: User, tmp_path: Path, volume: Path) -> User:
    """A user with a workspace of one volume, and the model "tiny"."""
    user.make_workspace(tmp_path / "work")
    user.add(volume)
    user.choose_model("tiny")
    return user

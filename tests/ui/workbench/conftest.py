"""What the tests of the workbench's widgets share: themes, and a clean clicker."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from napari.qt import get_stylesheet
from qtpy.QtCore import QEvent, QSettings
from qtpy.QtWidgets import QApplication, QWidget

from tests.ui.workbench.clicking import Clicker

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot

#: Applies a theme of napari to a widget and what is in it.
Theme = Callable[[QWidget, str], None]

_FORMAT, _SCOPE = QSettings.Format.IniFormat, QSettings.Scope.UserScope


@pytest.fixture(autouse=True)
def settings(tmp_path: Path) -> Path:
    """A folder of this test alone for what the widgets remember."""
    QSettings.setPath(_FORMAT, _SCOPE, str(tmp_path / "settings"))
    return tmp_path / "settings"


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the list of workspaces in the test's folder."""
    monkeypatch.setenv("NAPARI_RETSEG_STATE", str(tmp_path / "state"))


@pytest.fixture(autouse=True)
def no_widget_left(qapp: QApplication) -> Iterator[None]:
    """Fail a test after which a window is still there."""
    before = set(map(id, _windows(qapp)))
    yield
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    gc.collect()
    qapp.processEvents()
    left = [window for window in _windows(qapp) if id(window) not in before]
    assert not left, f"still there: {left}"


def _windows(application: Any) -> list[QWidget]:
    # Qt keeps one window for all tooltips
    return [w for w in application.topLevelWidgets() if w.metaObject().className() != "QTipLabel"]


@pytest.fixture
def theme(qapp: QApplication) -> Theme:
    """Apply napari's style sheet of the dark or the light theme."""

    def apply(widget: QWidget, name: str) -> None:
        widget.setStyleSheet(get_stylesheet(name))
        qapp.processEvents()

    return apply


@pytest.fixture
def own_copy(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The models in a folder of this test, where new ones are kept, too."""
    folder = tmp_path / "models"
    shutil.copytree(models, folder)
    monkeypatch.setenv("NAPARI_RETSEG_MODELS", str(folder))
    return folder


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Viewer], own_copy: Path) -> Viewer:
    return make_napari_viewer(show=True)


@pytest.fixture
def clicker(
    viewer: Viewer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, volume: Path
) -> Clicker:
    made = Clicker(viewer, qtbot, monkeypatch)
    made.start(tmp_path / "work", volume)
    return made

"""The workbench in a real viewer, with real clicks, files and worker processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_retseg.models import list_versions
from napari_retseg.ui.workbench.dock import WorkbenchDock
from napari_retseg.workspace import Workspace

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot

TIMEOUT_MS = 90_000
LEFT = Qt.MouseButton.LeftButton
QUICK = {"iterations": 4, "score_every": 2, "batch_size": 2, "crop": "32x32", "augment": "none"}


@pytest.fixture
def own_copy(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The models in a folder of this test, where new ones are kept, too."""
    import shutil

    folder = tmp_path / "models"
    shutil.copytree(models, folder)
    monkeypatch.setenv("NAPARI_RETSEG_MODELS", str(folder))
    return folder


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Viewer], own_copy: Path) -> Viewer:
    return make_napari_viewer(show=True)


class Desk:
    """The dock and what a user does with it."""

    def __init__(self, viewer: Viewer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
        _, widget = viewer.window.add_plugin_dock_widget("napari-retseg", "Retseg workbench")
        assert isinstance(widget, WorkbenchDock)
        self.dock = widget
        self.viewer = viewer
        self.state = widget.bench.state
        self._qtbot = qtbot
        self._monkeypatch = monkeypatch

    def click(self, button: Any) -> None:
        self.wait(lambda: bool(button.isVisible()) and bool(button.isEnabled()))
        self._qtbot.mouseClick(button, LEFT)

    def wait(self, until: Callable[[], bool]) -> None:
        self._qtbot.waitUntil(until, timeout=TIMEOUT_MS)

    def start(self, folder: Path, scan: Path) -> None:
        panel = self.dock.scan_panel
        answer = lambda *_, **__: str(folder)  # noqa: E731 - stands in for a dialog
        self._monkeypatch.setattr(QFileDialog, "getExistingDirectory", answer)
        self.click(panel.new_button)
        self.wait(lambda: self.state.folder is not None)
        self._monkeypatch.setattr(
            QFileDialog, "getOpenFileNames", lambda *_, **__: ([str(scan)], "")
        )
        panel.add_menu.aboutToShow.emit()
        panel.add_menu.actions()[0].trigger()
        self.wait(lambda: self.state.n_bscans > 0)
        box = self.dock.model_panel.model_box
        box.setCurrentText("tiny")
        box.activated.emit(box.currentIndex())

    def segment_all(self) -> None:
        self.click(self.dock.model_panel.volume_button)
        self.wait(lambda: self.state.work is None)
        assert self.state.notice.text.startswith("Segmented")

    def confirm(self, *bscans: int) -> None:
        for bscan in bscans:
            self.dock.review_panel.strip.bscan_clicked.emit(bscan)
            opened = self.dock.bench.desk.opened
            assert opened is not None
            rows, columns = np.mgrid[20:40, :96].reshape(2, -1)
            opened.labels.data_setitem((np.full(len(rows), bscan), rows, columns), 3)
            self.click(self.dock.review_panel.confirm_button)
        self.wait(lambda: len(self.saved()) == len(bscans))

    def saved(self) -> list[int]:
        workspace = self.dock.bench.desk.workspace
        assert workspace is not None
        return [b for b, s in workspace.states("eye").items() if s == "confirmed"]

    @property
    def iterations(self) -> list[float]:
        """Those that the curves show."""
        found: list[float] = self.dock.bench.training.curves.iterations.tolist()
        return found

    def retrain(self, **values: Any) -> None:
        self.dock.retrain_panel.form.set_values({**QUICK, **values})
        self.dock.retrain_panel.form.changed.emit()
        self.wait(lambda: not self.state.round_problem and bool(self.state.round_text))
        self.click(self.dock.retrain_panel.retrain_button)
        assert self.state.is_training


@pytest.fixture
def desk(
    viewer: Viewer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, volume: Path
) -> Desk:
    made = Desk(viewer, qtbot, monkeypatch)
    made.start(tmp_path / "work", volume)
    return made


def workers() -> list[psutil.Process]:
    return [p for p in psutil.Process().children() if "dask_spec" in " ".join(p.cmdline())]


def test_a_round_by_clicks(desk: Desk, models: Path) -> None:
    desk.segment_all()
    expected = np.load(models / "expected.npy")
    shown = desk.viewer.layers["prediction"].data
    np.testing.assert_array_equal(shown, np.array([0, 1, 3, 8])[expected])
    desk.confirm(0, 1, 4)
    desk.retrain()
    desk.wait(lambda: desk.state.verdict is not None)
    progress = desk.dock.progress_panel
    assert desk.dock.sections["Progress"].is_open
    assert desk.iterations == [1, 2, 3, 4]
    assert "mean foreground Dice" in progress.verdict_text.text()
    desk.click(progress.new_button)
    desk.wait(
        lambda: desk.state.chosen_model is not None and desk.state.chosen_model.name == "work"
    )
    assert [version.label for version in list_versions("work")] == ["current"]
    desk.segment_all()


def test_a_training_is_stopped_and_resumed(desk: Desk) -> None:
    desk.confirm(0, 1, 4)
    desk.retrain(iterations=200, score_every=100)
    desk.wait(lambda: len(desk.iterations) > 2)
    desk.click(desk.dock.retrain_panel.stop_button)
    desk.wait(lambda: desk.state.resumable is not None)
    stopped = len(desk.iterations)
    assert stopped < 200
    desk.click(desk.dock.retrain_panel.resume_button)
    desk.wait(lambda: len(desk.iterations) > stopped)
    found = desk.iterations
    assert found == list(range(1, len(found) + 1))
    desk.click(desk.dock.retrain_panel.stop_button)
    desk.wait(lambda: not desk.state.is_training)


def test_a_killed_training_is_one_sentence_and_can_be_resumed(desk: Desk) -> None:
    desk.confirm(0, 1, 4)
    before = set(workers())
    desk.retrain(iterations=500, score_every=500, checkpoint_seconds=0.1)
    desk.wait(lambda: len(desk.iterations) > 5)
    (worker,) = set(workers()) - before
    worker.kill()
    desk.wait(lambda: desk.state.resumable is not None)
    assert "worker process died" in desk.dock.notice.text()
    assert desk.saved() == [0, 1, 4]


def test_closing_while_it_trains_asks_and_the_training_can_be_resumed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    desk.confirm(0, 1, 4)
    desk.retrain(iterations=500, score_every=500)
    desk.wait(lambda: len(desk.iterations) > 2)
    asked = []

    def answer(box: QMessageBox, text: str) -> int:
        asked.append(box.text())
        (button,) = [b for b in box.buttons() if b.text() == text]
        button.click()
        return 0

    monkeypatch.setattr(QMessageBox, "exec", lambda box: answer(box, "Go on training"))
    window = desk.dock.window()
    assert window is not None
    window.close()
    assert window.isVisible()
    assert asked == ["A training is running. Stop it and close?"]
    assert desk.state.is_training
    monkeypatch.setattr(QMessageBox, "exec", lambda box: answer(box, "Stop and close"))
    bench = desk.dock.bench
    desk.viewer.close()
    assert len(asked) == 2
    bench.close()
    assert (tmp_path / "work" / "rounds" / "0001" / "checkpoints" / "last.pt").is_file()
    with Workspace.open(tmp_path / "work") as workspace:
        assert sorted(workspace.states("eye")) == [0, 1, 4]

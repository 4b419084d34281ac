"""The workbench in a real viewer, with real clicks, files and worker processes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from qtpy.QtWidgets import QMainWindow

from napari_retseg.models import list_versions
from napari_retseg.ui.workbench.docks import find_dock
from tests.ui.workbench.clicking import Clicker, workers

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot


def test_a_round_by_clicks(clicker: Clicker, models: Path) -> None:
    clicker.segment_all()
    clicker.check_prediction(models / "expected.npy")
    clicker.confirm(0, 1, 4)
    clicker.retrain()
    clicker.wait(lambda: clicker.state.verdict is not None)
    progress = clicker.dock.progress_panel
    assert clicker.dock.tabs.title == "Training"
    assert clicker.iterations == [1, 2, 3, 4, 5, 6]  # the last two with unlabelled B-scans
    assert "mean foreground Dice" in progress.verdict_text.text()
    for widget in (progress.verdict_text, progress.new_button, progress.old_button):
        clicker.wait(lambda w=widget: w.visibleRegion().boundingRect() == w.rect())  # type: ignore[misc]
    clicker.click(progress.new_button)
    clicker.wait(
        lambda: clicker.state.chosen_model is not None and clicker.state.chosen_model.name == "work"
    )
    assert [version.label for version in list_versions("work")] == ["current"]
    clicker.segment_all()


def test_a_training_is_stopped_and_resumed(clicker: Clicker) -> None:
    clicker.confirm(0, 1, 4)
    clicker.retrain(iterations=200, score_every=100)
    clicker.wait(lambda: len(clicker.iterations) > 2)
    clicker.click(clicker.dock.retrain_panel.stop_button)
    clicker.wait(lambda: clicker.state.resumable is not None)
    stopped = len(clicker.iterations)
    assert stopped < 200
    clicker.click(clicker.dock.retrain_panel.resume_button)
    clicker.wait(lambda: len(clicker.iterations) > stopped)
    found = clicker.iterations
    assert found == list(range(1, len(found) + 1))
    clicker.click(clicker.dock.retrain_panel.stop_button)
    clicker.wait(lambda: not clicker.state.is_training)


def test_a_killed_training_is_one_sentence_and_can_be_resumed(clicker: Clicker) -> None:
    clicker.confirm(0, 1, 4)
    clicker.retrain(iterations=500, score_every=500, checkpoint_seconds=0.1)
    clicker.wait(lambda: len(clicker.iterations) > 5)
    (worker,) = workers("train")
    worker.kill()
    clicker.wait(lambda: clicker.state.resumable is not None)
    assert "worker process was killed" in clicker.dock.notice.text()
    assert clicker.saved() == [0, 1, 4]


@pytest.mark.parametrize("first", ["Retseg workbench", "Segment"])
def test_other_docks_leave_the_workbench_its_height(
    first: str, viewer: Viewer, qtbot: QtBot
) -> None:
    names = [first, *{"Retseg workbench", "Segment"} - {first}]
    docks = {name: viewer.window.add_plugin_dock_widget("napari-retseg", name)[1] for name in names}
    workbench, segment = docks["Retseg workbench"], docks["Segment"]
    assert workbench.minimumHeight() >= 300
    own, other = find_dock(workbench), find_dock(segment)
    assert own is not None
    window = own.parentWidget()
    assert isinstance(window, QMainWindow)
    qtbot.waitUntil(lambda: other in window.tabifiedDockWidgets(own), timeout=20_000)

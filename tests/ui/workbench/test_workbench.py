"""The workbench in a real viewer, with real clicks, files and worker processes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from qtpy.QtWidgets import QMainWindow

from napari_retseg.models import list_versions
from napari_retseg.ui.widgets.tabs import find_dock
from tests.ui.workbench.clicking import Desk, workers

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot


def test_a_round_by_clicks(desk: Desk, models: Path) -> None:
    desk.segment_all()
    desk.check_prediction(models / "expected.npy")
    desk.confirm(0, 1, 4)
    desk.retrain()
    desk.wait(lambda: desk.state.verdict is not None)
    progress = desk.dock.progress_panel
    assert desk.dock.sections["Progress"].is_open
    assert desk.iterations == [1, 2, 3, 4]
    assert "mean foreground Dice" in progress.verdict_text.text()
    for widget in (progress.verdict_text, progress.new_button, progress.old_button):
        desk.wait(lambda w=widget: w.visibleRegion().boundingRect() == w.rect())  # type: ignore[misc]
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
    desk.retrain(iterations=500, score_every=500, checkpoint_seconds=0.1)
    desk.wait(lambda: len(desk.iterations) > 5)
    (worker,) = workers("train")
    worker.kill()
    desk.wait(lambda: desk.state.resumable is not None)
    assert "worker process was killed" in desk.dock.notice.text()
    assert desk.saved() == [0, 1, 4]


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

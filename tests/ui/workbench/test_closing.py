"""How the workbench ends: nothing is lost without a question, and it can begin again."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QMessageBox, QPushButton

from napari_retseg.engine.workers import RemoteWorkers
from napari_retseg.errors import JobError
from napari_retseg.ui.scores.scores_dock import ScoresDock
from napari_retseg.ui.workbench.dialogs.closing import find_window
from napari_retseg.ui.workbench.docks import find_dock, find_dock_of
from napari_retseg.ui.workbench.workbench_dock import WorkbenchDock
from napari_retseg.workspace import Workspace
from tests.ui.workbench.clicking import Clicker, fill_new_window

if TYPE_CHECKING:
    from napari import Viewer

#: Presses one button of each question; the questions come into a list.
Answer = Callable[[str], list[str]]


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Answer:
    def prepare(button: str) -> list[str]:
        asked: list[str] = []

        def press(box: QMessageBox) -> int:
            asked.append(box.text())
            (found,) = [b for b in box.buttons() if b.text() == button]
            found.click()
            return 0

        monkeypatch.setattr(QMessageBox, "exec", press)
        return asked

    return prepare


def press_close(dock: WorkbenchDock) -> None:
    """Press the cross in the title of the dock's frame."""
    frame = find_dock(dock)
    assert frame is not None
    button = frame.findChild(QPushButton, "QTitleBarCloseButton")
    assert button is not None
    button.click()


def start_training(clicker: Clicker) -> None:
    clicker.confirm(0, 1, 4)
    clicker.retrain(iterations=500, score_every=500)
    clicker.wait(lambda: len(clicker.iterations) > 2)


def reopen(clicker: Clicker, viewer: Viewer, folder: Path) -> None:
    """Open the dock again in the same viewer, and its workspace in it."""
    _, widget = viewer.window.add_plugin_dock_widget("napari-retseg", "Retseg workbench")
    assert isinstance(widget, WorkbenchDock)
    clicker.dock, clicker.state = widget, widget.bench.state
    widget.scan_panel.opened.emit(folder)
    clicker.wait(lambda: clicker.state.n_bscans > 0)


def paint(clicker: Clicker, bscan: int, value: int) -> None:
    opened = clicker.dock.bench.session.opened
    assert opened is not None
    rows, columns = np.mgrid[20:40, :96].reshape(2, -1)
    opened.labels.data_setitem((np.full(len(rows), bscan), rows, columns), value)


def read_states(folder: Path) -> dict[int, str]:
    with Workspace.open(folder) as workspace:
        assert not workspace.is_read_only
        return dict(workspace.states("eye"))


def test_closing_napari_while_it_trains_asks_and_the_training_can_be_resumed(
    clicker: Clicker, answer: Answer, tmp_path: Path
) -> None:
    start_training(clicker)
    asked = answer("Keep training")
    window = clicker.dock.window()
    assert window is not None
    window.close()
    assert window.isVisible()
    assert asked == ["A training is running. Stop it and close?"]
    assert clicker.state.is_training
    bench = clicker.dock.bench
    clicker.viewer.close()  # by a program: no question would change it
    bench.close()
    assert len(asked) == 1
    assert (tmp_path / "work" / "rounds" / "0001" / "checkpoints" / "last.pt").is_file()
    assert sorted(read_states(tmp_path / "work")) == [0, 1, 4]


def test_a_dock_that_is_closed_while_it_trains_comes_back_or_stops_and_resumes(
    clicker: Clicker, viewer: Viewer, answer: Answer, tmp_path: Path
) -> None:
    start_training(clicker)
    frame_name = "Retseg workbench (napari-retseg)"
    asked = answer("Keep training")
    press_close(clicker.dock)
    clicker.wait(lambda: bool(asked))
    assert clicker.state.is_training
    assert viewer.window.dock_widgets[frame_name] is clicker.dock
    clicker.wait(clicker.dock.isVisible)
    more = len(clicker.iterations) + 2
    clicker.wait(lambda: len(clicker.iterations) > more)
    asked = answer("Stop and close")
    press_close(clicker.dock)
    clicker.wait(lambda: frame_name not in viewer.window.dock_widgets and not viewer.layers)
    assert asked == ["A training is running. Stop it and close?"]
    assert find_dock_of(viewer) is None

    reopen(clicker, viewer, tmp_path / "work")
    clicker.wait(lambda: clicker.state.resumable is not None)
    assert not clicker.state.is_read_only
    clicker.click(clicker.dock.retrain_panel.resume_button)
    clicker.wait(lambda: len(clicker.iterations) > more + 1)
    clicker.click(clicker.dock.retrain_panel.stop_button)
    clicker.wait(lambda: not clicker.state.is_training)


class FromOutside(QCloseEvent):
    """The window's manager wants it closed: napari asks then, too."""

    def spontaneous(self) -> bool:
        return True


def test_one_answer_closes_the_window(
    clicker: Clicker, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answer("Stop and close")
    closed: list[bool] = []
    window = find_window(clicker.dock)
    assert window is not None
    closing = clicker.dock.closing
    # without anything to ask, napari's own question is the only one
    assert not closing.eventFilter(window, FromOutside())
    start_training(clicker)
    event = FromOutside()
    with monkeypatch.context() as seen:
        seen.setattr(window, "close", lambda: closed.append(True))
        assert closing.eventFilter(window, event)
        assert not event.isAccepted()
        clicker.wait(lambda: closed == [True])
    assert len(asked) == 1
    assert not closing.eventFilter(window, QCloseEvent())
    assert len(asked) == 1


def test_closing_the_dock_keeps_the_last_stroke_and_gives_keys_and_layers_back(
    clicker: Clicker,
    viewer: Viewer,
    answer: Answer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = answer("Keep training")
    clicker.dock.bench.navigation.go_to(2)
    paint(clicker, 2, 3)
    press_close(clicker.dock)
    clicker.wait(lambda: not viewer.layers)
    assert not asked
    assert read_states(tmp_path / "work") == {2: "corrected"}
    # a key of the workbench does nothing now, and raises nothing
    assert not {"G", "K", "U"} & {str(key) for key in viewer.keymap}
    gc.collect()
    reopen(clicker, viewer, tmp_path / "work")
    assert (viewer.layers["labels"].data[2, 20:40] == 3).all()
    clicker.click(clicker.dock.scan_panel.new_button)
    fill_new_window(clicker.dock.scan_panel, tmp_path / "other")
    clicker.wait(lambda: clicker.state.folder == tmp_path / "other")
    assert not viewer.layers


def test_strokes_that_cannot_be_written_are_not_lost_without_a_question(
    clicker: Clicker,
    viewer: Viewer,
    answer: Answer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full_disk:
        full_disk.setattr(Workspace, "write_labels", refuse)
        clicker.dock.bench.navigation.go_to(1)
        paint(clicker, 1, 3)
        asked = answer("Keep open")
        window = clicker.dock.window()
        assert window is not None
        window.close()
        assert window.isVisible()
        assert "strokes on 1 B-scan could not be saved" in asked[0]
        press_close(clicker.dock)
        clicker.wait(lambda: len(asked) == 2 and clicker.dock.isVisible())
    press_close(clicker.dock)
    clicker.wait(lambda: not viewer.layers)
    assert len(asked) == 2
    assert read_states(tmp_path / "work") == {1: "corrected"}


@pytest.mark.parametrize("first", ["Scores", "Retseg workbench"])
def test_the_scores_follow_the_workbench_whichever_was_opened_first(
    viewer: Viewer, qtbot: Any, first: str
) -> None:
    docks = {}
    for name in (first, *{"Scores", "Retseg workbench"} - {first}):
        _, docks[name] = viewer.window.add_plugin_dock_widget("napari-retseg", name)
    scores, dock = docks["Scores"], docks["Retseg workbench"]
    assert isinstance(scores, ScoresDock)
    assert isinstance(dock, WorkbenchDock)
    qtbot.waitUntil(lambda: scores.scoring.bench is dock.bench)
    frame = find_dock(dock)
    qtbot.waitUntil(lambda: viewer.window._qt_window.tabifiedDockWidgets(frame) != [])
    press_close(dock)
    qtbot.waitUntil(lambda: scores.scoring.bench is None)


_LEAVE = """
from concurrent.futures import ThreadPoolExecutor
from napari_retseg.ui.leaving import close_at_exit

class Open:
    def __init__(self):
        self.pool = ThreadPoolExecutor()

    def close(self):
        print("closed", self.pool.submit(lambda: 3).result())

kept, gone = Open(), Open()
close_at_exit(kept)
close_at_exit(gone)
del gone
"""


def test_what_a_script_leaves_open_is_closed_while_threads_still_work() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LEAVE], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout.split(), done.stderr) == (["closed", "3"], "")


def test_a_scheduler_that_is_not_there_is_told_and_leaves_no_thread() -> None:
    with pytest.raises(JobError, match="no answer from a dask scheduler"):
        RemoteWorkers("tcp://127.0.0.1:9")

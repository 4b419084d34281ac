"""A disk that is full is one sentence; nothing is dropped, and all goes on once there is room."""

from __future__ import annotations

import errno
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_retseg.io import atomic
from tests.ui.workbench.clicking import workers
from tests.ui.workbench.safety.clicking import User

#: More than the growing files of a run, less than a checkpoint.
_A_FILE = 30_000


class FullDisk:
    """Refuses every file below a folder at the moment when its bytes must be on disk."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._monkeypatch = folder, monkeypatch
        self._sync = atomic._sync

    def fill(self) -> None:
        def refuse(path: Path) -> None:
            if path.is_relative_to(self._folder):
                raise OSError(errno.ENOSPC, "No space left on device", str(path))
            self._sync(path)

        self._monkeypatch.setattr(atomic, "_sync", refuse)

    def make_room(self) -> None:
        self._monkeypatch.setattr(atomic, "_sync", self._sync)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FullDisk:
    return FullDisk(tmp_path / "work", monkeypatch)


def test_strokes_wait_for_room_and_the_dock_says_so(
    at_work: User, disk: FullDisk, tmp_path: Path
) -> None:
    review = at_work.dock.review_panel
    at_work.paint(0, slice(10, 20), 1)
    at_work.wait_until_saved()
    disk.fill()
    at_work.paint(1, slice(10, 20), 2)
    at_work.wait(lambda: "No space left" in at_work.notice)
    assert str(tmp_path / "work") in at_work.notice
    assert "free some disk space" in at_work.notice
    saver = at_work.dock.bench.session.saver
    assert saver is not None
    at_work.wait(lambda: saver.is_failing)
    at_work.click(review.confirm_button)
    assert at_work.notice.startswith("B-scan 1 is confirmed, but could not be saved")
    at_work.paint(2, slice(20, 30), 3)
    at_work.wait(lambda: review.saved_text.text() == "2 B-scans not saved yet")
    at_work.qtbot.wait(300)
    assert "not saved yet; free some disk space" in at_work.notice
    assert at_work.states() == {0: "corrected"}
    disk.make_room()
    at_work.wait(lambda: at_work.notice == "All labels are saved again.")
    at_work.wait(lambda: not review.saved_text.isVisible())
    assert at_work.states() == {0: "corrected", 1: "confirmed", 2: "corrected"}
    np.testing.assert_array_equal(at_work.stored(), at_work.opened.labels.data)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits another process's files")
def test_a_training_without_room_keeps_its_state_and_is_resumed(
    at_work: User, disk: FullDisk, tmp_path: Path
) -> None:
    import resource

    at_work.wait_for_model()
    at_work.confirm(0, 1, 4)
    disk.fill()
    at_work.retrain(iterations=200, score_every=1000, checkpoint_seconds=0.3)
    at_work.wait(lambda: not at_work.state.is_training)
    assert "No space left" in at_work.notice
    disk.make_room()
    at_work.click(at_work.dock.retrain_panel.retrain_button)
    at_work.wait(lambda: len(at_work.iterations) > 3)
    (worker,) = workers("train")
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (_A_FILE, _A_FILE))
    at_work.wait(lambda: not at_work.state.is_training)
    assert str(tmp_path / "work" / "rounds") in at_work.notice
    assert "cannot be written (File too large)" in at_work.notice
    assert "free some disk space" in at_work.notice
    assert at_work.states() == {0: "confirmed", 1: "confirmed", 4: "confirmed"}
    stopped = len(at_work.iterations)
    at_work.wait(lambda: at_work.state.resumable is not None)
    at_work.click(at_work.dock.retrain_panel.resume_button)
    at_work.wait(lambda: len(at_work.iterations) > stopped)
    at_work.click(at_work.dock.retrain_panel.stop_button)
    at_work.wait(lambda: not at_work.state.is_training)
    assert "Press Resume to continue" in at_work.notice
    assert at_work.iterations == list(range(1, len(at_work.iterations) + 1))

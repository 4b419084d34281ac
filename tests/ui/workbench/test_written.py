"""Lines that describe the disk wait for the saver: they never lag behind it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from napari_retseg.ui.scores.scoring import Scoring
from tests.ui.workbench.playedbench import PlayedBench


class Written(PlayedBench):
    """A workbench whose saver writes in its own time, as in the viewer."""

    def start(self, folder: Path, *scans: Path) -> None:
        super().start(folder, *scans)
        saver = self.bench.session.saver
        assert saver is not None
        self._tell, self._told = saver._on_idle, saver._tickets
        saver._on_idle = self._note

    def _note(self) -> None:
        """Know on the saver's thread that it has posted what follows from the last labels."""
        saver = self.bench.session.saver
        assert saver is not None
        assert self._tell is not None
        tickets = saver._tickets
        self._tell()
        self._told = tickets

    def settle_in_time(self) -> None:
        """Wait for the disk, for what is posted then, and for scores that are counted anew."""
        saver = self.bench.session.saver
        assert saver is not None
        self.settle()
        end = time.monotonic() + 60
        while saver.pending or self._told != saver._tickets:
            assert time.monotonic() < end, "the saver does not come to an end"
            time.sleep(0.01)
        self.settle()
        for scoring in self.scorings:
            # its only thread has answered all that was asked before
            scoring._counter.submit(int).result(60)
        self.settle()


@pytest.fixture
def played(tmp_path: Path, volume: Path, own_models: Path) -> Iterator[Written]:
    made = Written()
    made.start(tmp_path / "work", volume)
    yield made
    made.close()


def described(played: Written) -> tuple[str, str]:
    return played.state.round_text, played.state.round_problem


def deeds(played: Written) -> list[Callable[[], None]]:
    correcting = played.bench.correcting

    def paint_and_confirm(bscan: int) -> Callable[[], None]:
        def do() -> None:
            played.paint(bscan, slice(10, 20), 3)
            correcting.confirm()

        return do

    return [
        paint_and_confirm(0),
        paint_and_confirm(2),
        paint_and_confirm(4),
        correcting.undo,
        correcting.redo,
        lambda: played.paint(4, slice(30, 40), 5),  # it is not confirmed any more
        correcting.clear,
        correcting.undo,
        lambda: played.bench.scan_import.set_classes([*played.workspace.classes.names[1:], "more"]),
    ]


def test_what_retrain_would_do_is_what_the_disk_holds(played: Written) -> None:
    assert "onfirm" in played.state.round_problem
    for number, deed in enumerate(deeds(played)):
        deed()
        played.settle_in_time()
        shown = described(played)
        played.bench.training.describe()
        played.settle()
        assert shown == described(played), number


def test_strokes_do_not_have_it_described_again(
    played: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    played.paint(1, slice(10, 20), 3)
    played.settle_in_time()
    shown: list[object] = []
    training = played.bench.training
    monkeypatch.setattr(training, "_show_description", shown.append)
    for row in range(5):
        played.paint(1, slice(30 + row, 31 + row), 4)
        played.settle_in_time()
    assert set(shown) == {None}


def test_next_knows_what_was_confirmed_just_now(played: Written) -> None:
    played.predict(3)
    seen = [played.state.bscan]
    for _ in range(4):
        played.bench.correcting.confirm()
        played.bench.navigation.go_next()
        played.settle()
        seen.append(played.state.bscan)
    assert sorted(seen) == [0, 1, 2, 3, 4]


def test_heldout_scores_wait_for_the_disk(played: Written) -> None:
    scoring = Scoring(
        played.bench.session.viewer, post=played.bench.session.post, bench=played.bench
    )
    played.scorings.append(scoring)
    played.predict(3)
    for bscan in range(5):
        played.show(bscan)
        played.bench.correcting.confirm()
    played.settle_in_time()
    played.bench.session.submit(played.workspace.pin)
    played.settle()
    scoring.choose_scope("heldout")
    played.settle_in_time()
    heldout = sorted(played.workspace.heldout("eye"))
    assert heldout
    played.show(heldout[0])
    played.opened.labels.fill((heldout[0], 30, 30), 0)
    played.bench.correcting.confirm()
    played.settle_in_time()
    scoring.check()
    shown = scoring.state.scores
    scoring.choose_scope("heldout")
    played.settle_in_time()
    assert shown == scoring.state.scores
    scoring.close()

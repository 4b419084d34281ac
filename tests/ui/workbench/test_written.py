"""Lines that describe the disk wait for the saver: they never lag behind it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from napari_retseg.ui.scores.scoring import Scoring
from tests.ui.workbench.playedbench import PlayedBench


@pytest.fixture
def played(tmp_path: Path, volume: Path, own_models: Path) -> Iterator[PlayedBench]:
    made = PlayedBench()
    made.start(tmp_path / "work", volume)
    yield made
    made.close()


def settle(played: PlayedBench) -> None:
    """Let the saver write in its own time, as in the viewer, and take what it posts."""
    saver = played.bench.session.saver
    assert saver is not None
    played.settle()
    end = time.monotonic() + 20
    while saver.pending and time.monotonic() < end:
        time.sleep(0.02)
    time.sleep(0.05)
    played.settle()


def described(played: PlayedBench) -> tuple[str, str]:
    return played.state.round_text, played.state.round_problem


def deeds(played: PlayedBench) -> list[Callable[[], None]]:
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


def test_what_retrain_would_do_is_what_the_disk_holds(played: PlayedBench) -> None:
    assert "onfirm" in played.state.round_problem
    for number, deed in enumerate(deeds(played)):
        deed()
        settle(played)
        shown = described(played)
        played.bench.training.describe()
        played.settle()
        assert shown == described(played), number


def test_strokes_do_not_have_it_described_again(
    played: PlayedBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    played.paint(1, slice(10, 20), 3)
    settle(played)
    shown: list[object] = []
    training = played.bench.training
    monkeypatch.setattr(training, "_show_description", shown.append)
    for row in range(5):
        played.paint(1, slice(30 + row, 31 + row), 4)
        settle(played)
    assert set(shown) == {None}


def test_next_knows_what_was_confirmed_just_now(played: PlayedBench) -> None:
    played.predict(3)
    seen = [played.state.bscan]
    for _ in range(4):
        played.bench.correcting.confirm()
        played.bench.navigation.go_next()
        played.settle()
        seen.append(played.state.bscan)
    assert sorted(seen) == [0, 1, 2, 3, 4]


def test_heldout_scores_wait_for_the_disk(played: PlayedBench) -> None:
    scoring = Scoring(
        played.bench.session.viewer, post=played.bench.session.post, bench=played.bench
    )
    played.scorings.append(scoring)
    played.predict(3)
    for bscan in range(5):
        played.show(bscan)
        played.bench.correcting.confirm()
    settle(played)
    played.bench.session.submit(played.workspace.pin)
    played.settle()
    scoring.choose_scope("heldout")
    settle(played)
    heldout = sorted(played.workspace.heldout("eye"))
    assert heldout
    played.show(heldout[0])
    played.opened.labels.fill((heldout[0], 30, 30), 0)
    played.bench.correcting.confirm()
    settle(played)
    scoring.check()
    shown = scoring.state.scores
    scoring.choose_scope("heldout")
    time.sleep(0.2)
    settle(played)
    assert shown == scoring.state.scores
    scoring.close()

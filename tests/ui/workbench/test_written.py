"""Lines that describe the disk wait for the saver: they never lag behind it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from napari_retseg.ui.scores.scoring import Scoring
from tests.ui.workbench.session import Session


@pytest.fixture
def session(tmp_path: Path, volume: Path, own_models: Path) -> Iterator[Session]:
    made = Session()
    made.start(tmp_path / "work", volume)
    yield made
    made.close()


def settle(session: Session) -> None:
    """Let the saver write in its own time, as in the viewer, and take what it posts."""
    saver = session.bench.desk.saver
    assert saver is not None
    session.settle()
    end = time.monotonic() + 20
    while saver.pending and time.monotonic() < end:
        time.sleep(0.02)
    time.sleep(0.05)
    session.settle()


def described(session: Session) -> tuple[str, str]:
    return session.state.round_text, session.state.round_problem


def deeds(session: Session) -> list[Callable[[], None]]:
    correcting = session.bench.correcting

    def paint_and_confirm(bscan: int) -> Callable[[], None]:
        def do() -> None:
            session.paint(bscan, slice(10, 20), 3)
            correcting.confirm()

        return do

    return [
        paint_and_confirm(0),
        paint_and_confirm(2),
        paint_and_confirm(4),
        correcting.undo,
        correcting.redo,
        lambda: session.paint(4, slice(30, 40), 5),  # it is not confirmed any more
        correcting.clear,
        correcting.undo,
        lambda: session.bench.adding.set_classes([*session.workspace.classes.names[1:], "more"]),
    ]


def test_what_retrain_would_do_is_what_the_disk_holds(session: Session) -> None:
    assert "onfirm" in session.state.round_problem
    for number, deed in enumerate(deeds(session)):
        deed()
        settle(session)
        shown = described(session)
        session.bench.training.describe()
        session.settle()
        assert shown == described(session), number


def test_strokes_do_not_have_it_described_again(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.paint(1, slice(10, 20), 3)
    settle(session)
    shown: list[object] = []
    training = session.bench.training
    monkeypatch.setattr(training, "_show_description", shown.append)
    for row in range(5):
        session.paint(1, slice(30 + row, 31 + row), 4)
        settle(session)
    assert set(shown) == {None}


def test_next_knows_what_was_confirmed_just_now(session: Session) -> None:
    session.predict(3)
    seen = [session.state.bscan]
    for _ in range(4):
        session.bench.correcting.confirm()
        session.bench.scans.go_next()
        session.settle()
        seen.append(session.state.bscan)
    assert sorted(seen) == [0, 1, 2, 3, 4]


def test_heldout_scores_wait_for_the_disk(session: Session) -> None:
    scoring = Scoring(session.bench.desk.viewer, post=session.bench.desk.post, bench=session.bench)
    session.scorings.append(scoring)
    session.predict(3)
    for bscan in range(5):
        session.show(bscan)
        session.bench.correcting.confirm()
    settle(session)
    session.bench.desk.do(session.workspace.pin)
    session.settle()
    scoring.choose_scope("heldout")
    settle(session)
    heldout = sorted(session.workspace.heldout("eye"))
    assert heldout
    session.show(heldout[0])
    session.opened.labels.fill((heldout[0], 30, 30), 0)
    session.bench.correcting.confirm()
    settle(session)
    scoring.check()
    shown = scoring.state.scores
    scoring.choose_scope("heldout")
    time.sleep(0.2)
    settle(session)
    assert shown == scoring.state.scores
    scoring.close()

"""What is measured while somebody corrects: seconds and edits, until a B-scan is confirmed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ui.workbench.playedbench import PlayedBench


@pytest.fixture
def played(own_models: Path, tmp_path: Path, volume: Path) -> Iterator[PlayedBench]:
    played = PlayedBench()
    played.start(tmp_path / "work", volume)
    played.show(1)
    yield played
    played.close()


def pass_time(played: PlayedBench, seconds: float) -> None:
    """Work for some seconds; the pointer moves each second."""
    for _ in range(int(seconds)):
        played.seconds += 1
        played.bench.costing.touch()


def known(played: PlayedBench) -> dict[int, tuple[float, int]]:
    played.settle()
    return {one.bscan: (one.seconds, one.edits) for one in played.workspace.costs()}


def paint(played: PlayedBench, bscan: int, rows: slice) -> None:
    """Paint a stroke that has ended."""
    played.paint(bscan, rows, 3)
    played.bench.correcting.flush_then(lambda: None)


def test_a_confirmed_bscan_has_its_seconds_and_edits(played: PlayedBench) -> None:
    pass_time(played, 5)
    paint(played, 1, slice(10, 20))
    pass_time(played, 7)
    paint(played, 1, slice(30, 40))
    played.bench.correcting.undo()
    assert known(played) == {}
    played.bench.correcting.confirm()
    assert known(played) == {1: (12, 3)}
    pass_time(played, 50)  # what is right is looked at
    played.show(2)
    pass_time(played, 2)
    played.show(1)
    paint(played, 1, slice(50, 60))
    pass_time(played, 4)
    played.bench.correcting.confirm()
    assert known(played) == {1: (16, 4)}


def test_a_prediction_that_is_right_takes_no_edit(played: PlayedBench) -> None:
    played.predict(3)
    pass_time(played, 6)
    played.bench.correcting.confirm()
    assert list(known(played)) == [1]
    (one,) = played.workspace.costs()
    assert (one.bscan, one.seconds, one.edits) == (1, 6, 0)
    assert one.score == pytest.approx(0.51)
    assert one.weights_id == played.workspace.predictions("eye")[1].weights_id


def test_what_is_not_confirmed_is_kept_when_the_workspace_is_closed(played: PlayedBench) -> None:
    pass_time(played, 3)
    paint(played, 1, slice(10, 20))
    folder = played.workspace.folder
    played.bench.leave()
    played.bench.session.wait_for_files()
    (one,) = json.loads((folder / "costs.json").read_text())["bscans"]
    assert (one["scan"], one["bscan"], one["seconds"], one["edits"]) == ("eye", 1, 3.0, 1)


def test_nothing_is_measured_once_it_is_switched_off(played: PlayedBench) -> None:
    pass_time(played, 3)
    played.bench.costing.switch(False)
    pass_time(played, 3)
    paint(played, 1, slice(10, 20))
    played.bench.correcting.confirm()
    assert known(played) == {}
    assert not (played.workspace.folder / "costs.json").exists()


def test_next_goes_by_seconds_where_they_are_known(played: PlayedBench) -> None:
    played.predict(3)
    for bscan, seconds in ((0, 10), (1, 20), (2, 30)):
        played.show(bscan)
        pass_time(played, seconds)
        played.bench.correcting.confirm()
    played.settle()
    played.bench.navigation.go_next()
    played.settle()
    assert " to correct, " in played.state.next_text or "held out" in played.state.next_text

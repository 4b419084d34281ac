"""What correcting has cost: counted, kept, said, and used to choose what comes next."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from napari_retseg.anchor import Anchor
from napari_retseg.workspace.cost import (
    FILE,
    BscanCost,
    Costs,
    describe_costs,
    expect_seconds,
)
from napari_retseg.workspace.stopwatch import IDLE_S, Spent, Stopwatch
from napari_retseg.workspace.workspace import Workspace
from tests.workspace.conftest import draw_plane


class Clock:
    """A time that the test sets."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(clock: Clock) -> Stopwatch:
    return Stopwatch(now=clock)


def test_seconds_count_while_something_is_done(watch: Stopwatch, clock: Clock) -> None:
    watch.look(("eye", 3))
    for _ in range(5):
        clock.seconds += 2
        watch.touch()
    watch.count_edit()
    clock.seconds += 600  # somebody goes for lunch
    watch.touch()
    assert watch.take(("eye", 3)) == Spent(10 + IDLE_S, 1)
    assert watch.take(("eye", 3)) == Spent()


def test_each_bscan_has_its_own(watch: Stopwatch, clock: Clock) -> None:
    clock.seconds += 5  # before a scan is open
    for bscan, seconds in ((0, 3), (1, 4), (0, 2)):
        watch.look(("eye", bscan))
        clock.seconds += seconds
    watch.look(None)
    clock.seconds += 9
    watch.touch()
    watch.count_edit()
    assert watch.places == (("eye", 0), ("eye", 1))
    assert [watch.take(place).seconds for place in watch.places] == [5, 4]


def test_costs_add_up_on_disk(tmp_path: Path) -> None:
    costs = Costs(Anchor(tmp_path))
    costs.add(BscanCost("eye", 2, 10.5, 3, 0, 0.5, "w1"))
    costs.add(BscanCost("eye", 2, 4.0, 1, 1, 0.25, "w2"))
    costs.add(BscanCost("a", 7, 1.0))
    expected = (BscanCost("a", 7, 1.0), BscanCost("eye", 2, 14.5, 4, 1, 0.25, "w2"))
    assert costs.list() == Costs(Anchor(tmp_path)).list() == expected
    costs.forget("eye")
    assert Costs(Anchor(tmp_path)).list() == expected[:1]


@pytest.mark.parametrize(
    "content",
    [
        "{",
        json.dumps({"schema_version": 2, "bscans": []}),
        json.dumps({"bscans": [{"scan": "eye", "bscan": -1}]}),
        json.dumps({"bscans": [{"scan": "eye", "bscan": 0, "seconds": 1e300}]}),
        json.dumps({"bscans": [{"scan": "eye", "bscan": 0, "score": 7}]}),
    ],
)
def test_what_cannot_be_read_is_left_as_it_is(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    costs = Costs(Anchor(tmp_path))
    costs.add(BscanCost("eye", 2, 10.5))
    assert costs.list() == ()
    assert FILE in costs.problem
    assert (tmp_path / FILE).read_text() == content


def test_it_is_said_as_a_person_counts() -> None:
    first = [BscanCost("a", k, 40.0 + k, 6) for k in range(3)]
    later = [BscanCost("a", 9, 19.2, 2, round=1)]
    assert describe_costs([], n_rounds=0) == ""
    assert describe_costs(first, n_rounds=0) == "median 41 s and 6 edits a B-scan"
    both = "median 40 s and 6 edits a B-scan, 19 s after the last round"
    assert describe_costs([*first, *later], n_rounds=1) == both
    # nothing is known of the time after a round that nobody has worked after
    assert "after" not in describe_costs(first, n_rounds=1)
    slow = [BscanCost("a", 0, 125.0, 1)]
    assert describe_costs(slow, n_rounds=0) == "median 2 min 05 s and 1 edit a B-scan"


def test_seconds_are_expected_as_of_those_alike() -> None:
    costs = [BscanCost("a", k, s, 1, 0, u, "w") for k, (u, s) in enumerate([(0.1, 10), (0.9, 90)])]
    assert expect_seconds([0.5], costs, weights_id="w") is None
    costs.append(BscanCost("a", 5, 50.0, 1, 0, 0.5, "w"))
    found = expect_seconds([0.0, 0.1, 0.5, 0.9, 1.0], costs, weights_id="w")
    assert found is not None
    assert found == sorted(found)
    assert 10 <= found[0] < 30
    assert found[2] == pytest.approx(50)
    assert 70 < found[4] <= 90
    # the scores of another model say nothing
    assert expect_seconds([0.5], costs, weights_id="other") is None


def test_a_workspace_knows_what_confirmed_bscans_cost(workspace: Workspace) -> None:
    assert workspace.describe_cost() == ""
    for bscan, seconds in ((0, 30.0), (1, 50.0), (2, 4000.0)):
        workspace.add_cost("P1", bscan, seconds=seconds, edits=4)
    for bscan in (0, 1):
        workspace.write_labels("P1", bscan, draw_plane(), state="confirmed")
    workspace.write_labels("P1", 2, draw_plane(), state="corrected")
    assert workspace.describe_cost() == "median 40 s and 4 edits a B-scan"
    again = Workspace.open(workspace.folder)
    assert again.describe_cost() == workspace.describe_cost()
    again.close()
    workspace.remove_scan("P1")
    assert workspace.costs() == ()

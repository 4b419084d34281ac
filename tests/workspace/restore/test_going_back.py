"""Restore points: labels go back, and forward again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_retseg.workspace.entry import State
from napari_retseg.workspace.restore import RestorePoints
from napari_retseg.workspace.workspace import Workspace
from tests.workspace.restore.painting import CLASSES, add_volume, paint, plane, see


def test_labels_and_states_go_back_to_a_point(workspace: Workspace, points: RestorePoints) -> None:
    paint(workspace, 0, 1)
    paint(workspace, 1, 2, "confirmed")
    before = see(workspace)
    point = points.make("before accepting layer3", name="first")
    assert (point.why, point.name, point.bscans) == ("before accepting layer3", "first", (0, 1))
    assert datetime.now(UTC) - point.when < timedelta(minutes=1)
    paint(workspace, 0, 3)
    paint(workspace, 1, 3)
    paint(workspace, 2, 3, "confirmed")
    after = see(workspace)
    made = points.restore(point.number)
    assert see(workspace) == before
    assert made.bscans == (0, 1, 2)
    assert [p.number for p in points.list()] == [made.number, point.number]
    points.restore(made.number)
    assert see(workspace) == after


def test_a_point_of_some_bscans_leaves_the_others(
    workspace: Workspace, points: RestorePoints
) -> None:
    paint(workspace, 0, 1)
    point = points.make("before the first stroke", name="first", bscans=[0, 4])
    assert point.bscans == (0, 4)
    for bscan in (0, 1, 4):
        paint(workspace, bscan, 5)
    paint(workspace, 0, 7, name="second")
    points.restore(point.number)
    assert see(workspace) == {0: (1, "corrected"), 1: (5, "corrected")}
    assert see(workspace, "second") == {0: (7, "corrected")}


def test_only_a_state_that_changed_goes_back_too(
    workspace: Workspace, points: RestorePoints
) -> None:
    workspace.write_labels("first", 0, plane(1), state="confirmed", model="sha-of-a-model")
    point = points.make("before painting", name="first", bscans=[0])
    paint(workspace, 0, 1)
    points.restore(point.number)
    assert see(workspace) == {0: (1, "confirmed")}
    (case,) = [c for c in workspace.dataset().cases if c.about["name"] == "first"]
    assert case.bscans is not None
    assert case.bscans[0].model == "sha-of-a-model"


def test_nothing_to_put_back_makes_no_point(workspace: Workspace, points: RestorePoints) -> None:
    paint(workspace, 0, 1)
    point = points.make("before", name="first")
    assert points.restore(point.number) == point
    assert points.undo() is None
    assert points.redo() is None
    assert points.list() == [point]


def test_undo_goes_further_back_and_redo_forward_again(
    workspace: Workspace, points: RestorePoints
) -> None:
    history = [see(workspace)]
    for bscan, value in ((0, 1), (1, 2), (0, 3), (2, 4)):
        points.make(f"before {value}", name="first", bscans=[bscan])
        paint(workspace, bscan, value, "confirmed")
        history.append(see(workspace))
    for step in (3, 2, 1, 0):
        made = points.undo()
        assert made is not None
        assert see(workspace) == history[step]
    assert points.undo() is None
    for step in (1, 2, 3):
        assert points.redo() is not None
        assert see(workspace) == history[step]
    made = points.undo()
    assert made is not None
    assert (made.why, made.bscans) == ("before undo: before 3", (0,))
    assert see(workspace) == history[2]
    for step in (3, 4):
        assert points.redo() is not None
        assert see(workspace) == history[step]
    assert points.redo() is None


def test_undo_is_remembered_when_the_workspace_opens_again(
    workspace: Workspace, points: RestorePoints
) -> None:
    for value in (1, 2):
        points.make(f"before {value}", name="first")
        paint(workspace, 0, value)
    points.undo()
    again = RestorePoints(workspace)
    assert again.undo() is not None
    assert see(workspace) == {}
    assert RestorePoints(workspace).redo() is not None
    assert see(workspace) == {0: (1, "corrected")}


def test_an_action_after_undo_ends_redo_but_what_was_undone_is_in_the_list(
    workspace: Workspace, points: RestorePoints
) -> None:
    points.make("before 1", name="first")
    paint(workspace, 0, 1)
    undone = points.undo()
    assert undone is not None
    points.make("before 2", name="first")
    paint(workspace, 0, 2)
    assert points.redo() is None
    points.restore(undone.number)
    assert see(workspace) == {0: (1, "corrected")}
    points.undo()
    assert see(workspace) == {0: (2, "corrected")}


def test_undo_passes_over_points_that_differ_in_nothing(
    workspace: Workspace, points: RestorePoints
) -> None:
    points.make("before 1", name="first")
    paint(workspace, 0, 1)
    points.make("before a prediction", name="first")
    points.make("before a round", name="first")
    assert points.undo() is not None
    assert see(workspace) == {}
    assert points.undo() is None


def test_undo_of_one_scan_leaves_the_other(workspace: Workspace, points: RestorePoints) -> None:
    for name in ("first", "second"):
        points.make("before", name=name)
        paint(workspace, 0, 3, name=name)
    assert points.undo("first") is not None
    assert (see(workspace), see(workspace, "second")) == ({}, {0: (3, "corrected")})
    assert points.undo() is not None
    assert see(workspace, "second") == {}
    assert points.redo("first") is not None
    assert see(workspace) == {0: (3, "corrected")}


def test_undo_keeps_strokes_that_had_no_point_of_their_own(
    workspace: Workspace, points: RestorePoints
) -> None:
    points.make("before 1", name="first")
    paint(workspace, 0, 1)
    points.undo()
    paint(workspace, 0, 5)
    points.redo()
    assert see(workspace) == {0: (1, "corrected")}
    points.undo()
    assert see(workspace) == {0: (5, "corrected")}


Steps = st.lists(
    st.one_of(
        st.tuples(st.just("paint"), st.integers(0, 3), st.integers(1, 8)),
        st.tuples(st.just("confirm"), st.integers(0, 3), st.integers(1, 8)),
        st.tuples(st.just("clear"), st.integers(0, 3), st.just(0)),
        st.tuples(st.just("undo"), st.just(0), st.just(0)),
        st.tuples(st.just("redo"), st.just(0), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=20, deadline=None)
@given(steps=Steps)
def test_undo_and_redo_are_those_of_a_list_of_all_states(
    steps: list[tuple[str, int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("steps")
    with Workspace.create(folder / "space", classes=CLASSES) as workspace:
        add_volume(workspace, folder / "first.npy", n_bscans=4)
        points = RestorePoints(workspace)
        history, now = [see(workspace)], 0
        for kind, bscan, value in steps:
            if kind == "undo":
                assert (points.undo() is not None) == (now > 0)
                now = max(now - 1, 0)
            elif kind == "redo":
                assert (points.redo() is not None) == (now < len(history) - 1)
                now = min(now + 1, len(history) - 1)
            else:
                points.make(f"before {kind}", name="first", bscans=[bscan])
                if kind == "clear":
                    workspace.clear_labels("first", [bscan])
                else:
                    state: State = "confirmed" if kind == "confirm" else "corrected"
                    paint(workspace, bscan, value, state)
                if see(workspace) == history[now]:
                    # as undo ends there, so does redo
                    history = history[: now + 1]
                    continue
                history = [*history[: now + 1], see(workspace)]
                now += 1
            assert see(workspace) == history[now]

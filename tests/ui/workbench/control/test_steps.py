"""One thing that is done is one step back, whatever it was, and wherever the user is by then."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_retseg.label_diff import Changes
from napari_retseg.ui.workbench.control import slices
from napari_retseg.ui.workbench.control.steps import Patch, Step, Steps, keep_stroke
from napari_retseg.workspace import Workspace
from tests.ui.workbench.session import Session

FLUID_OF_MODEL = 3
Snapshot = tuple[NDArray[np.uint8], dict[int, str]]


@pytest.fixture
def session(tmp_path: Path, volume: Path, own_models: Path) -> Iterator[Session]:
    made = Session()
    made.start(tmp_path / "work", volume)
    yield made
    made.close()


def snapshot(session: Session) -> Snapshot:
    session.bench.correcting.flush_then(lambda: None)  # what was done is done
    return session.labels.copy(), dict(session.bench.correcting.states)


def same(one: Snapshot, other: Snapshot) -> bool:
    return np.array_equal(one[0], other[0]) and one[1] == other[1]


def test_three_strokes_and_an_acceptance_are_four_steps(session: Session) -> None:
    session.predict(FLUID_OF_MODEL)
    session.show(1)
    session.bench.correcting.accept_bscan()
    seen = [snapshot(session)]
    for column in (20, 40, 60):
        session.opened.labels.paint((1, 50, column), 5)
        seen.append(snapshot(session))
    for before in reversed(seen[:-1]):
        session.bench.correcting.undo()
        assert same(snapshot(session), before)
    session.bench.correcting.undo()
    assert session.bench.correcting.states == {}
    for after in seen:
        session.bench.correcting.redo()
        assert same(snapshot(session), after)
    assert np.array_equal(session.written(1), session.labels[1])


def test_a_stroke_of_many_dabs_is_one_step(session: Session) -> None:
    session.show(1)
    before = snapshot(session)
    with session.opened.labels.block_history():
        for column in range(20, 80):
            session.opened.labels.paint((1, 30, column), 5, refresh=False)
    session.bench.correcting.undo()
    assert same(snapshot(session), before)


def test_the_viewers_undo_is_the_same_one(session: Session) -> None:
    session.opened.labels.paint((2, 30, 20), 5)
    first = snapshot(session)
    session.show(4)
    session.opened.labels.paint((4, 30, 20), 5)
    both = snapshot(session)
    session.show(0)
    session.opened.labels.undo()  # napari forgets when another B-scan comes into view
    assert same(snapshot(session), first)
    assert session.state.bscan == 4  # what has changed is shown
    session.opened.labels.redo()
    assert same(snapshot(session), both)


def test_confirming_is_a_step(session: Session) -> None:
    session.opened.labels.paint((2, 30, 20), 5)
    session.bench.correcting.confirm()
    session.bench.correcting.undo()
    session.written(2)
    assert session.workspace.states("eye") == {2: "corrected"}
    session.bench.correcting.redo()
    session.written(2)
    assert session.workspace.states("eye") == {2: "confirmed"}


def test_steps_stay_when_another_scan_was_open(
    session: Session, volume: Path, tmp_path: Path
) -> None:
    session.opened.labels.paint((2, 30, 20), 5)
    other = tmp_path / "other.tif"
    other.write_bytes(volume.read_bytes())
    session.bench.adding.add_files([other])
    session.settle()
    assert session.opened.name == "other"
    session.bench.scans.choose_scan(0)
    session.settle()
    assert session.labels.any()
    session.bench.correcting.undo()
    assert not session.labels.any()


def test_steps_go_on_to_what_an_earlier_session_kept(session: Session, tmp_path: Path) -> None:
    session.opened.labels.paint((2, 30, 20), 5)
    kept = session.written(2)
    session.bench.correcting.clear()
    session.settle()
    session.bench.open(tmp_path / "work")
    session.settle()
    session.show(0)
    session.opened.labels.paint((0, 30, 20), 5)
    session.bench.correcting.undo()
    assert not session.labels.any()
    session.bench.correcting.undo()
    session.settle()
    assert np.array_equal(session.labels[2], kept)
    session.bench.correcting.redo()
    session.settle()
    assert not session.labels.any()
    session.bench.correcting.redo()
    assert session.labels[0].any()
    assert np.array_equal(session.written(0), session.labels[0])


def test_any_sequence_goes_back_and_forth(session: Session) -> None:
    """Each step back gives what was there before it, each step forth what was there after."""
    session.predict(FLUID_OF_MODEL)
    correcting, labels = session.bench.correcting, session.opened.labels
    rng = random.Random(5)
    deeds = [
        lambda: labels.paint((session.state.bscan, 50, rng.randrange(96)), rng.choice([0, 5, 255])),
        lambda: labels.fill((session.state.bscan, rng.randrange(64), 30), rng.choice([0, 4])),
        correcting.accept_bscan,
        lambda: correcting.accept_class(8),
        correcting.accept_volume,
        correcting.confirm,
        correcting.clear,
    ]
    trail = [snapshot(session)]
    for _ in range(60):
        session.show(rng.randrange(5))
        rng.choice(deeds)()
        now = snapshot(session)
        if not same(now, trail[-1]):
            trail.append(now)
    for before in reversed(trail[:-1]):
        correcting.undo()
        assert same(snapshot(session), before)
    for after in trail[1:]:
        correcting.redo()
        assert same(snapshot(session), after)
    session.written(0)
    assert session.workspace.states("eye") == correcting.states
    assert np.array_equal(session.workspace.read_labels("eye"), session.labels)


@pytest.fixture
def in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a slice be two B-scans, as it is some forty of a volume in clinical use."""
    monkeypatch.setattr(slices, "PIXELS", 2 * 64 * 96)


@pytest.mark.usefixtures("in_slices")
def test_a_volume_is_changed_a_few_bscans_at_a_time(session: Session) -> None:
    session.predict(FLUID_OF_MODEL)
    labels, correcting = session.labels, session.bench.correcting
    correcting.accept_volume()
    assert not labels.any()  # the first slice has only looked at what there is to accept
    session.settle()
    assert labels[:, 20:40].all()
    assert session.state.notice.text == "Accepted 5 B-scans."
    correcting.undo()
    assert [bool(bscan.any()) for bscan in labels] == [False, False, True, True, True]
    session.settle()
    assert not labels.any()
    assert session.state.notice.text == "Undone: accepting the volume."


@pytest.mark.usefixtures("in_slices")
@pytest.mark.parametrize("what", ["confirm", "paint", "undo", "close the scan", "close"])
def test_what_is_done_meanwhile_comes_after_the_whole_volume(session: Session, what: str) -> None:
    session.predict(FLUID_OF_MODEL)
    correcting, workspace = session.bench.correcting, session.workspace
    correcting.accept_volume()
    if what == "confirm":
        correcting.confirm()
    elif what == "paint":
        session.opened.labels.paint((session.state.bscan, 50, 30), 5)
    elif what == "undo":
        correcting.undo()
    elif what == "close the scan":
        session.bench.scans.close_scan()
    else:
        session.close()
    if what != "close":
        session.settle()
        session.settle()
        assert session.bench.desk.saver is not None
        assert session.bench.desk.saver.flush(10)
    states = Workspace.open(workspace.folder).states("eye")
    expected = {} if what == "undo" else dict.fromkeys(range(5), "corrected")
    assert states == (expected | {2: "confirmed"} if what == "confirm" else expected)


SHAPE = (4, 6)


@given(st.lists(st.lists(st.tuples(st.integers(0, 23), st.integers(0, 9)), min_size=1)))
def test_joined_strokes_go_back_to_before_the_first(strokes: list[list[tuple[int, int]]]) -> None:
    plane = np.arange(24, dtype=np.uint8).reshape(SHAPE)
    before, step = plane.copy(), Step("a stroke")
    for stroke in strokes:
        flat = np.array(sorted({place for place, _ in stroke}))
        old, new = plane.reshape(-1)[flat], np.full(len(flat), stroke[0][1], np.uint8)
        step.add(keep_stroke(0, "corrected", "", Changes(flat, old, new)))
        plane.reshape(-1)[flat] = new
    after = plane.copy()
    for patch in step.patches.values():
        again = patch.swap(plane, "corrected", "")
        assert np.array_equal(plane, before)
        again.swap(plane, "corrected", "")
        assert np.array_equal(plane, after)


def test_the_oldest_steps_go_where_they_take_too_much_memory() -> None:
    steps = Steps(budget=1000)
    for number in range(10):
        values = np.zeros(300, np.uint8)
        patch = Patch(number, "corrected", "", None, values)
        steps.push(Step(str(number), {number: patch}))
    found = [step.what for step in iter(lambda: steps.take("undo"), None)]
    assert found == ["9", "8", "7"]
    big = Patch(0, "corrected", "", None, np.zeros(9999, np.uint8))
    steps.push(Step("big", {0: big}))
    assert steps.take("undo") is not None


@given(first=st.integers(0, 12), height=st.integers(0, 12), seed=st.integers(0, 99))
def test_a_whole_bscan_comes_back_whichever_rows_hold_labels(
    first: int, height: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    before = np.zeros((12, 7), np.uint8)
    before[first : first + height] = rng.integers(0, 3, before[first : first + height].shape)
    after = rng.integers(0, 3, before.shape, dtype=np.uint8)
    plane = after.copy()
    kept = Patch.of_plane(4, "corrected", "m", before)
    back = kept.swap(plane, "confirmed", "")
    assert np.array_equal(plane, before)
    again = back.swap(plane, "corrected", "m")
    assert np.array_equal(plane, after)
    assert again.n_bytes == kept.n_bytes <= before.nbytes

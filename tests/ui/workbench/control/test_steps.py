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
from tests.ui.workbench.playedbench import PlayedBench

FLUID_OF_MODEL = 3
Snapshot = tuple[NDArray[np.uint8], dict[int, str]]


@pytest.fixture
def played(tmp_path: Path, volume: Path, own_models: Path) -> Iterator[PlayedBench]:
    made = PlayedBench()
    made.start(tmp_path / "work", volume)
    yield made
    made.close()


def snapshot(played: PlayedBench) -> Snapshot:
    played.bench.correcting.flush_then(lambda: None)  # what was done is done
    return played.labels.copy(), dict(played.bench.correcting.states)


def same(one: Snapshot, other: Snapshot) -> bool:
    return np.array_equal(one[0], other[0]) and one[1] == other[1]


def test_three_strokes_and_an_acceptance_are_four_steps(played: PlayedBench) -> None:
    played.predict(FLUID_OF_MODEL)
    played.show(1)
    played.bench.correcting.accept_bscan()
    seen = [snapshot(played)]
    for column in (20, 40, 60):
        played.opened.labels.paint((1, 50, column), 5)
        seen.append(snapshot(played))
    for before in reversed(seen[:-1]):
        played.bench.correcting.undo()
        assert same(snapshot(played), before)
    played.bench.correcting.undo()
    assert played.bench.correcting.states == {}
    for after in seen:
        played.bench.correcting.redo()
        assert same(snapshot(played), after)
    assert np.array_equal(played.written(1), played.labels[1])


def test_a_stroke_of_many_dabs_is_one_step(played: PlayedBench) -> None:
    played.show(1)
    before = snapshot(played)
    with played.opened.labels.block_history():
        for column in range(20, 80):
            played.opened.labels.paint((1, 30, column), 5, refresh=False)
    played.bench.correcting.undo()
    assert same(snapshot(played), before)


def test_the_viewers_undo_is_the_same_one(played: PlayedBench) -> None:
    played.opened.labels.paint((2, 30, 20), 5)
    first = snapshot(played)
    played.show(4)
    played.opened.labels.paint((4, 30, 20), 5)
    both = snapshot(played)
    played.show(0)
    played.opened.labels.undo()  # napari forgets when another B-scan comes into view
    assert same(snapshot(played), first)
    assert played.state.bscan == 4  # what has changed is shown
    played.opened.labels.redo()
    assert same(snapshot(played), both)


def test_confirming_is_a_step(played: PlayedBench) -> None:
    played.opened.labels.paint((2, 30, 20), 5)
    played.bench.correcting.confirm()
    played.bench.correcting.undo()
    played.written(2)
    assert played.workspace.states("eye") == {2: "corrected"}
    played.bench.correcting.redo()
    played.written(2)
    assert played.workspace.states("eye") == {2: "confirmed"}


def test_steps_stay_when_another_scan_was_open(
    played: PlayedBench, volume: Path, tmp_path: Path
) -> None:
    played.opened.labels.paint((2, 30, 20), 5)
    other = tmp_path / "other.tif"
    other.write_bytes(volume.read_bytes())
    played.bench.scan_import.add_files([other])
    played.settle()
    assert played.opened.name == "other"
    played.bench.navigation.choose_scan(0)
    played.settle()
    assert played.labels.any()
    played.bench.correcting.undo()
    assert not played.labels.any()


def test_steps_go_on_to_what_an_earlier_session_kept(played: PlayedBench, tmp_path: Path) -> None:
    played.opened.labels.paint((2, 30, 20), 5)
    kept = played.written(2)
    played.bench.correcting.clear()
    played.settle()
    played.bench.open(tmp_path / "work")
    played.settle()
    played.show(0)
    played.opened.labels.paint((0, 30, 20), 5)
    played.bench.correcting.undo()
    assert not played.labels.any()
    played.bench.correcting.undo()
    played.settle()
    assert np.array_equal(played.labels[2], kept)
    played.bench.correcting.redo()
    played.settle()
    assert not played.labels.any()
    played.bench.correcting.redo()
    assert played.labels[0].any()
    assert np.array_equal(played.written(0), played.labels[0])


def test_any_sequence_goes_back_and_forth(played: PlayedBench) -> None:
    """Each step back gives what was there before it, each step forth what was there after."""
    played.predict(FLUID_OF_MODEL)
    correcting, labels = played.bench.correcting, played.opened.labels
    rng = random.Random(5)
    deeds = [
        lambda: labels.paint((played.state.bscan, 50, rng.randrange(96)), rng.choice([0, 5, 255])),
        lambda: labels.fill((played.state.bscan, rng.randrange(64), 30), rng.choice([0, 4])),
        correcting.accept_bscan,
        lambda: correcting.accept_class(8),
        correcting.accept_volume,
        correcting.confirm,
        correcting.clear,
    ]
    trail = [snapshot(played)]
    for _ in range(60):
        played.show(rng.randrange(5))
        rng.choice(deeds)()
        now = snapshot(played)
        if not same(now, trail[-1]):
            trail.append(now)
    for before in reversed(trail[:-1]):
        correcting.undo()
        assert same(snapshot(played), before)
    for after in trail[1:]:
        correcting.redo()
        assert same(snapshot(played), after)
    played.written(0)
    assert played.workspace.states("eye") == correcting.states
    assert np.array_equal(played.workspace.read_labels("eye"), played.labels)


@pytest.fixture
def in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a slice be two B-scans, as it is some forty of a volume in clinical use."""
    monkeypatch.setattr(slices, "PIXELS", 2 * 64 * 96)


@pytest.mark.usefixtures("in_slices")
def test_a_volume_is_changed_a_few_bscans_at_a_time(played: PlayedBench) -> None:
    played.predict(FLUID_OF_MODEL)
    labels, correcting = played.labels, played.bench.correcting
    correcting.accept_volume()
    assert not labels.any()  # the first slice has only looked at what there is to accept
    played.settle()
    assert labels[:, 20:40].all()
    assert played.state.notice.text == "Accepted 5 B-scans."
    correcting.undo()
    assert [bool(bscan.any()) for bscan in labels] == [False, False, True, True, True]
    played.settle()
    assert not labels.any()
    assert played.state.notice.text == "Undone: accepting the volume."


@pytest.mark.usefixtures("in_slices")
@pytest.mark.parametrize("what", ["confirm", "paint", "undo", "close the scan", "close"])
def test_what_is_done_meanwhile_comes_after_the_whole_volume(
    played: PlayedBench, what: str
) -> None:
    played.predict(FLUID_OF_MODEL)
    correcting, workspace = played.bench.correcting, played.workspace
    correcting.accept_volume()
    if what == "confirm":
        correcting.confirm()
    elif what == "paint":
        played.opened.labels.paint((played.state.bscan, 50, 30), 5)
    elif what == "undo":
        correcting.undo()
    elif what == "close the scan":
        played.bench.navigation.close_scan()
    else:
        played.close()
    if what != "close":
        played.settle()
        played.settle()
        assert played.bench.session.saver is not None
        assert played.bench.session.saver.flush(10)
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

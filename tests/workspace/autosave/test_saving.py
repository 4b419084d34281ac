"""Strokes reach the disk soon, in their order, and none is lost."""

from __future__ import annotations

import threading
import time
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_retseg.errors import InputError
from napari_retseg.workspace import autosave
from napari_retseg.workspace.autosave import Autosaver
from napari_retseg.workspace.entry import State
from tests.workspace.autosave.sink import FolderSink, plane, wait_for


def test_a_stroke_is_on_disk_within_a_second_without_a_flush(
    saver: Autosaver, sink: FolderSink
) -> None:
    begin = time.monotonic()
    saver.put("a", 3, plane(2))
    while saver.pending:
        assert time.monotonic() - begin < 1
        time.sleep(0.005)
    assert (sink.folder / "a" / "0003.raw").read_bytes() == bytes([2] * 20)
    assert sink.done == [("a", 3, 2, "corrected", None)]
    assert sink.threads == {"retseg-autosave"}


def test_strokes_without_a_pause_do_not_put_the_writing_off(
    saver: Autosaver, sink: FolderSink
) -> None:
    begin = time.monotonic()
    while time.monotonic() - begin < 1.0:
        saver.put("a", 0, plane(1))
        time.sleep(0.01)
    assert sink.times[0] - begin < 0.6
    assert 2 <= len(sink.done) <= 6


def test_the_newest_plane_of_a_bscan_wins_and_others_keep_theirs(
    saver: Autosaver, sink: FolderSink
) -> None:
    for value in range(1, 30):
        saver.put("a", 0, plane(value), model="m")
    saver.put("a", 1, plane(7))
    saver.put("b", 0, plane(8))
    assert saver.pending == 3
    assert saver.flush(10)
    assert sorted(sink.done) == [
        ("a", 0, 29, "corrected", "m"),
        ("a", 1, 7, "corrected", None),
        ("b", 0, 8, "corrected", None),
    ]


def test_what_was_put_does_not_change_with_the_array(saver: Autosaver, sink: FolderSink) -> None:
    painted = plane(1)
    saver.put("a", 0, painted)
    painted[:] = 9
    assert saver.newest("a")[0].max() == 1
    assert saver.flush(10)
    assert (sink.folder / "a" / "0000.raw").read_bytes() == bytes([1] * 20)
    assert saver.newest("a") == {}


def test_a_confirmed_plane_is_written_as_it_was_before_later_strokes(
    saver: Autosaver, sink: FolderSink
) -> None:
    sink.open.clear()
    saver.put("z", 0, plane(0), state="confirmed")
    for value, state in ((1, "corrected"), (2, "confirmed"), (3, "corrected"), (4, "corrected")):
        saver.put("a", 0, plane(value), state="confirmed" if state == "confirmed" else "corrected")
    assert saver.newest("a")[0].max() == 4
    sink.open.set()
    assert saver.flush(10)
    assert [entry[2:4] for entry in sink.done if entry[0] == "a"] == [
        (2, "confirmed"),
        (4, "corrected"),
    ]


def test_a_stroke_that_comes_while_its_bscan_is_written_is_written_after_it(
    saver: Autosaver, sink: FolderSink
) -> None:
    sink.open.clear()
    saver.put("a", 0, plane(1))
    wait_for(lambda: sink.n_begun == 1)
    saver.put("a", 0, plane(2))
    saver.put("a", 0, plane(3))
    assert saver.pending == 2
    sink.open.set()
    assert saver.flush(10)
    assert [entry[2] for entry in sink.done] == [1, 3]


def test_flush_waits_for_a_plane_that_takes_the_place_of_one_it_waits_for(
    saver: Autosaver, sink: FolderSink
) -> None:
    gate = threading.Event()

    def hold(name: str, bscan: int) -> None:
        if name == "a":
            gate.wait(10)

    sink.refuse = hold
    sink.open.clear()
    saver.put("z", 0, plane(1), state="confirmed")
    wait_for(lambda: sink.n_begun == 1)
    saver.put("a", 0, plane(1))
    answers: list[bool] = []
    flushing = threading.Thread(target=lambda: answers.append(saver.flush(10)))
    flushing.start()
    time.sleep(0.05)
    saver.put("a", 0, plane(2))
    sink.open.set()
    wait_for(lambda: len(sink.done) == 1 and sink.n_begun == 2)
    flushing.join(0.1)
    assert not answers
    gate.set()
    flushing.join(10)
    assert answers == [True]
    assert sink.done[-1][:3] == ("a", 0, 2)


def test_a_confirmed_plane_does_not_wait_for_more(sink: FolderSink, told: list[str]) -> None:
    saver = Autosaver(sink, on_error=told.append, delay=30)
    saver.put("a", 0, plane(1), state="confirmed")
    begin = time.monotonic()
    while saver.pending:
        assert time.monotonic() - begin < 5
        time.sleep(0.005)
    saver.put("a", 0, plane(2))
    saver.close()
    assert [entry[2] for entry in sink.done] == [1, 2]


def test_a_stroke_does_not_wait_behind_a_whole_volume(saver: Autosaver, sink: FolderSink) -> None:
    sink.refuse = lambda name, bscan: time.sleep(0.01)
    for bscan in range(200):
        saver.put("volume", bscan, plane(1), state="confirmed")
    saver.put("volume", 500, plane(2))
    begin = time.monotonic()
    while ("volume", 500, 2, "corrected", None) not in sink.done:
        assert time.monotonic() - begin < 1
        time.sleep(0.005)
    assert saver.pending
    assert saver.flush(20)
    assert len(sink.done) == 201


def test_put_returns_at_once_while_the_disk_is_slow(saver: Autosaver, sink: FolderSink) -> None:
    sink.open.clear()
    large = plane(1, (496, 768))
    saver.put("a", 0, large)
    seconds = []
    for bscan in range(100):
        begin = time.perf_counter()
        saver.put("a", bscan % 5, large)
        seconds.append(time.perf_counter() - begin)
    assert np.median(seconds) < 1e-3
    assert not saver.flush(0.05)


Puts = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(("corrected", "confirmed")),
        st.sampled_from(("go on", "wait", "flush", "fail once")),
    ),
    max_size=30,
)


@settings(max_examples=25, deadline=None)
@given(puts=Puts)
def test_any_order_of_puts_ends_with_the_last_plane_and_every_confirmed_one(
    puts: list[tuple[int, State, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    with patch.object(autosave, "RETRY_S", 0.003):
        put_all(puts, FolderSink(tmp_path_factory.mktemp("sink")))


def put_all(puts: list[tuple[int, State, str]], sink: FolderSink) -> None:
    failures: list[int] = []

    def fail_once(name: str, bscan: int) -> None:
        if failures:
            failures.pop()
            raise InputError("full")

    sink.refuse = fail_once
    saver = Autosaver(sink, on_error=lambda text: None, delay=0.002)
    for value, (bscan, state, then) in enumerate(puts):
        if then == "fail once":
            failures.append(1)
        saver.put("a", bscan, plane(value), state=state)
        if then == "wait":
            time.sleep(0.004)
        if then == "flush":
            assert saver.flush(5)
    assert saver.flush(10)
    saver.close()
    for bscan in range(3):
        asked = [(v, state) for v, (b, state, _) in enumerate(puts) if b == bscan]
        got = [(entry[2], entry[3]) for entry in sink.done if entry[1] == bscan]
        assert got == [pair for pair in asked if pair in got]
        assert [p for p in asked if p[1] == "confirmed"] == [p for p in got if p[1] == "confirmed"]
        assert got[-1:] == asked[-1:]

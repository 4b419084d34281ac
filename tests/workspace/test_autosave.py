"""Strokes reach the disk: soon, the newest wins, confirmed ones as they were, failures later."""

from __future__ import annotations

import errno
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_retseg.errors import InputError
from napari_retseg.io.atomic import write_bytes
from napari_retseg.workspace import autosave
from napari_retseg.workspace.autosave import Autosaver
from napari_retseg.workspace.entry import State


class FolderSink:
    """Write planes as raw files, and keep what was asked for, with the time when it was done."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.done: list[tuple[str, int, int, State, str | None]] = []
        self.times: list[float] = []
        self.threads: set[str] = set()
        self.n_begun = 0
        self.refuse: Callable[[str, int], None] = lambda name, bscan: None
        self.open = threading.Event()
        self.open.set()

    def write_labels(
        self,
        name: str,
        bscan: int,
        plane: NDArray[np.uint8],
        *,
        state: State,
        model: str | None = None,
    ) -> None:
        self.n_begun += 1
        self.open.wait(10)
        self.refuse(name, bscan)
        write_bytes(self.folder / name / f"{bscan:04d}.raw", plane.tobytes())
        self.done.append((name, bscan, int(plane.flat[0]), state, model))
        self.times.append(time.monotonic())
        self.threads.add(threading.current_thread().name)


@pytest.fixture
def sink(tmp_path: Path) -> FolderSink:
    return FolderSink(tmp_path)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def saver(sink: FolderSink, told: list[str]) -> Iterator[Autosaver]:
    made = Autosaver(sink, on_error=told.append, on_saved=lambda: told.append("saved"))
    yield made
    sink.refuse = lambda name, bscan: None
    sink.open.set()
    made.close()


def plane(value: int, shape: tuple[int, int] = (4, 5)) -> NDArray[np.uint8]:
    return np.full(shape, value, np.uint8)


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


def test_a_full_disk_is_told_once_and_the_strokes_are_written_later(
    saver: Autosaver, sink: FolderSink, told: list[str]
) -> None:
    def is_full(name: str, bscan: int) -> None:
        raise InputError(f"{name}/{bscan:04d}.png: cannot be written (No space left); make room")

    sink.refuse = is_full
    for bscan in range(3):
        saver.put("a", bscan, plane(1))
    assert not saver.flush()
    saver.put("a", 1, plane(5))
    assert not saver.flush(1.5)
    assert saver.pending == 3
    assert len(told) == 1
    assert "make room" in told[0]
    sink.refuse = lambda name, bscan: None
    assert saver.flush(5)
    wait_for(lambda: told[-1] == "saved")
    assert len(told) == 2
    assert {entry[1]: entry[2] for entry in sink.done} == {0: 1, 1: 5, 2: 1}
    sink.refuse = is_full
    saver.put("a", 0, plane(2))
    assert not saver.flush()
    wait_for(lambda: len(told) == 3)


def test_a_write_that_failed_is_tried_again_without_being_asked(
    saver: Autosaver, sink: FolderSink, told: list[str]
) -> None:
    def refuse(name: str, bscan: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "0001.png")

    sink.refuse = refuse
    saver.put("a", 1, plane(1), state="confirmed")
    wait_for(lambda: bool(told))
    assert told == ["0001.png: cannot be written (No space left on device); make room"]
    sink.refuse = lambda name, bscan: None
    wait_for(lambda: saver.pending == 0)
    wait_for(lambda: told[-1] == "saved")


def test_one_bscan_that_fails_does_not_hold_up_the_others(
    saver: Autosaver, sink: FolderSink, told: list[str]
) -> None:
    def refuse(name: str, bscan: int) -> None:
        if bscan == 1:
            raise ValueError("of another\nshape")

    sink.refuse = refuse
    for bscan in range(3):
        saver.put("a", bscan, plane(1))
    assert not saver.flush()
    assert sorted(entry[1] for entry in sink.done) == [0, 2]
    assert saver.pending == 1
    wait_for(lambda: bool(told))
    assert told == ["a: B-scan 1 cannot be saved (ValueError: of another)"]


def test_a_confirmed_plane_that_failed_is_not_swallowed_by_a_later_stroke(
    saver: Autosaver, sink: FolderSink
) -> None:
    def refuse(name: str, bscan: int) -> None:
        raise InputError("full")

    sink.refuse = refuse
    saver.put("a", 0, plane(1), state="confirmed")
    assert not saver.flush()
    saver.put("a", 0, plane(2))
    assert not saver.flush()
    sink.refuse = lambda name, bscan: None
    assert saver.flush(5)
    assert [entry[2:4] for entry in sink.done] == [(1, "confirmed"), (2, "corrected")]


def test_a_callback_that_raises_does_not_end_the_saving(
    sink: FolderSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[str] = []
    hook = "excepthook"
    monkeypatch.setattr(threading, hook, lambda args: reported.append(str(args.exc_value)))

    def complain(text: str) -> None:
        raise RuntimeError("the dock is gone")

    def refuse(name: str, bscan: int) -> None:
        raise InputError("full")

    saver = Autosaver(sink, on_error=complain)
    sink.refuse = refuse
    saver.put("a", 0, plane(1))
    assert not saver.flush()
    wait_for(lambda: reported == ["the dock is gone"])
    sink.refuse = lambda name, bscan: None
    assert saver.flush(5)
    saver.close()


def test_close_writes_what_is_pending_and_ends_the_thread(
    sink: FolderSink, told: list[str]
) -> None:
    saver = Autosaver(sink, on_error=told.append, delay=30)
    saver.put("a", 0, plane(1))
    saver.close()
    saver.close()
    assert sink.done == [("a", 0, 1, "corrected", None)]
    assert "retseg-autosave" not in {thread.name for thread in threading.enumerate()}
    with pytest.raises(RuntimeError, match="closed"):
        saver.put("a", 0, plane(2))
    assert saver.flush()


def test_close_does_not_hang_on_a_full_disk(sink: FolderSink, told: list[str]) -> None:
    def refuse(name: str, bscan: int) -> None:
        raise InputError("full")

    sink.refuse = refuse
    saver = Autosaver(sink, on_error=told.append)
    saver.put("a", 0, plane(1), state="confirmed")
    saver.put("a", 0, plane(2))
    saver.put("a", 1, plane(3))
    begin = time.monotonic()
    saver.close()
    assert time.monotonic() - begin < 2
    assert told == ["full"]
    assert saver.pending == 3
    assert not saver.flush(5)


def test_a_program_that_ends_without_close_loses_nothing(tmp_path: Path) -> None:
    script = f"""
    import numpy as np
    from pathlib import Path
    from napari_retseg.io.atomic import write_bytes
    from napari_retseg.workspace.autosave import Autosaver

    class Sink:
        def write_labels(self, name, bscan, plane, *, state, model=None):
            write_bytes(Path({str(tmp_path)!r}) / name, plane.tobytes())

    saver = Autosaver(Sink(), on_error=print, delay=30)
    saver.put("a", 0, np.full((2, 2), 3, np.uint8))
    """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "a").read_bytes() == bytes([3] * 4)


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


def wait_for(condition: Callable[[], bool], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)

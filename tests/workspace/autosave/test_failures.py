"""Strokes that cannot be written are kept, told and tried again."""

from __future__ import annotations

import errno
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from napari_retseg.errors import InputError
from napari_retseg.workspace.autosave import Autosaver
from tests.workspace.autosave.sink import FolderSink, plane, wait_for


def test_a_full_disk_is_told_once_and_the_strokes_are_written_later(
    saver: Autosaver, sink: FolderSink, told: list[str]
) -> None:
    def is_full(name: str, bscan: int) -> None:
        raise InputError(
            f"{name}/{bscan:04d}.png: cannot be written (No space left); free some disk space"
        )

    sink.refuse = is_full
    for bscan in range(3):
        saver.put("a", bscan, plane(1))
    assert not saver.flush()
    saver.put("a", 1, plane(5))
    assert not saver.flush(1.5)
    assert saver.pending == 3
    assert len(told) == 1
    assert "free some disk space" in told[0]
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
    assert told == ["0001.png: cannot be saved (No space left on device); free some disk space"]
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

"""Ctrl-C for any work: the first asks, the second stops."""

from __future__ import annotations

import signal
import threading

import pytest

from napari_retseg.interrupt import stopping_cleanly


def test_the_first_is_announced_once_and_the_second_interrupts() -> None:
    said: list[str] = []
    before = signal.getsignal(signal.SIGINT)
    with stopping_cleanly(lambda: said.append("stopping")) as token:
        assert not token.is_cancelled()
        signal.raise_signal(signal.SIGINT)
        assert token.is_cancelled()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert said == ["stopping"]
    assert signal.getsignal(signal.SIGINT) is before


def test_other_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stopping_cleanly(lambda: None):
        assert signal.getsignal(signal.SIGTERM) is before


def test_on_another_thread_the_work_goes_on_without_signals() -> None:
    found: list[bool] = []
    before = signal.getsignal(signal.SIGINT)

    def work() -> None:
        with stopping_cleanly(lambda: None) as token:
            found.append(token.is_cancelled())
            found.append(signal.getsignal(signal.SIGINT) is before)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False, True]

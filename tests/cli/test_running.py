"""Ctrl-C."""

from __future__ import annotations

import signal

import pytest

from napari_retseg.cli.running import stopping_cleanly


def test_the_first_signal_asks_to_stop_and_the_second_interrupts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with stopping_cleanly() as token:
        assert not token.is_cancelled()
        signal.raise_signal(signal.SIGINT)
        assert token.is_cancelled()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert capsys.readouterr().err.count("\n") == 1


def test_a_termination_request_stops_cleanly_too() -> None:
    with stopping_cleanly() as token:
        signal.raise_signal(signal.SIGTERM)
        assert token.is_cancelled()


def test_the_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with stopping_cleanly():
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before

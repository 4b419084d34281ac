"""Ctrl-C: the first asks a job to stop and save, the second stops at once."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from napari_retseg.cli.terminal import echo
from napari_retseg.events import CancelToken


@contextmanager
def stopping_cleanly() -> Iterator[CancelToken]:
    """Give a token that Ctrl-C and a termination request set.

    A second one raises KeyboardInterrupt.
    """
    token = CancelToken()

    def handle(_number: int, _frame: Any) -> None:
        if token.is_cancelled():
            raise KeyboardInterrupt
        token.cancel()
        with suppress(RuntimeError):  # it came in the midst of another line
            echo(
                "stopping after everything is saved; press Ctrl-C again to stop at once", sys.stderr
            )

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield token
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

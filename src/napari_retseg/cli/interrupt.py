"""Ctrl-C and a termination request, for a command."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from napari_retseg import interrupt
from napari_retseg.cli.terminal import echo
from napari_retseg.events import CancelToken


@contextmanager
def stopping_cleanly() -> Iterator[CancelToken]:
    """Give a token that Ctrl-C and a termination request set.

    A second one raises KeyboardInterrupt.
    """
    signals = (signal.SIGINT, signal.SIGTERM)
    with interrupt.stopping_cleanly(_announce, signals=signals) as token:
        yield token


def _announce() -> None:
    with suppress(RuntimeError):  # it came in the midst of another line
        echo("stopping after everything is saved; press Ctrl-C again to stop at once", sys.stderr)

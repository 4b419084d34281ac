"""What is left open when the program ends is closed in time."""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Callable
from typing import Protocol


class Closable(Protocol):
    """Something that a dock closes; to do it twice does no harm."""

    def close(self) -> None:
        """Close it."""
        ...


def close_at_exit(what: Closable) -> None:
    """Close something when the interpreter ends, where it is still there and nobody has done it.

    A script may end without closing its viewer. The functions of :mod:`atexit` come too late
    then: thread pools, which jobs need to end in order, take nothing any more.
    """
    found = weakref.ref(what)

    def close() -> None:
        there = found()
        if there is not None:
            there.close()

    register: Callable[[Callable[[], None]], object] = getattr(
        threading, "_register_atexit", atexit.register
    )
    register(close)

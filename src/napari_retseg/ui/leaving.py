"""What is left open when the program ends is closed in time."""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Callable
from functools import partial
from typing import Protocol

from qtpy.QtWidgets import QApplication, QWidget


class Closable(Protocol):
    """Something that a dock closes; to do it twice does no harm."""

    def close(self) -> None:
        """Close it."""
        ...


def close_with(dock: QWidget, controller: Closable) -> None:
    """Close a controller, and with it its engine, when its dock ends: at the latest at exit."""
    # a partial, because Qt holds methods weakly, and the dock is gone by then
    dock.destroyed.connect(partial(controller.close))
    application = QApplication.instance()
    if application is not None:
        application.aboutToQuit.connect(controller.close)
    close_at_exit(controller)


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

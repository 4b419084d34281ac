"""Ctrl-C: the first asks the work to stop and save, the second stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from napari_retseg.events import CancelToken


@contextmanager
def stopping_cleanly(
    announce: Callable[[], None], *, signals: Sequence[signal.Signals] = (signal.SIGINT,)
) -> Iterator[CancelToken]:
    """Give a token that the first of these signals sets; a second one raises KeyboardInterrupt.

    Only the main thread receives signals: on any other the token stays as it is.

    Parameters
    ----------
    announce
        Called at the first signal.
    """
    token = CancelToken()
    if threading.current_thread() is not threading.main_thread():
        yield token
        return

    def handle(_number: int, _frame: Any) -> None:
        if token.is_cancelled():
            raise KeyboardInterrupt
        token.cancel()
        announce()

    before = {number: signal.signal(number, handle) for number in signals}
    try:
        yield token
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

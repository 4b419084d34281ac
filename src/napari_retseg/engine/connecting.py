"""Reaches a scheduler elsewhere on a thread of its own, so that nobody waits for its answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

from napari_retseg.engine.reach import ANSWER_SECONDS
from napari_retseg.engine.workers import RemoteWorkers

#: Greeting, dask's own handshake and the first question each have their share of it.
_LIMIT_SECONDS = 4 * ANSWER_SECONDS


class Connecting:
    """One attempt to reach a scheduler.

    Parameters
    ----------
    address
        The scheduler's.
    on_end
        Called with this attempt, on its thread, when `workers` or `error` is there.
    """

    def __init__(self, address: str, on_end: Callable[[Connecting], None]) -> None:
        self.workers: RemoteWorkers | None = None
        self.error: Exception | None = None
        self._deadline = time.monotonic() + _LIMIT_SECONDS
        self._is_left = False
        self._lock = threading.Lock()
        # a daemon: dask may be stuck in it, and the program ends all the same
        threading.Thread(
            target=partial(self._run, address, on_end), name="retseg-connect", daemon=True
        ).start()

    @property
    def is_late(self) -> bool:
        """Whether it takes longer than any scheduler would."""
        return time.monotonic() > self._deadline

    def leave(self) -> None:
        """Wait no longer; a connection that still comes is closed."""
        with self._lock:
            self._is_left = True
            workers, self.workers = self.workers, None
        if workers is not None:
            workers.close()

    def _run(self, address: str, on_end: Callable[[Connecting], None]) -> None:
        try:
            workers = RemoteWorkers(address)
        except Exception as error:  # noqa: BLE001 - told as the outcome of the jobs that wait
            self.error = error
        else:
            with self._lock:
                is_left = self._is_left
                self.workers = None if is_left else workers
            if is_left:
                workers.close()
                return
        on_end(self)

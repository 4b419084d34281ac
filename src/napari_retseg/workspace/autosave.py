"""Strokes go to disk in the background: soon, in order, and again where the disk refuses."""

from __future__ import annotations

import atexit
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from napari_retseg.errors import RetsegError
from napari_retseg.workspace.entry import Plane, State

#: Seconds between two attempts to write what the disk refused.
RETRY_S = 1.0


class LabelSink(Protocol):
    """Where labels go: a workspace."""

    def write_labels(
        self, name: str, bscan: int, plane: Plane, *, state: State, model: str | None = None
    ) -> None:
        """Write one B-scan's class values and its state."""
        ...


@dataclass
class _Write:
    """One plane on its way; `ticket` says when it was first asked for, `due` when to write it."""

    plane: Plane
    state: State
    model: str | None
    ticket: int
    due: float
    is_busy: bool = False
    failures: int = 0


_Key = tuple[str, int]


class Autosaver:
    """Write B-scans in one background thread.

    Planes of the same B-scan that follow each other quickly become one write; the newest wins.
    A confirmed plane is always written as it was, and before all that follows. A write that fails
    is kept and tried again every second.

    Parameters
    ----------
    workspace
        Where the planes go.
    on_error
        Told one line when writing begins to fail; not again until all could be written.
        Like `on_saved` and `on_idle`, it is called in the saver's thread.
    on_saved
        Called when all that had failed is on disk.
    on_idle
        Called when all that was put is on disk.
    delay
        Seconds for which strokes are gathered; the first one of them waits no longer.
    """

    def __init__(
        self,
        workspace: LabelSink,
        *,
        on_error: Callable[[str], None],
        on_saved: Callable[[], None] | None = None,
        on_idle: Callable[[], None] | None = None,
        delay: float = 0.25,
    ) -> None:
        self._sink = workspace
        self._on_error = on_error
        self._on_saved = on_saved
        self._on_idle = on_idle
        self._delay = delay
        self._queues: dict[_Key, deque[_Write]] = {}
        self._changed = threading.Condition()
        self._tickets = 0
        self._is_failing = False
        self._closing: dict[int, int] | None = None
        self._thread = threading.Thread(target=self._run, name="retseg-autosave", daemon=True)
        self._thread.start()
        # a daemon thread ends with the process: what it still holds must be out before
        atexit.register(self.close)

    def put(
        self,
        name: str,
        bscan: int,
        plane: Plane,
        *,
        state: State = "corrected",
        model: str | None = None,
    ) -> None:
        """Take a B-scan to be written; returns at once.

        Parameters
        ----------
        name
            The scan's name in the workspace.
        bscan
            Index of the B-scan.
        plane
            Class values, ``(depth, width)``; copied.
        state
            ``corrected``, or ``confirmed``: written without waiting for more strokes.
        model
            ``weights_id`` of the model that predicted it first, if any.

        Raises
        ------
        RuntimeError
            After :meth:`close`.
        """
        copy = np.array(plane, dtype=np.uint8)
        due = time.monotonic() + (0.0 if state == "confirmed" else self._delay)
        with self._changed:
            if self._closing is not None:
                raise RuntimeError("the autosaver is closed")
            self._tickets += 1
            write = _Write(copy, state, model, self._tickets, due)
            queue = self._queues.setdefault((name, bscan), deque())
            if queue and not queue[-1].is_busy and queue[-1].state == "corrected":
                _replace(queue.pop(), write)
            queue.append(write)
            self._changed.notify_all()

    @property
    def pending(self) -> int:
        """How many planes are not on disk yet."""
        with self._changed:
            return sum(len(queue) for queue in self._queues.values())

    @property
    def is_failing(self) -> bool:
        """Whether the disk refuses some of them."""
        return self._is_failing

    def newest(self, name: str) -> dict[int, Plane]:
        """Return the newest planes of a scan that are not on disk yet, by B-scan."""
        with self._changed:
            return {
                bscan: queue[-1].plane.copy()
                for (scan, bscan), queue in self._queues.items()
                if scan == name
            }

    def flush(self, timeout: float | None = None) -> bool:
        """Write all that was put until now, without delay.

        Parameters
        ----------
        timeout
            Seconds to wait, attempts after a failure included. None: until every plane is on
            disk or was refused once.

        Returns
        -------
        bool
            Whether all of it is on disk.
        """
        end = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            last = self._tickets
            failures = self._hurry()
            while waiting := [w for w in self._heads().values() if w.ticket <= last]:
                left = None if end is None else end - time.monotonic()
                was_tried = all(w.failures > failures.get(w.ticket, 0) for w in waiting)
                is_over = was_tried if left is None else left <= 0
                if is_over or not self._thread.is_alive():
                    return False
                self._changed.wait(left)
        return True

    def close(self) -> None:
        """Write what is pending, each plane once, and end the thread; what fails stays pending."""
        with self._changed:
            if self._closing is None:
                self._closing = self._hurry()
        if threading.current_thread() is not self._thread:
            self._thread.join()
        atexit.unregister(self.close)

    def _heads(self) -> dict[_Key, _Write]:
        """Return the plane of each B-scan that is written first."""
        return {key: queue[0] for key, queue in self._queues.items()}

    def _hurry(self) -> dict[int, int]:
        """Make all due now; return how often each ticket has failed until now."""
        now = time.monotonic()
        writes = [write for queue in self._queues.values() for write in queue]
        for write in writes:
            write.due = min(write.due, now)
        self._changed.notify_all()
        return {write.ticket: write.failures for write in writes}

    def _run(self) -> None:
        while (found := self._wait_for_next()) is not None:
            key, write = found
            error = self._try_to_write(key, write)
            self._settle(key, write, error)

    def _wait_for_next(self) -> tuple[_Key, _Write] | None:
        """Sleep until a plane is due and mark it as being written; None when all is done."""
        with self._changed:
            while True:
                heads = self._heads()
                if (old := self._closing) is not None:
                    heads = {k: w for k, w in heads.items() if w.failures <= old.get(w.ticket, 0)}
                    if not heads:
                        return None
                now = time.monotonic()
                due = [(key, write) for key, write in heads.items() if write.due <= now]
                if due:
                    # a stroke does not wait behind a volume that was accepted just before it
                    key, write = max(due, key=lambda pair: pair[1].due)
                    write.is_busy = True
                    return key, write
                first = min((write.due for write in heads.values()), default=None)
                self._changed.wait(None if first is None else first - now)

    def _try_to_write(self, key: _Key, write: _Write) -> str | None:
        """Write a plane; return in one line why it could not be."""
        try:
            self._sink.write_labels(*key, write.plane, state=write.state, model=write.model)
        except RetsegError as error:
            return str(error)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            return f"{where}cannot be saved ({error.strerror or error}); free some disk space"
        except Exception as error:  # noqa: BLE001 - an unforeseen failure must not end the saving
            lines = f"{error}".splitlines() or [""]
            return f"{key[0]}: B-scan {key[1]} cannot be saved ({type(error).__name__}: {lines[0]})"
        return None

    def _settle(self, key: _Key, write: _Write, error: str | None) -> None:
        """Drop what is written, keep what is not, and tell when failing begins or ends."""
        with self._changed:
            queue = self._queues[key]
            queue.popleft()
            write.is_busy = False
            if error is not None:
                write.failures += 1
                write.due = time.monotonic() + RETRY_S
                if queue and write.state == "corrected":
                    _replace(write, queue[0])
                else:
                    queue.appendleft(write)
            elif not queue:
                del self._queues[key]
            was_failing = self._is_failing
            # only the first of a B-scan's planes was ever tried
            self._is_failing = any(write.failures for write in self._heads().values())
            is_failing, is_idle = self._is_failing, not self._queues
            self._changed.notify_all()
        if is_failing and not was_failing and error is not None:
            _tell(self._on_error, error)
        if was_failing and not is_failing and self._on_saved is not None:
            _tell(self._on_saved)
        if is_idle and self._on_idle is not None:
            _tell(self._on_idle)


def _replace(earlier: _Write, later: _Write) -> None:
    """Let a stroke take the place of one that was not written: its turn, its failures."""
    later.ticket = earlier.ticket
    later.failures = earlier.failures
    later.due = earlier.due if earlier.failures else min(earlier.due, later.due)


def _tell(callback: Callable[..., None], *args: str) -> None:
    """Call back; an error in there is reported like any of a thread, and the saving goes on."""
    try:
        callback(*args)
    except Exception:  # noqa: BLE001
        kind, error, trace = sys.exc_info()
        if kind is not None:
            thread = threading.current_thread()
            threading.excepthook(threading.ExceptHookArgs((kind, error, trace, thread)))

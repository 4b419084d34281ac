"""Work on all B-scans of a volume, a few at a time: the viewer never waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial

#: Pixels that are changed at once: about ten milliseconds.
PIXELS = 16_000_000
#: Seconds in which the viewer draws and listens between two slices.
_PAUSE_S = 0.001


class Slices:
    """Does the work that was given last: its first slice at once, the others one by one.

    Between two slices the viewer draws and listens. What must see all of the work done calls
    :meth:`finish` first. All methods are called on the GUI's thread.

    Parameters
    ----------
    post
        Runs a function on the GUI's thread, soon; called on any thread.
    """

    def __init__(self, post: Callable[[Callable[[], None]], None]) -> None:
        self._post = post
        self._rest: Iterator[None] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether slices are left."""
        return self._rest is not None

    def run(self, work: Iterator[None]) -> None:
        """Begin a work that stops at each ``yield``, after the one before is done."""
        self.finish()
        self._go_on(work)

    def finish(self) -> None:
        """Do all slices that are left, now."""
        rest, self._rest = self._rest, None
        for _ in rest or ():
            pass

    def _go_on(self, work: Iterator[None]) -> None:
        self._rest = None
        for _ in work:
            self._rest = work
            threading.Timer(_PAUSE_S, self._post, [partial(self._take_turn, work)]).start()
            return

    def _take_turn(self, work: Iterator[None]) -> None:
        if work is self._rest:  # not finished meanwhile
            self._go_on(work)


def for_each(
    bscans: Sequence[int], change: Callable[[int], None], *, n_pixels: int
) -> Iterator[None]:
    """Change B-scans of a size, and stop after each slice but the last.

    A scan of a few B-scans is one slice, so it is done at once.
    """
    n_at_once = max(PIXELS // max(n_pixels, 1), 1)
    for first in range(0, len(bscans), n_at_once):
        if first:
            yield
        for bscan in bscans[first : first + n_at_once]:
            change(bscan)

"""How long somebody works on each B-scan, and how often they change it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

#: The clock stops after so many seconds in which nothing is done.
IDLE_S = 10.0

#: A scan's name and a B-scan's index.
Place = tuple[str, int]


@dataclass
class Spent:
    """What was spent on a B-scan."""

    seconds: float = 0.0
    edits: int = 0


class Stopwatch:
    """Counts active seconds and edits of the B-scan in view.

    Parameters
    ----------
    now
        Gives the time in seconds; it never goes back.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._last = now()
        self._place: Place | None = None
        self._spent: dict[Place, Spent] = {}

    def look(self, place: Place | None) -> None:
        """Note which B-scan is worked on from now on; None: none."""
        if place != self._place:
            self.touch()
            self._place = place

    def touch(self) -> None:
        """Note that something is done now."""
        now = self._now()
        if self._place is not None:
            seconds = min(now - self._last, IDLE_S)
            self._spent.setdefault(self._place, Spent()).seconds += seconds
        self._last = now

    def count_edit(self) -> None:
        """Note that the labels were changed."""
        self.touch()
        if self._place is not None:
            self._spent[self._place].edits += 1

    @property
    def places(self) -> tuple[Place, ...]:
        """The B-scans on which something was spent that was not taken yet."""
        return tuple(self._spent)

    def take(self, place: Place) -> Spent:
        """Give what was spent on a B-scan since the last time."""
        if place == self._place:
            self.touch()
        return self._spent.pop(place, Spent())

    def forget(self) -> None:
        """Forget all."""
        self._spent.clear()
        self._place = None

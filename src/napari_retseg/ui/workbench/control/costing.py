"""Measures what correcting costs, where the user has not switched it off. Knows no Qt."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from napari_retseg.ui.workbench.control.session import Session
from napari_retseg.workspace.stopwatch import Place, Stopwatch

#: Less is no work: a B-scan that was passed on the way to another one.
_LEAST_S = 1.0


class Costing:
    """Counts active seconds and edits of the B-scan in view, until it is confirmed.

    All methods are called on the GUI's thread.

    Parameters
    ----------
    now
        Gives the time in seconds.
    """

    def __init__(self, session: Session, *, now: Callable[[], float] = time.monotonic) -> None:
        self._session = session
        self._watch = Stopwatch(now=now)
        self._is_on = True
        events = session.state.events
        for event in (events.scan, events.bscan, events.n_bscans, events.strip):
            event.connect(self._on_state)
        session.edited.connect(self._on_edited)

    @property
    def is_on(self) -> bool:
        """Whether anything is measured."""
        return self._is_on

    def switch(self, is_on: bool) -> None:
        """Measure from now on, or nothing any more."""
        self._is_on = is_on
        self._watch.forget()
        self._on_state()

    def touch(self) -> None:
        """Note that the user does something now."""
        self._watch.touch()

    def leave(self) -> None:
        """Keep what was spent on all B-scans; called before the workspace is closed."""
        self._keep(self._watch.places)
        self._watch.forget()

    def _on_edited(self) -> None:
        self._watch.look(self._find_place(is_edited=True))
        self._watch.count_edit()

    def _on_state(self, _value: Any = None) -> None:
        self._watch.look(self._find_place())
        self._keep([place for place in self._watch.places if self._is_confirmed(place)])

    def _find_place(self, *, is_edited: bool = False) -> Place | None:
        """Return the B-scan that is worked on: the one in view, unless it is confirmed."""
        opened, state = self._session.opened, self._session.state
        if not self._is_on or opened is None or not state.can_edit:
            return None
        place = opened.name, state.bscan
        return None if self._is_confirmed(place) and not is_edited else place

    def _is_confirmed(self, place: Place) -> bool:
        opened, strip = self._session.opened, self._session.state.strip
        name, bscan = place
        is_there = opened is not None and opened.name == name and bscan < len(strip)
        return is_there and strip[bscan].status == "confirmed"

    def _keep(self, places: list[Place] | tuple[Place, ...]) -> None:
        workspace = self._session.workspace
        for name, bscan in places:
            spent = self._watch.take((name, bscan))
            if workspace is None or workspace.is_read_only:
                continue
            if spent.edits or spent.seconds >= _LEAST_S:
                add = partial(workspace.add_cost, seconds=spent.seconds, edits=spent.edits)
                self._session.submit(partial(add, name, bscan))

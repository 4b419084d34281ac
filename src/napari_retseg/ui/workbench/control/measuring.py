"""Measures of the open scan, as it is corrected: on a thread of their own. Knows no Qt."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_retseg.measures import LiveMeasures
from napari_retseg.measures.sectors import Place
from napari_retseg.models.sureness import Sureness, find_sureness, find_unconfirmed
from napari_retseg.plural import count_noun
from napari_retseg.ui.workbench.control.counting import collect, look
from napari_retseg.ui.workbench.control.map_picture import (
    Front,
    MapPicture,
    make_front,
    make_picture,
)
from napari_retseg.ui.workbench.control.measured_files import (
    Measured,
    format_clipboard,
    write_measured,
)
from napari_retseg.ui.workbench.control.open_scan import OpenScan
from napari_retseg.ui.workbench.control.session import Session
from napari_retseg.workspace import State

logger = logging.getLogger(__name__)

#: B-scans that are measured before what is known by then is shown.
_AT_ONCE = 64
#: Steps with the arrow keys from one end of a B-scan to the other.
_STEPS = 64


class Measuring:
    """Measures the open scan while somebody looks, and each B-scan again that has changed.

    A B-scan with labels has those, another one its prediction without doubtful A-scans. Methods
    are called on the GUI's thread; what takes time is done beside it.

    Parameters
    ----------
    states
        Gives the states of the B-scans of the open scan that have labels.

    Attributes
    ----------
    picture
        What is shown; None while nothing is measured.
    is_watched
        Whether somebody looks.
    ascan
        The A-scan that was gone to; -1: none.
    centre_mm
        Of the grid, as it was set by hand; None: on the fovea.
    """

    #: Another picture is there, or none.
    drawn = Signal()
    #: Another A-scan was gone to.
    marked = Signal()
    #: A table for the clipboard is there.
    copied = Signal(str)

    def __init__(self, session: Session, states: Callable[[], Mapping[int, State]]) -> None:
        self._session = session
        self._states = states
        self.picture: MapPicture | None = None
        self.ascan = -1
        self.centre_mm: Place | None = None
        self._span = ""
        self.is_watched = False
        self._is_closed = False
        self._opened: OpenScan | None = None
        self.live: LiveMeasures | None = None
        self._front: Front | None = None
        self._said_by: set[str] = set()
        self._sureness: Sureness | None = None
        self._lock = threading.Lock()
        self._waiting: dict[int, None] = {}
        self._is_asked = self.is_busy = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="retseg-measures")
        session.shown.connect(self._on_shown)
        session.changed.connect(self._on_changed)
        session.painted.connect(self._on_painted)

    # What is looked at.

    def watch(self, is_watched: bool) -> None:
        """Measure from now on, or no longer: nobody looks."""
        self.is_watched = is_watched and not self._is_closed
        self._follow()
        if self.live is not None and is_watched:
            self._ask(())
        self.marked.emit()

    def choose(self, span: str) -> None:
        """Show another layer, or span of layers."""
        if span != self._span:
            self._span = span
            self._ask(())

    def set_centre(self, place: Place | None) -> None:
        """Lay the grid on a place by hand; None: on the fovea again."""
        live = self.live
        if live is None or live.grid is None:
            self._session.notify("The grid needs a volume of parallel B-scans of known scale.")
            return
        if place is not None and not live.grid.contains(place):
            self._session.notify("That place lies outside the scan; choose another.", "warning")
            return
        # a place that B-scan and A-scan name, as in files and for the command
        self.centre_mm = place and live.grid.place_of(*live.grid.numbers_of(place))
        self._ask(())

    def centre_here(self) -> None:
        """Lay the grid on the A-scan that was gone to, or the middle of the B-scan in view."""
        mark = self.find_mark()
        if mark is not None:
            self.set_centre(mark)

    def go_to(self, x: float, y: float) -> None:
        """Go to the B-scan and the A-scan at a place of the map."""
        lines, live = self._lines(), self.live
        if lines is None or live is None:
            return
        if live.grid is not None:
            bscan, ascan = live.grid.find_ascan((x, y))
        else:
            bscan, ascan = round(y), round(x)
        self.step_to(bscan, ascan)

    def step_to(self, bscan: int, ascan: int) -> None:
        """Go to a B-scan and an A-scan; beyond the ends to the last."""
        live, opened = self.live, self._session.opened
        if live is None or opened is None:
            return
        self.ascan = min(max(ascan, 0), live.scan.spatial_shape[-1] - 1)
        opened.go_to(min(max(bscan, 0), live.scan.n_bscans - 1))
        self.marked.emit()

    def step(self, down: int, right: int) -> None:
        """Go on by B-scans and a few A-scans, downwards and to the right as they are seen."""
        live, lines = self.live, self._lines()
        if live is None or lines is None:
            return
        width = live.scan.spatial_shape[-1]
        ascan = self.ascan if self.ascan >= 0 else width // 2
        # B-scans may run upwards, A-scans to the left
        along = 1 if lines[0, 2] >= lines[0, 0] else -1
        across = 1 if lines[-1, 1] >= lines[0, 1] else -1
        ascan += right * along * max(1, width // _STEPS)
        self.step_to(self._session.state.bscan + down * across, ascan)

    def find_mark(self) -> Place | None:
        """Return where the A-scan is that was gone to, or the middle of the B-scan in view."""
        lines, bscan, live = self._lines(), self._session.state.bscan, self.live
        if lines is None or live is None or not 0 <= bscan < len(lines):
            return None
        last = live.scan.spatial_shape[-1] - 1
        share = 0.5 if self.ascan < 0 or last < 1 else self.ascan / last
        x, y = lines[bscan, :2] * (1 - share) + lines[bscan, 2:] * share
        return float(x), float(y)

    @property
    def can_measure(self) -> bool:
        """Whether the open scan can be measured."""
        opened = self._session.opened
        return opened is not None and opened.loaded.scan.is_oct

    def _lines(self) -> NDArray[np.float64] | None:
        return None if self.picture is None else self.picture.lines

    # What comes out.

    def copy(self) -> None:
        """Make a table of all means, for the clipboard."""
        live = self.live
        if live is not None:
            table = self._thread.submit(format_clipboard, live)
            self._session.hand_on(table, self.copied.emit)

    def export(self, folder: Path) -> None:
        """Write the table and the maps of the open scan into a folder of its name."""
        opened, live = self._opened, self.live
        if opened is None or live is None:
            return
        centre, states = self.centre_mm, dict(self._states())
        self._session.notify(f"Measuring {opened.name}…")

        def work() -> tuple[Path, int]:
            labels, doubtful = collect(opened.loaded, states)
            measured = Measured(opened.loaded, labels, doubtful, states, live.grid, centre)
            return write_measured(measured, folder)

        # the thread that follows corrections goes on meanwhile
        self._session.compute(work, self._on_written)

    def _on_written(self, written: tuple[Path, int]) -> None:
        folder, count = written
        self._session.notify(f"Wrote {count_noun(count, 'file')} into {folder}.")

    # How it is made.

    def close(self) -> None:
        """Measure nothing any more."""
        self._is_closed, self.is_watched = True, False
        session = self._session
        session.shown.disconnect(self._on_shown)
        session.changed.disconnect(self._on_changed)
        session.painted.disconnect(self._on_painted)
        with self._lock:
            self._waiting.clear()
            self._is_asked = False
        self.live = self._opened = None
        self._thread.shutdown(wait=True)

    def wait(self) -> None:
        """Wait until all that was asked for so far is done; not on the GUI's thread."""
        self._thread.submit(lambda: None).result()

    def _on_shown(self) -> None:
        self.live = None
        self._follow()

    def _on_painted(self, bscan: int) -> None:
        self._on_changed((bscan,))

    def _on_changed(self, bscans: Iterable[int]) -> None:
        if self.live is not None:
            self._ask(bscans)

    def _follow(self) -> None:
        """Measure the open scan from the beginning, where it is looked at and not measured yet."""
        opened = self._session.opened
        if opened is None or not opened.loaded.scan.is_oct:
            self.live = self._opened = None
            self._show(None)
            return
        if self.live is not None or not self.is_watched:
            return
        if self._opened is None or self._opened.name != opened.name:
            self.centre_mm, self.ascan = None, -1
            self._show(None)
        self._opened = opened
        self.live = LiveMeasures(opened.loaded.scan, opened.loaded.classes)
        self._front = self._sureness = None
        with self._lock:
            self._waiting.clear()
        self._ask(range(opened.n_bscans))

    def _ask(self, bscans: Iterable[int]) -> None:
        """Measure B-scans, as long as somebody looks, and show it."""
        with self._lock:
            self._waiting |= dict.fromkeys(bscans)
            if not self.is_watched or self.live is None:
                return
            self._is_asked = True
            if not self.is_busy:
                self.is_busy = True
                self._thread.submit(self._work)

    def _work(self) -> None:
        """Measure what waits, then lay the grid where it belongs by then."""
        try:
            while True:
                with self._lock:
                    live, opened, is_asked = self.live, self._opened, self._is_asked
                    bscans = list(self._waiting)[:_AT_ONCE]
                    for bscan in bscans:
                        del self._waiting[bscan]
                    self._is_asked = bool(self._waiting)
                    if live is None or opened is None or not is_asked:
                        self.is_busy = False
                        return
                self._measure(live, opened, bscans)
        except Exception as error:
            logger.exception("measuring failed")
            with self._lock:
                self.is_busy = False
            text = f"Measuring failed ({type(error).__name__}: {error}); no file was changed."
            self._session.post(partial(self._session.notify, text, "error"))

    def _measure(self, live: LiveMeasures, opened: OpenScan, bscans: list[int]) -> None:
        for bscan in bscans:
            live.update(bscan, *look(opened.loaded, self._states(), bscan))
        is_first = self.picture is None and live.sectors is None
        # an edit is shown at once; the fovea is found again when no other one waits
        if not is_first and bscans:
            self._draw(live, opened)
        with self._lock:
            waits = self._is_asked
        if is_first or not waits:
            if self._front is None:
                self._front = make_front(live)
            is_moved = live.place_grid(self.centre_mm)
            if is_first or is_moved or not bscans:
                self._draw(live, opened)

    def _draw(self, live: LiveMeasures, opened: OpenScan) -> None:
        n_open = sum(not self._is_known(opened, bscan) for bscan in range(opened.n_bscans))
        picture = make_picture(
            live,
            self._span,
            self._front,
            sureness=self._find_sureness(opened),
            is_by_hand=self.centre_mm is not None,
            n_open=n_open,
        )
        self._session.post(partial(self._take, live, picture))

    def _find_sureness(self, opened: OpenScan) -> Sureness:
        """How sure the numbers are; the models are read again only for labels of others."""
        weights, confirmed = find_unconfirmed(self._states(), opened.loaded.models)
        if self._sureness is None or weights != self._said_by:
            self._said_by, self._sureness = weights, find_sureness(weights)
        return replace(self._sureness, confirmed=confirmed)

    def _take(self, live: LiveMeasures, picture: MapPicture) -> None:
        if live is self.live:
            self._span = picture.span
            self._show(picture)

    def _show(self, picture: MapPicture | None) -> None:
        self.picture = picture
        self.drawn.emit()

    def _is_known(self, opened: OpenScan, bscan: int) -> bool:
        return bscan in self._states() or bscan in opened.loaded.predicted

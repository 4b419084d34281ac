"""Pockets of fluid by clicks and lines: proposed, taken, removed, cut in two. Knows no Qt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal
from skimage.measure import find_contours

from napari_retseg.classes import BACKGROUND, IGNORE, LabelSet
from napari_retseg.decode.pocket_click import propose_pocket
from napari_retseg.decode.pocket_edit import cut, find_pocket, take_out
from napari_retseg.decode.pocket_outline import comes_back, propose_inside
from napari_retseg.decode.pocket_regions import PocketProposal
from napari_retseg.layers import is_lesion, layer_order
from napari_retseg.ui.workbench.control.drawing import Drawing
from napari_retseg.ui.workbench.control.session import Session

if TYPE_CHECKING:
    from napari_retseg.ui.workbench.control.weighing import Weighing

Path = list[tuple[float, float]]
Propose = Callable[..., PocketProposal | None]


@dataclass(frozen=True)
class Proposal:
    """A pocket that is proposed.

    Attributes
    ----------
    bscan, value
        Where, and of which class.
    regions
        From the smallest to the largest.
    number
        The region that is shown.
    region
        Its pixels, ``(depth, width)``.
    outlines
        Closed lines around it: places ``(n, 2)``, column and row.
    """

    bscan: int
    value: int
    regions: PocketProposal
    number: int
    region: NDArray[np.bool_] = field(repr=False)
    outlines: tuple[NDArray[np.float64], ...] = field(repr=False)


@dataclass(frozen=True)
class PocketClasses:
    """Which classes of a scan can make pockets: all that are neither background nor layers."""

    classes: LabelSet
    layers: list[int]
    values: list[int]

    @classmethod
    def of(cls, classes: LabelSet) -> PocketClasses:
        """Tell layers and other classes apart."""
        layers = [classes.classes[k].value for k in layer_order(classes)]
        values = [c.value for c in classes.foreground if c.value not in layers]
        return cls(classes, layers, values)

    def choose(self, picked: int) -> int | None:
        """Choose the class of a new pocket: the one that is painted with, or the only one."""
        if picked in self.values:
            return picked
        lesions = [c.value for c in self.classes.foreground if is_lesion(c.name)]
        for only in (self.values, lesions):
            if len(only) == 1:
                return only[0]
        return None

    def name(self, value: int) -> str:
        """Name a class."""
        return next(c.name for c in self.classes.classes if c.value == value)

    def color(self, value: int) -> str:
        """Return the colour of a class."""
        return next(c.color for c in self.classes.classes if c.value == value)


class PocketClicking:
    """Proposes pockets where the user clicks, and changes labels as the user says.

    Each change is one step, written as a stroke of the brush is. All methods are called on the
    GUI's thread; places are rows and columns of the labels' pixels. A proposal is made on the
    thread for files; requests are numbered, and only the last answer is shown.
    """

    #: The proposal, or the line, is to be drawn again.
    changed = Signal()

    def __init__(self, session: Session, drawing: Drawing, weighing: Weighing) -> None:
        self._session = session
        self._drawing = drawing
        self._weighing = weighing
        self._number = 0
        self._known: PocketClasses | None = None
        self.proposal: Proposal | None = None
        #: The line that is being drawn: rows and columns.
        self.path: Path = []
        session.shown.connect(self._on_shown)
        session.tool_taken.connect(self._on_tool_taken)
        session.changed.connect(self._on_changed)
        session.state.events.bscan.connect(self._on_bscan)
        session.state.events.n_bscans.connect(self._on_count)

    def close(self) -> None:
        """Follow the scan no longer."""
        self._session.shown.disconnect(self._on_shown)
        self._session.tool_taken.disconnect(self._on_tool_taken)
        self._session.changed.disconnect(self._on_changed)
        self._session.state.events.bscan.disconnect(self._on_bscan)
        self._session.state.events.n_bscans.disconnect(self._on_count)

    @property
    def is_on(self) -> bool:
        """Whether clicks make pockets."""
        return self._session.state.takes_pockets

    @property
    def color(self) -> str:
        """Of the proposal's class, as ``#rrggbb``."""
        assert self.proposal is not None
        return self._classes().color(self.proposal.value)

    def toggle(self) -> None:
        """Begin to click pockets, or go back to painting."""
        session = self._session
        if self.is_on:
            self._end()
            return
        if session.opened is None:
            session.notify("Open a scan first.")
        elif not self._classes().values:
            session.notify("All classes are layers of the retina: none of them can be a pocket.")
        elif self._drawing.may_draw():
            session.tool_taken.emit("pockets")
            session.state.takes_pockets = True
            self._weighing.want(session.state.bscan)
            session.notify(
                "Click into a pocket of fluid, or draw around it. Click a labelled pocket to "
                "remove it, or draw a line across it to cut it in two."
            )

    def escape(self) -> None:
        """Drop the proposal; without one, go back to painting."""
        if self.proposal is not None:
            self.drop()
            self._session.notify("")
        else:
            self._end()

    def _end(self) -> None:
        self.drop()
        self._session.state.takes_pockets = False

    # Clicks.

    def click(self, row: int, column: int) -> None:
        """Take the proposal, remove the labelled pocket that is there, or propose a pocket."""
        if not self.is_on or not self._drawing.may_draw():
            return
        bscan = self._session.state.bscan
        seen = self._drawing.see(bscan)
        if not (0 <= row < seen.shape[0] and 0 <= column < seen.shape[1]):
            self.drop()
        elif self.proposal is not None and self.proposal.region[row, column]:
            self.take()
        elif int(seen[row, column]) in self._classes().values:
            self._remove(bscan, seen, (row, column))
        else:
            self._ask(
                partial(propose_pocket, place=(row, column)),
                "This place is outside the layers. Click inside the retina.",
            )

    def _remove(self, bscan: int, seen: NDArray[np.uint8], place: tuple[int, int]) -> None:
        known = self._classes()
        self.drop()
        pocket = find_pocket(seen, place)
        name = known.name(int(seen[place]))
        without = take_out(seen, pocket, known.layers)
        self._drawing.draw(bscan, seen, without, f"removing a pocket ({name}) on B-scan {bscan}")
        self._session.notify(f"Removed a pocket of {name}.")

    def _ask(
        self,
        propose: Callable[..., PocketProposal | None],
        nothing: str,
        *,
        all_of_it: bool = False,
    ) -> None:
        """Have a pocket proposed, or the largest region; say `nothing` where there is none."""
        known, session, opened = self._classes(), self._session, self._session.opened
        assert opened is not None
        self.drop()
        value = known.choose(session.state.picked)
        if value is None:
            names = ", ".join(known.name(k) for k in known.values)
            session.notify(f"Choose the class of the pocket first: {names}.")
            return
        bscan = session.state.bscan
        scan, labels = opened.loaded.scan, self._drawing.see(bscan).copy()
        evidence = self._weighing.of(bscan)
        name = known.name(value)

        def work() -> PocketProposal | None:
            shape = labels.shape[0], labels.shape[1]
            said = None if evidence is None else evidence.probability(name, shape)
            grey = scan.read_bscan(bscan).mean(axis=0, dtype=np.float32)
            return propose(grey, labels=labels, layers=known.layers, probability=said)

        def show(number: int, found: PocketProposal | None) -> None:
            if number != self._number:
                return
            if found is None:
                session.notify(nothing)
                return
            session.notify(
                "Turn the wheel to make it larger or smaller. Click inside or press Enter to take "
                "it, Esc to drop it."
            )
            self._show(bscan, value, found, found.n_regions - 1 if all_of_it else found.best)

        session.submit(work, partial(show, self._number))

    def _show(self, bscan: int, value: int, regions: PocketProposal, number: int) -> None:
        shape = self._drawing.see(bscan).shape
        region = regions.region(number, (shape[0], shape[1]))
        self.proposal = Proposal(bscan, value, regions, number, region, _outline(region))
        self.changed.emit()

    def grow(self, steps: int) -> None:
        """Make the proposal larger, or smaller where `steps` is negative."""
        shown = self.proposal
        if shown is None:
            return
        number = min(max(shown.number + steps, 0), shown.regions.n_regions - 1)
        if number != shown.number:
            self._show(shown.bscan, shown.value, shown.regions, number)

    def take(self) -> None:
        """Label what is proposed; pockets of other classes stay."""
        shown, known = self.proposal, self._classes()
        if shown is None:
            return
        self.drop()
        seen = self._drawing.see(shown.bscan)
        others = [value for value in known.values if value != shown.value]
        after = np.where(shown.region & ~np.isin(seen, others), np.uint8(shown.value), seen)
        self._session.state.hidden -= {shown.value}  # nobody labels what is not seen
        name = known.name(shown.value)
        what = f"adding a pocket ({name}) on B-scan {shown.bscan}"
        if self._drawing.draw(shown.bscan, seen, after, what):
            self._session.notify(f"Added a pocket of {name}.")
        else:
            self._session.notify("Nothing is added: all of it is labelled.")

    def drop(self) -> None:
        """Show no proposal, and none that is still being made."""
        self._number += 1
        self.path = []
        self.proposal = None
        self.changed.emit()

    # Lines: around a pocket, or across one.

    def draw_to(self, row: float, column: float) -> None:
        """Draw on, or begin to."""
        self.path = [*self.path, (row, column)]
        self.changed.emit()

    def finish(self, *, exactly: bool = False) -> None:
        """Propose the pocket within the line, or all that is within; or cut the pockets it crosses.

        A line encloses something if it comes back to its start, which is in no labelled pocket.
        """
        path = self.path
        self.drop()
        if len(path) < 2 or not self._drawing.may_draw():
            return
        outline = np.array(path)
        if comes_back(outline) and not self._starts_in_pocket(path):
            self._ask(
                partial(propose_inside, outline=outline),
                "The line is outside the B-scan.",
                all_of_it=exactly,
            )
        else:
            self._cut(path)

    def _starts_in_pocket(self, path: Path) -> bool:
        seen = self._drawing.see(self._session.state.bscan)
        row, column = (round(k) for k in path[0])
        is_inside = 0 <= row < seen.shape[0] and 0 <= column < seen.shape[1]
        return is_inside and int(seen[row, column]) in self._classes().values

    def _cut(self, path: Path) -> None:
        known, bscan = self._classes(), self._session.state.bscan
        seen = self._drawing.see(bscan)
        after = cut(seen, [(round(row), round(column)) for row, column in path], known.layers)
        if after is None:
            self._session.notify(
                "Draw around a pocket, back to where you began, or from edge to edge across a "
                "labelled pocket to cut it."
            )
        else:
            self._drawing.draw(bscan, seen, after, f"cutting a pocket on B-scan {bscan}")
            self._session.notify("Cut a pocket in two.")

    # What is open.

    def _classes(self) -> PocketClasses:
        opened = self._session.opened
        assert opened is not None
        classes = opened.loaded.classes
        if self._known is None or self._known.classes != classes:
            self._known = PocketClasses.of(classes)
        return self._known

    def can_be(self, value: int) -> bool:
        """Whether a class can make pockets; picking one does not end the clicks."""
        return self.is_on and value not in (BACKGROUND, IGNORE) and value in self._classes().values

    def _on_shown(self) -> None:
        if self._session.opened is not None and not self._classes().values:
            self._end()
        self.drop()

    def _on_tool_taken(self, name: str) -> None:
        if self.is_on and name != "pockets":
            self._end()

    def _on_count(self, n_bscans: int) -> None:
        if not n_bscans:  # the scan is about to be closed
            self._end()

    def _on_bscan(self, bscan: int) -> None:
        self.drop()
        if self.is_on:
            self._weighing.want(bscan)

    def _on_changed(self, bscans: tuple[int, ...]) -> None:
        if self.proposal is not None and self.proposal.bscan in bscans:
            self.drop()


def _outline(region: NDArray[np.bool_]) -> tuple[NDArray[Any], ...]:
    """Closed lines around the pixels of a region: columns and rows."""
    rows, columns = (np.flatnonzero(region.any(axis=k)) for k in (1, 0))
    top, left = int(rows[0]), int(columns[0])
    part = np.pad(region[top : rows[-1] + 1, left : columns[-1] + 1], 1)
    found = find_contours(part.astype(np.float32), 0.5)  # type: ignore[no-untyped-call]
    return tuple(line[:, ::-1] + (left - 1, top - 1) for line in found)

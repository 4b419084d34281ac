"""The boundaries of the B-scan in view as curves: shown, chosen, dragged, lifted, taken away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_retseg.decode.editing import (
    Drag,
    drag_boundary,
    draw_boundary,
    find_absent,
    lift_boundary,
    remove_layer,
    restore_layer,
)
from napari_retseg.decode.snapping import Clues
from napari_retseg.ui.workbench.control.curve_clues import CurveClues
from napari_retseg.ui.workbench.control.curve_sheet import Sheet, Sheets
from napari_retseg.ui.workbench.control.drawing import Drawing
from napari_retseg.ui.workbench.control.session import Session
from napari_retseg.ui.workbench.control.weighing import Weighing

#: A-scans on either side of a dragged place that go with it: at first, and at the limits.
_WIDTH, _NARROWEST, _WIDEST = 64, 4, 2048
_STEP = 1.25
#: Rows by which a key lifts a boundary.
_LIFT = 0.5
#: A pointer that moved less, in pixels of the scan, has only chosen a boundary.
_STILL = 0.4


@dataclass
class _Hand:
    """A boundary that is held with the mouse.

    Attributes
    ----------
    grip
        Rows by which the pointer lay below the curve when it was taken.
    places
        ``(column, row)`` of the pointer, the first and the following ones.
    """

    sheet: Sheet
    boundary: int
    is_drawing: bool
    is_free: bool
    clues: Clues | None
    grip: float
    places: list[tuple[float, float]] = field(default_factory=list)
    rows: NDArray[np.float32] | None = None


class CurveEditing:
    """Shows the boundaries of the B-scan in view, and changes them as a hand says.

    Each change is one step, written as a stroke of the brush is. All methods are called on the
    GUI's thread; places are those of the labels layer's pixels.

    Parameters
    ----------
    drawing
        Takes new labels.
    evidence
        What the chosen model says of B-scans, once it has said so.
    """

    #: The curves, or what is said of them, are to be drawn again.
    changed = Signal()

    def __init__(self, session: Session, drawing: Drawing, *, evidence: Weighing) -> None:
        self._session = session
        self._drawing = drawing
        self._evidence = evidence
        self._sheets: Sheets | None = None
        self._clues: CurveClues | None = None
        self._sheet: Sheet | None = None
        self._hand: _Hand | None = None
        self._is_stale = False
        #: Who edits boundaries goes on with the next scan.
        self._is_wanted = False
        #: Index of the boundary that is pointed at, or was last; -1: none.
        self.chosen = -1
        #: Whether the pointer is near the chosen boundary.
        self.is_near = False
        #: A-scan and row of the pointer.
        self.pointer = (0.0, 0.0)
        self.width = _WIDTH
        evidence.arrived.connect(self._on_evidence)
        session.shown.connect(self._on_shown)
        session.tool_taken.connect(self._on_tool_taken)
        session.changed.connect(self._on_changed)
        session.state.events.bscan.connect(self._on_bscan)
        session.state.events.n_bscans.connect(self._on_count)
        session.state.events.model.connect(self.refresh)

    def close(self) -> None:
        """Follow the scan no longer."""
        self._evidence.arrived.disconnect(self._on_evidence)
        self._session.shown.disconnect(self._on_shown)
        self._session.tool_taken.disconnect(self._on_tool_taken)
        self._session.changed.disconnect(self._on_changed)
        self._session.state.events.bscan.disconnect(self._on_bscan)
        self._session.state.events.n_bscans.disconnect(self._on_count)
        self._session.state.events.model.disconnect(self.refresh)

    # What is shown.

    @property
    def is_on(self) -> bool:
        """Whether boundaries are shown and edited."""
        return self._session.state.shows_curves

    @property
    def rows(self) -> NDArray[np.float32] | None:
        """The boundaries to show, ``(boundary, width)``; None: none."""
        if self._hand is not None and self._hand.rows is not None:
            return self._hand.rows
        return None if self._sheet is None else self._sheet.rows

    @property
    def names(self) -> list[str]:
        """Of the boundaries, from above."""
        return [] if self._sheets is None else self._sheets.names

    @property
    def colors(self) -> list[str]:
        """Of the boundaries, as ``#rrggbb``."""
        return [] if self._sheets is None else self._sheets.colors

    @property
    def stroke(self) -> list[tuple[float, float]]:
        """The stroke that is being drawn: A-scans and rows."""
        return self._hand.places if self._hand is not None and self._hand.is_drawing else []

    @property
    def is_held(self) -> bool:
        """Whether a boundary is held with the mouse."""
        return self._hand is not None

    @property
    def is_free(self) -> bool:
        """Whether what is held does not snap."""
        return self._hand is not None and self._hand.is_free

    def toggle(self) -> None:
        """Show the boundaries to edit them, or go back to painting."""
        session = self._session
        if not self.is_on and session.opened is None:
            session.notify("Open a scan first.")
            return
        if not self.is_on and not (self._sheets and self._sheets.layers):
            session.notify("None of the classes is a layer of the retina; paint instead.")
            return
        if not self.is_on:
            session.tool_taken.emit("curves")
        session.state.shows_curves = self._is_wanted = not self.is_on
        self._hand = None
        self.refresh()
        if self.is_on and self.rows is not None and not np.isfinite(self.rows).any():
            session.notify("This B-scan has no boundaries yet. Segment it, or paint first.")

    def _on_shown(self) -> None:
        opened = self._session.opened
        self._forget()
        if opened is not None:
            self._sheets = Sheets(opened.loaded.classes)
            height, width = opened.loaded.labels.shape[-2:]
            shape = (int(height), int(width))
            names = self._sheets.layer_names
            self._clues = CurveClues(self._session, opened, names, shape)
            self._session.state.shows_curves = self._is_wanted and bool(names)
        self.refresh()

    def _on_tool_taken(self, name: str) -> None:
        if self.is_on and name != "curves":
            self.toggle()

    def _on_count(self, n_bscans: int) -> None:
        if not n_bscans:  # the scan is about to be closed
            self._forget()
            self.changed.emit()

    def _forget(self) -> None:
        self._session.state.shows_curves = False
        self._sheet, self._hand, self.is_near, self.chosen = None, None, False, -1
        self._sheets = self._clues = None

    def _on_bscan(self, _bscan: int) -> None:
        self._hand = None
        self.refresh()

    def _on_changed(self, bscans: tuple[int, ...]) -> None:
        if self._session.state.bscan in bscans:
            self.refresh()

    def note_change(self, _event: object = None) -> None:
        """Know that something else may have painted; :meth:`check` looks."""
        self._is_stale = True

    def check(self) -> None:
        """Follow what was painted; called a few times a second."""
        if self._is_stale:
            self.refresh()

    def refresh(self, _event: object = None) -> None:
        """Make the curves of what is seen now, and prepare what they snap to."""
        self._is_stale = False
        bscan = self._session.state.bscan
        if self._session.opened is None or self._sheets is None or not self.is_on:
            self._sheet = self._hand = None
        elif self._clues is not None:
            self._sheet = self._sheets.make(self._drawing.see(bscan))
            self._clues.fetch(bscan, self._evidence.of(bscan))
            self._evidence.want(bscan)
        self.changed.emit()

    def _on_evidence(self, bscan: int) -> None:
        if self._clues is not None and self.is_on:
            self._clues.fetch(bscan, self._evidence.of(bscan))

    # The pointer.

    def point(self, column: float, row: float, reach: float) -> None:
        """Know where the pointer is, and whether it is within so many rows of a boundary."""
        self.pointer = (column, row)
        was_near, self.is_near = self.is_near, False
        found = self._find_near(column, row, reach)
        if found is not None:
            self.chosen, self.is_near = found, True
        if self.is_near or was_near:
            self.changed.emit()

    def leave(self) -> None:
        """Know that the pointer is elsewhere."""
        if self.is_near:
            self.is_near = False
            self.changed.emit()

    def _find_near(self, column: float, row: float, reach: float) -> int | None:
        rows, at = self.rows, round(column)
        if rows is None or not 0 <= at < rows.shape[1]:
            return None
        away = np.abs(rows[:, at] - row)
        if not np.isfinite(away).any() or np.nanmin(away) > reach:
            return None
        # of boundaries that lie on each other the nearer side counts
        nearest = np.flatnonzero(away == np.nanmin(away))
        return int(nearest[0] if row <= rows[nearest[0], at] else nearest[-1])

    def widen(self, steps: float) -> None:
        """Let more A-scans go with a dragged place, or fewer where `steps` is negative."""
        width = round(self.width * _STEP**steps)
        if width == self.width:
            width += 1 if steps > 0 else -1
        self.width = min(max(width, _NARROWEST), _WIDEST)
        if self._hand is not None:
            self._solve(self._hand)
        self.changed.emit()

    def choose(self, step: int) -> None:
        """Choose the boundary below the chosen one, or above where `step` is -1; point at it."""
        sheet = self._sheet
        if sheet is None or not self.names:
            return
        if self.chosen < 0:  # no pointer has been here
            self.pointer = (sheet.rows.shape[1] / 2, 0.0)
        self.chosen = min(max(self.chosen + step, 0), len(self.names) - 1)
        at = self._find_column(sheet)
        row = float(sheet.rows[self.chosen, at])
        self.is_near = bool(np.isfinite(row))
        self.pointer = (float(at), row) if self.is_near else self.pointer
        self.changed.emit()

    # The hand.

    def press(self, *, is_drawing: bool = False, is_free: bool = False) -> bool:
        """Take the boundary that is pointed at; False where none is near."""
        if not (self.is_on and self.is_near and self._drawing.may_draw()):
            return False
        self.refresh()
        sheet, clues = self._sheet, self._clues
        if sheet is None or clues is None:
            return False
        column, row = self.pointer
        grip = row - float(sheet.rows[self.chosen, round(column)])
        found = None if is_free else clues.of(self._session.state.bscan, self.chosen)
        hand = _Hand(sheet, self.chosen, is_drawing, is_free, found, grip)
        hand.places.append(self.pointer)
        self._hand = hand
        return True

    def move(self, column: float, row: float) -> None:
        """Move what is held."""
        hand = self._hand
        if hand is None:
            return
        self.pointer = (column, row)
        x, y = hand.places[0]
        if hand.rows is None and max(abs(column - x), abs(row - y)) < _STILL:
            return
        hand.places.append(self.pointer)
        self._solve(hand)
        self.changed.emit()

    def _solve(self, hand: _Hand) -> None:
        rows = hand.sheet.rows
        column, row = hand.places[-1]
        if hand.is_drawing:
            # snapped once the whole of it is there
            hand.rows = draw_boundary(rows, hand.boundary, hand.places)
        elif len(hand.places) > 1:
            limit = hand.sheet.labels.shape[0] - 0.5
            row = min(max(row - hand.grip, -0.5), limit)
            at = min(max(round(column), 0), rows.shape[1] - 1)
            drag = Drag(hand.boundary, at, row, self.width)
            hand.rows = drag_boundary(rows, drag, hand.clues)

    def release(self) -> None:
        """Let go: what was done is written."""
        hand, self._hand = self._hand, None
        if hand is None or hand.rows is None:
            return
        rows = hand.rows
        if hand.is_drawing and hand.clues is not None:
            rows = draw_boundary(hand.sheet.rows, hand.boundary, hand.places, hand.clues)
        self._write(hand.sheet, rows, f"moving {self.names[hand.boundary]}")

    # Keys.

    def actions(self) -> dict[str, Callable[[], None]]:
        """Return what each key does, by the names of the keys."""
        return {
            "curves": self.toggle,
            "lift": partial(self.lift, 1),
            "lower": partial(self.lift, -1),
            "above": partial(self.choose, -1),
            "below": partial(self.choose, 1),
            "wider": partial(self.widen, 1),
            "narrower": partial(self.widen, -1),
            "remove": self.remove,
            "restore": self.restore,
        }

    def lift(self, steps: int) -> None:
        """Lift the chosen boundary by half pixels, or lower it where `steps` is negative."""
        sheet = self._begin()
        if sheet is not None and self.chosen >= 0:
            what = f"{'lifting' if steps > 0 else 'lowering'} {self.names[self.chosen]}"
            self._write(sheet, lift_boundary(sheet.rows, self.chosen, _LIFT * steps), what)

    def remove(self) -> None:
        """Let the layer at the pointer be absent as far as a drag would reach."""
        sheet, sheets = self._begin(), self._sheets
        if sheet is None or sheets is None:
            return
        at = self._find_column(sheet)
        inside = int(np.count_nonzero(sheet.rows[:, at] < self.pointer[1])) - 1
        layer = min(max(inside, 0), len(sheets.layers) - 1)
        rows = remove_layer(sheet.rows, layer, at, self.width)
        name = sheets.layer_names[layer]
        self._write(sheet, rows, f"taking {name} away")

    def restore(self) -> None:
        """Bring the layer back that is absent at the pointer."""
        sheet, sheets = self._begin(), self._sheets
        if sheet is None or sheets is None:
            return
        at = self._find_column(sheet)
        absent = find_absent(sheet.rows, at)
        if not absent:
            self._session.notify("No layer is absent at this A-scan.")
            return
        layer = min(absent, key=lambda k: abs(float(sheet.rows[k, at]) - self.pointer[1]))
        rows = restore_layer(sheet.rows, layer, at, self.width)
        self._write(sheet, rows, f"bringing {sheets.layer_names[layer]} back")

    def _begin(self) -> Sheet | None:
        """Return the curves that a key changes; None while there are none."""
        if not self.is_on or self._hand is not None or not self._drawing.may_draw():
            return None
        self.refresh()
        return self._sheet

    def _find_column(self, sheet: Sheet) -> int:
        return min(max(round(self.pointer[0]), 0), len(sheet.rows[0]) - 1)

    def _write(self, sheet: Sheet, rows: NDArray[np.float32], what: str) -> None:
        """Have changed boundaries written, and show them."""
        bscan = self._session.state.bscan
        assert self._sheets is not None
        self._sheet = self._sheets.change(sheet, rows)
        self._drawing.draw(bscan, sheet.labels, self._sheet.labels, f"{what} on B-scan {bscan}")
        self.refresh()

"""Boundaries that are dragged and pockets that are clicked, by mouse and keys, turn by turn."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any
from zlib import compress, decompress

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QWidget

from napari_retseg.ui.workbench.canvas_sheet import CanvasSheet
from napari_retseg.ui.workbench.focus import find_canvas
from napari_retseg.ui.workbench.workbench_dock import WorkbenchDock
from tests.ui import mouse

Plane = NDArray[np.uint8]
#: Its types know no widgets.
TEST: Any = QTest

_LEFT = Qt.MouseButton.LeftButton
_NONE, _SHIFT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier
_CONTROL = Qt.KeyboardModifier.ControlModifier
#: Keys of the boundaries that change labels.
_KEYS = (
    (Qt.Key.Key_Up, _NONE),
    (Qt.Key.Key_Down, _NONE),
    (Qt.Key.Key_D, _SHIFT),
    (Qt.Key.Key_B, _SHIFT),
)
#: Rows of the first layer and of all, in which boundaries are laid where there are none.
_TOP, _LAYER, _N_LAYERS = 12, 5, 7
#: Turns in which a proposal has to come.
_PATIENCE = 40


def encode(plane: Plane) -> str:
    """Write labels as one word."""
    return b64encode(compress(plane.tobytes())).decode()


def decode(word: str, shape: tuple[int, int]) -> Plane:
    """Read labels that were written as a word."""
    return np.frombuffer(decompress(b64decode(word)), np.uint8).reshape(shape)


class Puller:
    """Drags boundaries and clicks pockets of the B-scan in view.

    Parameters
    ----------
    tell
        Called when a boundary is taken in hand, ``hold``, and before and after labels change:
        ``begin``; ``drawn``, the labels as a word, and what is done; ``end`` and the time.
    """

    def __init__(
        self, dock: WorkbenchDock, rng: np.random.Generator, tell: Callable[..., None]
    ) -> None:
        self._dock, self._rng, self._tell = dock, rng, tell
        drawing: Any = dock.bench.curves._drawing
        self._draw = drawing.draw
        # before the labels change: the saver may be quicker than what follows
        drawing.draw = self._tell_and_draw

    def _tell_and_draw(self, bscan: int, before: Plane, after: Plane, what: str) -> bool:
        self._tell("begin")
        self._tell("drawn", encode(after), what.split()[0])
        is_changed = bool(self._draw(bscan, before, after, what))
        self._tell("end", monotonic())
        return is_changed

    def pull(self) -> Iterator[None]:
        """Do one thing, an event of mouse or keys in each turn."""
        canvas = find_canvas(self._dock)
        assert canvas is not None
        if not self._dock.bench.state.shows_curves:
            TEST.keyClick(canvas, "W")
            yield
        rows = self._dock.bench.curves.rows
        if rows is None or not np.isfinite(rows).any():
            self._lay_layers()
            return
        chance = self._rng.random()
        if chance < 0.6:
            yield from self._drag(canvas, rows)
        elif chance < 0.8:
            yield from self._press(canvas, rows)
        else:
            yield from self._click_pocket(canvas)

    def _lay_layers(self) -> None:
        opened = self._dock.bench.session.opened
        assert opened is not None
        bscan = self._dock.bench.state.bscan
        before = opened.labels.data[bscan].copy()
        after = np.zeros_like(before)
        stop = _TOP + _LAYER * _N_LAYERS
        after[_TOP:stop] = np.repeat(np.arange(1, _N_LAYERS + 1), _LAYER)[:, np.newaxis]
        self._tell_and_draw(bscan, before, after, "laying layers")

    def _drag(self, canvas: QWidget, rows: NDArray[np.float32]) -> Iterator[None]:
        column, row = self._find_place(rows)
        keys = (_NONE, _SHIFT, _CONTROL)[int(self._rng.choice(3, p=(0.6, 0.2, 0.2)))]
        mouse.move(canvas, self._at(column, row))
        yield
        TEST.mousePress(canvas, _LEFT, keys, self._at(column, row))
        if self._dock.bench.curves.is_held:
            self._tell("hold")
        yield
        for _ in range(int(self._rng.integers(2, 9))):
            column += float(self._rng.normal(0, 3))
            row += float(self._rng.normal(0, 1.5))
            mouse.move(canvas, self._at(column, row))
            yield
        TEST.mouseRelease(canvas, _LEFT, keys, self._at(column, row))

    def _press(self, canvas: QWidget, rows: NDArray[np.float32]) -> Iterator[None]:
        mouse.move(canvas, self._at(*self._find_place(rows)))
        yield
        TEST.keyClick(canvas, *_KEYS[int(self._rng.integers(len(_KEYS)))])

    def _click_pocket(self, canvas: QWidget) -> Iterator[None]:
        pockets, state = self._dock.bench.pockets, self._dock.bench.state
        shape = shape_of(self._dock)
        TEST.keyClick(canvas, Qt.Key.Key_F, _SHIFT)
        yield
        if not state.takes_pockets:
            return
        row = int(self._rng.integers(_TOP, _TOP + _LAYER * _N_LAYERS))
        TEST.mouseClick(canvas, _LEFT, _NONE, self._at(int(self._rng.integers(shape[1])), row))
        for _ in range(_PATIENCE):
            yield
            if pockets.proposal is not None:
                inside = np.argwhere(pockets.proposal.region)
                row, column = inside[int(self._rng.integers(len(inside)))].tolist()
                TEST.mouseClick(canvas, _LEFT, _NONE, self._at(column, row))
                return

    def _find_place(self, rows: NDArray[np.float32]) -> tuple[float, float]:
        """A place of a boundary: A-scan and row."""
        found = np.argwhere(np.isfinite(rows))
        boundary, column = found[int(self._rng.integers(len(found)))]
        return float(column), float(rows[boundary, column])

    def _at(self, column: float, row: float) -> QPoint:
        views = (self._dock.curve_view.sheet, self._dock.pocket_view.sheet)
        sheets: list[CanvasSheet] = [sheet for sheet in views if sheet is not None]
        place = sheets[0].find_transform()
        assert place is not None
        return place.map(QPointF(column, row)).toPoint()


def shape_of(dock: WorkbenchDock) -> tuple[int, int]:
    """Depth and width of the B-scans of the open scan."""
    opened = dock.bench.session.opened
    assert opened is not None
    depth, width = opened.labels.data.shape[-2:]
    return int(depth), int(width)

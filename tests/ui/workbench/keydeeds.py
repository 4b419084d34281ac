"""All that a user does to correct, by keys alone: what is pressed, and what is so afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from qtpy.QtWidgets import QApplication, QMenu, QWidget

from napari_retseg.ui.camera import camera_of
from tests.ui.workbench.keyboard import Keys
from tests.ui.workbench.pressing import FLUID

Step = str | Callable[[Keys], None]


@dataclass(frozen=True)
class Deed:
    """What is done, by which keys, and what is so then; how often U is pressed to take it back."""

    name: str
    steps: Sequence[Step]
    is_done: Callable[[Keys], bool]
    undos: int = 1

    def do(self, keys: Keys) -> None:
        for step in self.steps:
            if isinstance(step, str):
                keys.press(step)
            else:
                step(keys)


def to(find: Callable[[Keys], QWidget]) -> Callable[[Keys], None]:
    """Go to a widget with Tab."""
    return lambda keys: keys.tab_to(find(keys))


def until(is_so: Callable[[Keys], bool]) -> Callable[[Keys], None]:
    """Wait."""
    return lambda keys: keys.wait(lambda: is_so(keys))


def look(see: Callable[[Keys], Any]) -> Callable[[Keys], None]:
    """Remember what is seen."""

    def do(keys: Keys) -> None:
        keys.seen = see(keys)

    return do


def _row(keys: Keys, boundary: int) -> Any:
    assert keys.bench.curves.rows is not None
    return keys.bench.curves.rows[boundary].copy()


def _moved(boundary: int) -> Callable[[Keys], bool]:
    return lambda keys: bool(np.abs(_row(keys, boundary) - keys.seen).max() >= 0.5)


def _has(value: int) -> Callable[[Keys], bool]:
    return lambda keys: bool((keys.plane == value).any())


_LINE = ("Shift+M", "hold Space", "Ctrl+Right", "Ctrl+Right", "let go")
#: The third boundary is chosen.
_CHOSEN = ("W", *8 * ("Shift+Up",), "Shift+Down", "Shift+Down", look(lambda k: _row(k, 2)))
_UP = ("Up", "Up", "Up", "Up", "Up")
_PROPOSED = ("Shift+F", "Shift+M", "Space", until(lambda k: k.bench.pockets.proposal is not None))
_CORRECT = ("F1", "F1")
_AROUND = (
    *("Shift+F", "Shift+M", *2 * ("Ctrl+Left",), "Ctrl+Up", "hold Shift+Space"),
    *(*4 * ("Ctrl+Right",), *2 * ("Ctrl+Down",), *4 * ("Ctrl+Left",), *2 * ("Ctrl+Up",), "let go"),
    until(lambda k: k.bench.pockets.proposal is not None),
)
_CUT = ("Ctrl+Up", "hold Space", *3 * ("Ctrl+Down",), "let go")

#: What changes labels, predictions or states.
CHANGES = (
    Deed("brush", ("2", "Ctrl+9", "Ctrl+1", *_LINE), _has(1)),
    Deed("eraser", ("1", *_LINE), lambda k: bool((k.plane[30:34, 40:60] == 0).any())),
    Deed("fill", ("4", "Ctrl+2", "Shift+M", "Space"), _has(2)),
    Deed(
        "polygon",
        ("3", "Ctrl+7", "Shift+M", "Space", "Ctrl+Right", "Space", "Ctrl+Up", "Space", "Enter"),
        lambda k: bool((k.plane[20:33, 40:70] == 7).any()),
    ),
    Deed("leave out", ("Q", *_LINE), _has(255)),
    Deed("confirm", ("K",), lambda k: k.state.strip[1].status == "confirmed"),
    Deed(
        "clear",
        (*_CORRECT, to(lambda k: k.review.clear_button), "Space"),
        lambda k: not k.plane.any(),
    ),
    Deed("accept", ("Right", "J"), lambda k: k.state.strip[2].status == "corrected"),
    Deed(
        "accept the volume",
        (
            *_CORRECT,
            to(lambda k: k.review.more_button),
            "Space",
            until(lambda k: isinstance(k.popup, QMenu)),
            "Down",
            "Enter",
        ),
        lambda k: all(cell.status == "corrected" for cell in k.state.strip),
    ),
    Deed(
        "drag a boundary",
        (*_CHOSEN, "Shift+M", "Shift+Up", "Shift+Down", "hold Space", *_UP, "let go"),
        _moved(2),
    ),
    Deed(
        "move it freely",
        (*_CHOSEN, "Shift+M", "Shift+Up", "Shift+Down", "hold Shift+Space", *_UP, "let go"),
        _moved(2),
    ),
    Deed(
        "draw along it",
        (
            *_CHOSEN,
            "Shift+M",
            "Shift+Up",
            "Shift+Down",
            "hold Ctrl+Shift+Space",
            "Up",
            "Up",
            "Ctrl+Right",
            "Up",
            "let go",
        ),
        _moved(2),
    ),
    Deed("lift a boundary", (*_CHOSEN, "Up"), _moved(2)),
    Deed("lower a boundary", (*_CHOSEN, "Down"), _moved(2)),
    Deed(
        "a layer is absent",
        (*_CHOSEN, "Shift+Left", "Shift+D"),
        lambda k: bool((_row(k, 2) == _row(k, 3)).any() or (_row(k, 1) == _row(k, 2)).any()),
    ),
    Deed(
        "a layer comes back",
        (*_CHOSEN, "Shift+D", "Shift+B"),
        lambda k: bool((_row(k, 2) < _row(k, 3)).all() and (_row(k, 1) < _row(k, 2)).all()),
        undos=2,
    ),
    Deed("take a pocket", (*_PROPOSED, "Up", "Down", "Enter"), _has(FLUID)),
    Deed(
        "remove a pocket",
        (*_PROPOSED, "Enter", "Space"),
        lambda k: k.plane[31, 47] != FLUID,
        undos=2,
    ),
    Deed(
        "cut a pocket",
        (*_PROPOSED, "Enter", *_CUT),
        lambda k: (k.plane[31, [40, 47, 56]] == FLUID).tolist() == [True, False, True],
        undos=2,
    ),
    Deed("draw around a pocket", (*_AROUND, "Enter"), _has(FLUID)),
    Deed("redo", ("2", "Ctrl+1", *_LINE, "U", "Shift+U"), _has(1)),
)


def _shows(title: str) -> Callable[[Keys], bool]:
    def is_so(keys: Keys) -> bool:
        focused = QApplication.focusWidget()
        area = keys.dock.tabs.area(title)
        return keys.dock.tabs.title == title and focused is not None and area.isAncestorOf(focused)

    return is_so


def _sees_map(keys: Keys) -> bool:
    return bool(keys.dock.measure_panel.view.isVisible())


def _scale(keys: Keys) -> Any:
    return tuple(keys.labels.scale[-2:])


def _solo(keys: Keys) -> QWidget:
    return keys.review.legend.rows[3].solo_button


#: What changes only what is seen, or in hand.
VIEWS = (
    *(
        Deed(name, (key,), lambda k, n=name: k.review.tool_row.buttons[n].isChecked())  # type: ignore[misc]
        for name, key in (
            ("erase", "1"),
            ("paint", "2"),
            ("polygon", "3"),
            ("fill", "4"),
            ("pan_zoom", "6"),
            ("ignore", "Q"),
            ("curves", "W"),
            ("pocket", "Shift+F"),
        )
    ),
    Deed("leave the pockets", ("Shift+F", "Escape"), lambda k: not k.state.takes_pockets),
    Deed("drop a pocket", (*_PROPOSED, "Escape"), lambda k: k.bench.pockets.proposal is None),
    Deed("choose a class", ("2", "Ctrl+3"), lambda k: k.state.picked == 3),
    Deed(
        "a larger brush",
        ("2", look(lambda k: k.state.brush), "]"),
        lambda k: k.state.brush > k.seen,
    ),
    Deed(
        "a smaller brush",
        ("2", look(lambda k: k.state.brush), "["),
        lambda k: k.state.brush < k.seen,
    ),
    Deed(
        "drags reach further",
        ("W", look(lambda k: k.bench.curves.width), "Shift+Right"),
        lambda k: k.bench.curves.width > k.seen,
    ),
    Deed(
        "drags reach less far",
        ("W", look(lambda k: k.bench.curves.width), "Shift+Left"),
        lambda k: k.bench.curves.width < k.seen,
    ),
    Deed(
        "choose a boundary",
        (*_CHOSEN, "Shift+Up"),
        lambda k: k.bench.curves.chosen == 1 and k.bench.curves.is_near,
    ),
    Deed(
        "hide the prediction",
        (look(lambda k: k.opened.prediction.visible), "H"),
        lambda k: k.opened.prediction.visible != k.seen,
    ),
    Deed(
        "hide a class",
        (*_CORRECT, to(lambda k: k.review.legend.rows[3].eye_button), "Space"),
        lambda k: 3 in k.state.hidden,
    ),
    Deed(
        "one class alone",
        (*_CORRECT, to(_solo), "Space"),
        lambda k: 3 not in k.state.hidden and 2 in k.state.hidden,
    ),
    Deed("all classes again", (*_CORRECT, to(_solo), "Space"), lambda k: not k.state.hidden),
    Deed("correct", ("F4", "F1", "F1"), _shows("Correct")),
    Deed("scan", ("F2",), _shows("Scan")),
    Deed("model", ("F3",), _shows("Model")),
    Deed("training", ("F4",), _shows("Training")),
    Deed("measure", ("F6",), _shows("Measure")),
    Deed(
        "go on along the map",
        ("F6", until(_sees_map), to(lambda k: k.dock.measure_panel.view), "Right"),
        lambda k: k.bench.measuring.ascan > 0,
    ),
    Deed("back to the B-scan", ("F4", "Escape"), lambda k: k.canvas.hasFocus()),
    Deed("the next B-scan", ("Right",), lambda k: k.state.bscan == 2),
    Deed("the B-scan before", ("Left",), lambda k: k.state.bscan == 0),
    Deed("the strip", ("F5", "End", "Home"), lambda k: k.state.bscan == 0),
    Deed("what Next proposes", ("N",), lambda k: bool(k.state.next_text)),
    Deed(
        "zoom",
        ("Shift+M", look(lambda k: camera_of(k.clicker.viewer).zoom), "PgUp", "PgUp", "PgDown"),
        lambda k: camera_of(k.clicker.viewer).zoom > k.seen,
    ),
    Deed("the whole B-scan", ("Ctrl+R",), lambda k: camera_of(k.clicker.viewer).zoom <= k.seen),
    Deed("square pixels", (look(_scale), "Shift+S"), lambda k: _scale(k) == (1, 1) != k.seen),
    Deed("the true shape", ("Shift+S",), lambda k: _scale(k) != (1, 1)),
    Deed(
        "layers",
        (look(lambda k: k.review.layers_button.isChecked()), "Ctrl+L"),
        lambda k: k.review.layers_button.isChecked() != k.seen,
    ),
    Deed(
        "uncertainty",
        (*_CORRECT, to(lambda k: k.review.uncertainty_button), "Space"),
        lambda k: k.review.uncertainty_button.isChecked(),
    ),
    Deed(
        "earlier labels",
        (*_CORRECT, to(lambda k: k.review.restore_button), "Space"),
        lambda k: k.find_window() is not None,
    ),
    Deed(
        "who is held out",
        ("F4", to(lambda k: k.dock.retrain_panel.heldout_button), "Space"),
        lambda k: k.find_window() is not None,
    ),
    Deed(
        "the card of keys",
        ("F5", to(lambda k: k.dock.keys_button), "Space"),
        lambda k: k.find_window() is not None,
    ),
)

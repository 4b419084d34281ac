"""All that a user does to correct, by keys alone: what is pressed, and what is so afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pytestqt.exceptions import TimeoutError as QtBotTimeoutError
from qtpy.QtGui import QKeySequence
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QDialog, QMenu, QWidget

from napari_retseg.ui.camera import camera_of
from napari_retseg.ui.workbench.focus import find_canvas
from napari_retseg.ui.workbench.panels.review_panel import ReviewPanel
from tests.ui.workbench.clicking import Clicker
from tests.ui.workbench.pressing import FLUID

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

#: Its types know no widgets.
TEST: Any = QTest
_MOST_TABS = 150
_TIMEOUT_MS = 20_000


class Keys:
    """Hands on a keyboard, and what is seen."""

    def __init__(self, clicker: Clicker, qtbot: QtBot) -> None:
        self.clicker, self.dock, self._qtbot = clicker, clicker.dock, qtbot
        self.bench, self.state = clicker.dock.bench, clicker.state
        canvas = find_canvas(clicker.dock)
        assert canvas is not None
        self.canvas: QWidget = canvas
        self.seen: Any = None

    @property
    def review(self) -> ReviewPanel:
        return self.dock.review_panel

    @property
    def opened(self) -> Any:
        return self.bench.session.opened

    @property
    def labels(self) -> Any:
        return self.opened.labels

    @property
    def plane(self) -> Any:
        return self.labels.data[self.state.bscan]

    @property
    def popup(self) -> Any:
        return QApplication.activePopupWidget()

    def read(self) -> dict[str, Any]:
        """All that Undo has to bring back."""
        loaded = self.opened.loaded
        return {
            "labels": loaded.labels.copy(),
            "prediction": loaded.prediction.copy(),
            "states": dict(self.bench.correcting.states),
        }

    def is_as(self, before: dict[str, Any]) -> bool:
        return all(np.array_equal(value, before[name]) for name, value in self.read().items())

    def press(self, text: str) -> None:
        """Press what has the keyboard: ``Ctrl+Right``, ``hold Shift+Space`` or ``let go``."""
        target = self.popup or QApplication.focusWidget() or self.canvas
        if text == "let go":
            TEST.keyRelease(target, _read_key("Space")[0])
        elif text.startswith("hold "):
            TEST.keyPress(target, *_read_key(text.removeprefix("hold ")))
        else:
            TEST.keyClick(target, *_read_key(text))
        self._qtbot.wait(15)  # napari takes a move every few milliseconds

    def tab_to(self, widget: QWidget) -> None:
        """Press Tab until a widget has the keyboard."""
        for _ in range(_MOST_TABS):
            if QApplication.focusWidget() is widget:
                return
            self.press("Tab")
        raise AssertionError(f"Tab does not come to {widget.toolTip()}")

    def find_window(self) -> QDialog | None:
        """The window beside the viewer's."""
        windows = [w for w in QApplication.topLevelWidgets() if isinstance(w, QDialog)]
        return next((window for window in windows if window.isVisible()), None)

    def rest(self) -> None:
        """Have the keys on the canvas, the mouse's tool in hand, and no pointer."""
        while (window := self.find_window()) is not None:
            window.close()
            QApplication.processEvents()
        main = self.dock.window()
        assert main is not None
        main.activateWindow()
        self.canvas.setFocus()
        self.wait(self.canvas.hasFocus)
        if self.dock.key_pointer.sheet is not None:
            self.press("Shift+M")
        if self.state.shows_curves:
            self.press("W")
        if self.state.takes_pockets:
            self.press("Shift+F")
        self.press("6")

    def wait(self, until: Callable[[], bool]) -> None:
        self._qtbot.waitUntil(until, timeout=_TIMEOUT_MS)

    def wait_for(self, name: str, until: Callable[[], bool]) -> None:
        """Wait until something is so, and name it where it is never."""
        try:
            self.wait(until)
        except QtBotTimeoutError as error:
            raise AssertionError(f"{name}: {self.state.notice.text}") from error


def _read_key(text: str) -> tuple[Any, Any]:
    sequence: Any = QKeySequence(text)
    first = sequence[0]
    return first.key(), first.keyboardModifiers()


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
_CUT = ("Ctrl+Up", "hold Shift+Space", *3 * ("Ctrl+Down",), "let go")

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
    Deed("redo", ("2", "Ctrl+1", *_LINE, "U", "Shift+U"), _has(1)),
)


def _shows(title: str) -> Callable[[Keys], bool]:
    def is_so(keys: Keys) -> bool:
        focused = QApplication.focusWidget()
        area = keys.dock.tabs.area(title)
        return keys.dock.tabs.title == title and focused is not None and area.isAncestorOf(focused)

    return is_so


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

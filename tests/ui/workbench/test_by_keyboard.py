"""Each action of correcting is reached by keys alone, and taken back by U."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from napari_retseg.ui.widgets.keys import CURVE_KEYS, KEYS, TOOL_KEYS
from napari_retseg.ui.workbench.dialogs.propagation_window import PropagationWindow
from tests.decode.sharederror import Volume
from tests.ui.workbench.clicking import Clicker
from tests.ui.workbench.keyboard import Keys
from tests.ui.workbench.keydeeds import CHANGES, VIEWS
from tests.ui.workbench.pressing import draw_layers, write_eye
from tests.ui.workbench.sharing import SHARING, make_shared_error

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot


@pytest.fixture
def keys(viewer: Viewer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Keys:
    """A segmented scan of three B-scans; the layers are labelled on the middle one, in view."""
    clicker = Clicker(viewer, qtbot, monkeypatch)
    clicker.start(tmp_path / "work", write_eye(tmp_path))
    made = Keys(clicker, qtbot)
    clicker.segment_all()
    clicker.dock.bench.navigation.go_to(1)
    layers = draw_layers()
    rows, columns = np.nonzero(layers)
    made.labels.data_setitem((np.full(len(rows), 1), rows, columns), layers[rows, columns])
    clicker.dock.bench.correcting.check()
    made.rest()
    qtbot.waitUntil(lambda: QApplication.focusWidget() is made.canvas, timeout=20_000)
    return made


def test_all_that_changes_labels_is_done_by_keys_and_taken_back_by_u(keys: Keys) -> None:
    for deed in CHANGES:
        before = keys.read()
        deed.do(keys)
        keys.wait_for(deed.name, lambda d=deed: d.is_done(keys))  # type: ignore[misc]
        # what comes and goes again, by two steps, may be as it was in between
        if deed.undos == 1:
            keys.wait_for(deed.name, lambda b=before: not keys.is_as(b))  # type: ignore[misc]
        keys.rest()
        for _ in range(deed.undos):
            keys.press("U")
        keys.wait_for(f"{deed.name}, undone", lambda b=before: keys.is_as(b))  # type: ignore[misc]
        keys.bench.navigation.go_to(1)


def test_all_that_is_seen_or_in_hand_is_reached_by_keys(keys: Keys) -> None:
    before = keys.read()
    for deed in VIEWS:
        deed.do(keys)
        keys.wait_for(deed.name, lambda d=deed: d.is_done(keys))  # type: ignore[misc]
        keys.rest()
        keys.bench.navigation.go_to(1)
        assert keys.is_as(before), deed.name


def test_no_key_is_left_out() -> None:
    pressed = {
        str(step).removeprefix("hold ") for deed in (*CHANGES, *VIEWS) for step in deed.steps
    }
    # each needs a model at work, or a window: below, and in the tests of these
    pressed |= {KEYS["segment"], KEYS["propagate"]}
    for key in (*KEYS.values(), *CURVE_KEYS.values(), *TOOL_KEYS.values(), "[", "]"):
        assert key in pressed, key


def test_a_class_that_is_picked_leaves_the_tool_in_hand(keys: Keys, qtbot: QtBot) -> None:
    keys.press("2")
    qtbot.wait(700)  # longer than napari's keys are pressed to hold a tool for a while
    keys.press("4")
    keys.press("Ctrl+2")
    assert (keys.state.mode, keys.state.picked) == ("fill", 2)


def test_propagate_and_its_window_by_keys(
    viewer: Viewer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make_shared_error(tmp_path, Volume.draw(4))
    clicker = Clicker(viewer, qtbot, monkeypatch)
    clicker.dock.bench.open(tmp_path / "work")
    clicker.wait(lambda: clicker.state.n_bscans > 0)
    keys = Keys(clicker, qtbot)
    keys.rest()
    before = keys.read()
    keys.press("Shift+G")
    clicker.wait(lambda: keys.find_window() is not None)
    window = keys.find_window()
    assert isinstance(window, PropagationWindow)
    offered = window.checked()
    assert set(offered) == set(SHARING)
    window.activateWindow()
    clicker.wait(window.tree.hasFocus)
    keys.press("Down")
    assert clicker.state.bscan == offered[1]
    keys.press("Space")
    assert window.checked() == (offered[0], *offered[2:])
    keys.press("Enter")
    clicker.wait(lambda: not keys.is_as(before))
    keys.rest()
    prediction = keys.read()["prediction"]
    changed = [b for b, plane in enumerate(prediction) if (plane != before["prediction"][b]).any()]
    assert changed == [offered[0], *offered[2:]]
    keys.press("U")
    clicker.wait(lambda: keys.is_as(before))

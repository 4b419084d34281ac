"""Restore points, uncertainty and keys, as a user's hands reach them in a real viewer."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import Qt

from napari_retseg.classes import IGNORE
from napari_retseg.ui.workbench.dialogs.choice_window import PointsWindow
from tests.ui.workbench.safety.clicking import User

Key, Modifier = Qt.Key, Qt.KeyboardModifier


def test_an_earlier_state_is_chosen_in_the_window(at_work: User) -> None:
    at_work.paint(1, slice(10, 20), 1)
    at_work.wait_until_saved()
    before = at_work.stored()
    at_work.go_to(3)
    at_work.paint(1, slice(10, 20), 2)
    at_work.paint(1, slice(30, 40), 3)
    at_work.wait_until_saved()
    after = at_work.stored()
    assert not np.array_equal(before, after)

    def go_back(row: int) -> str:
        at_work.click(at_work.dock.review_panel.restore_button)
        window = at_work.find_window(PointsWindow)
        at_work.click_row(window.list, row)
        chosen = window.list.currentItem()
        assert chosen is not None
        text: str = chosen.text()
        at_work.click(window.take_button)
        at_work.wait(lambda: at_work.notice.startswith("eye: "))
        at_work.dock.bench.session.notify("")
        return text

    rows = at_work.list_points()
    newest = max(range(len(rows)), key=lambda k: rows[k].number)
    assert "paint on B-scan 1" in go_back(newest)
    np.testing.assert_array_equal(at_work.opened.labels.data, before)
    np.testing.assert_array_equal(at_work.stored(), before)
    assert at_work.states() == {1: "corrected"}
    rows = at_work.list_points()
    go_back(max(range(len(rows)), key=lambda k: rows[k].number))
    np.testing.assert_array_equal(at_work.stored(), after)


def test_a_bscan_is_labelled_by_keys_and_its_uncertainty_is_shown(at_work: User) -> None:
    at_work.go_to(2)
    at_work.press(Key.Key_G)
    at_work.wait(lambda: at_work.state.work is None and at_work.notice.startswith("Segmented"))
    assert [cell.status for cell in at_work.state.strip].count("predicted") == 1
    check_uncertainty(at_work)
    layers = at_work.viewer.layers
    at_work.press(Key.Key_H)
    assert not layers["prediction"].visible
    at_work.press(Key.Key_H)
    assert layers["prediction"].visible
    at_work.press(Key.Key_J)
    np.testing.assert_array_equal(layers["labels"].data[2], layers["prediction"].data[2])
    at_work.press(Key.Key_2, Modifier.ControlModifier)
    assert (layers["labels"].mode, layers["labels"].selected_label) == ("paint", 2)
    at_work.press(Key.Key_Q)
    assert layers["labels"].selected_label == IGNORE
    at_work.press(Key.Key_K)
    assert at_work.notice == "Confirmed B-scan 2."
    at_work.wait_until_saved()
    assert at_work.states() == {2: "confirmed"}
    at_work.press(Key.Key_U)
    at_work.wait(lambda: at_work.states() == {2: "corrected"})
    at_work.press(Key.Key_U)
    at_work.wait(lambda: not at_work.states())
    at_work.press(Key.Key_U, Modifier.ShiftModifier)
    at_work.wait(lambda: at_work.states() == {2: "corrected"})
    at_work.press(Key.Key_U, Modifier.ShiftModifier)
    at_work.wait(lambda: at_work.states() == {2: "confirmed"})
    at_work.press(Key.Key_N)
    at_work.wait(lambda: bool(at_work.state.next_text))
    assert at_work.state.bscan != 2


def check_uncertainty(user: User) -> None:
    """The uncertainty comes as a layer, as it is on disk, and goes again."""
    button, layers = user.dock.review_panel.uncertainty_button, user.viewer.layers
    user.wait_until_saved()
    user.click(button)
    user.wait(lambda: [layer.name for layer in layers].count("uncertainty") == 1)
    stored = user.workspace.read_uncertainty("eye")
    assert stored is not None
    assert stored[2].max() > 0
    assert not stored[[0, 1, 3, 4]].any()
    np.testing.assert_array_equal(layers["uncertainty"].data, stored)
    user.click(button)
    assert [layer.name for layer in layers] == ["eye", "prediction", "labels"]

"""The window of Propagate: what would change, and which B-scans are chosen."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_retseg.decode.propagation import Moved, Proposal
from napari_retseg.ui.workbench.dialogs.propagation_window import PropagationWindow

PLANE = np.zeros((4, 4), np.uint8)
PROPOSALS = {
    7: Proposal(PLANE, (Moved(1, 3.24, 0.34),), 0, 2, (5, 11)),
    4: Proposal(PLANE, (), 1, 0, (5,)),
}


@pytest.fixture
def window(qapp: QApplication) -> Iterator[PropagationWindow]:
    made = PropagationWindow(PROPOSALS, ["NFL", "GCL-IPL"])
    yield made
    made.close()
    made.deleteLater()


def texts(window: PropagationWindow, column: int) -> list[str]:
    rows = [window.tree.topLevelItem(k) for k in range(window.tree.topLevelItemCount())]
    return [row.text(column) for row in rows if row is not None]


def test_it_says_which_boundaries_move_and_by_how_much(window: PropagationWindow) -> None:
    assert texts(window, 0) == ["4", "7"]
    assert texts(window, 1) == [
        "1 pocket added",
        "NFL / GCL-IPL: 3.2 px in 34% of A-scans\n2 pockets removed",
    ]
    assert texts(window, 2) == ["5", "5, 11"]


def test_only_checked_bscans_are_chosen(window: PropagationWindow) -> None:
    chosen: list[tuple[int, ...]] = []
    window.chosen.connect(chosen.append)
    assert window.take_button.text() == "Propagate to 2 B-scans"
    row = window.tree.topLevelItem(0)
    assert row is not None
    row.setCheckState(0, Qt.CheckState.Unchecked)
    assert window.take_button.text() == "Propagate to 1 B-scan"
    window.take_button.click()
    assert chosen == [(7,)]


def test_nothing_is_chosen_by_cancel_or_without_a_check(window: PropagationWindow) -> None:
    chosen: list[tuple[int, ...]] = []
    window.chosen.connect(chosen.append)
    for number in range(2):
        row = window.tree.topLevelItem(number)
        assert row is not None
        row.setCheckState(0, Qt.CheckState.Unchecked)
    assert not window.take_button.isEnabled()
    window.cancel_button.click()
    assert chosen == []


def test_a_row_shows_its_bscan(window: PropagationWindow) -> None:
    shown: list[int] = []
    window.bscan_picked.connect(shown.append)
    window.tree.setCurrentItem(window.tree.topLevelItem(1))
    assert shown[-1] == 7

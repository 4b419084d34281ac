"""Progress bars are drawn with the window, and only where they move."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QApplication, QProgressBar

from napari_retseg.ui.widgets.pieces import show_progress

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


class Paints(QObject):
    """Counts how often a widget is drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def eventFilter(self, _watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        if event is not None and event.type() == QEvent.Type.Paint:
            self.count += 1
        return False


def test_a_progress_bar_is_drawn_with_the_window_and_only_where_it_moves(
    qtbot: QtBot, qapp: QApplication
) -> None:
    bar = QProgressBar()
    qtbot.addWidget(bar)
    bar.show()
    qtbot.waitExposed(bar)
    show_progress(bar, 1, 8)
    qapp.processEvents()
    paints = Paints()
    bar.installEventFilter(paints)
    show_progress(bar, 5, 8)
    assert paints.count == 0
    assert (bar.value(), bar.maximum()) == (5, 8)
    qtbot.waitUntil(lambda: paints.count > 0)
    drawn = paints.count
    show_progress(bar, 5, 8)
    qtbot.wait(50)
    assert paints.count == drawn

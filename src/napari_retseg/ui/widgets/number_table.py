"""A table of numbers to read: names to the left, numbers to the right."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from napari_retseg.plaintext import make_visible
from napari_retseg.ui.plain import make_tip

#: Around the text of a cell.
_ROOM = 6


class NumberTable(QTableWidget):
    """Rows of texts; the first column has their names.

    Parameters
    ----------
    name
        What it is called for those who cannot see it.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setTabKeyNavigation(False)
        self.setShowGrid(False)
        self.setWordWrap(False)
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        assert rows is not None
        assert columns is not None
        rows.hide()
        rows.setDefaultSectionSize(self.fontMetrics().height() + _ROOM)
        columns.setHighlightSections(False)
        self._columns = columns

    def show_rows(
        self,
        head: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        tips: Sequence[str] = (),
        marked: Sequence[int] = (),
    ) -> None:
        """Show rows.

        Parameters
        ----------
        tips
            What each column is.
        marked
            Numbers of the rows that are written bold.
        """
        self.clear()
        self.setColumnCount(len(head))
        self.setRowCount(len(rows))
        for column, text in enumerate(head):
            item = _make_item(text, column)
            item.setToolTip(make_tip(tips[column] if column < len(tips) else ""))
            self.setHorizontalHeaderItem(column, item)
        for number, row in enumerate(rows):
            for column, text in enumerate(row):
                item = _make_item(text, column)
                font = item.font()
                font.setBold(number in marked)
                item.setFont(font)
                self.setItem(number, column, item)
        self._columns.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        if head:
            self._columns.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)

    def fit_height(self) -> None:
        """Be as high as all rows, with room for the bar that scrolls sideways."""
        rows, bar = self.verticalHeader(), self.horizontalScrollBar()
        assert rows is not None
        assert bar is not None
        height = self._columns.sizeHint().height() + rows.length() + 2 * self.frameWidth()
        self.setFixedHeight(height + bar.sizeHint().height())

    def read_rows(self) -> list[list[str]]:
        """Return what the cells show."""
        cells = [
            [self.item(row, column) for column in range(self.columnCount())]
            for row in range(self.rowCount())
        ]
        return [["" if cell is None else cell.text() for cell in row] for row in cells]


def _make_item(text: str, column: int) -> QTableWidgetItem:
    item = QTableWidgetItem(make_visible(text))
    side = Qt.AlignmentFlag.AlignRight if column else Qt.AlignmentFlag.AlignLeft
    item.setTextAlignment(side | Qt.AlignmentFlag.AlignVCenter)
    return item

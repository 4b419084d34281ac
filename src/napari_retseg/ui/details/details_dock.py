"""The Scan details dock: the fundus with the B-scans, and the trust sheet below it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QFrame, QGridLayout, QLabel, QScrollArea, QWidget

from napari_retseg.ui.details.following import Following
from napari_retseg.ui.details.fundus_view import FundusView
from napari_retseg.ui.plain import PlainLabel, make_text
from napari_retseg.ui.widgets.pieces import lay_out_column, show_text, start_timer
from napari_retseg.ui.widgets.theme import GAP, MARGIN, TIGHT, ThemedWidget, read_look
from napari_retseg.ui.workbench.docks import Neighbour

if TYPE_CHECKING:
    from napari.viewer import Viewer

_REFRESH_MS = 300
_EMPTY = "Open a scan to see where its B-scans lie and what is known about it."


class DetailsDock(QWidget):
    """Where the B-scans of the scan in view lie on the fundus, and its trust sheet.

    Parameters
    ----------
    napari_viewer
        The viewer that the dock belongs to.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._neighbour = Neighbour(self, napari_viewer)
        self.following = Following(napari_viewer)
        self.name = make_text()
        self.view = FundusView()
        self.sheet = SheetTable()
        scroll = QScrollArea()
        scroll.setWidget(self.sheet)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        lay_out_column(self, self.name, self.view, scroll, margin=MARGIN)
        self.setMinimumWidth(300)
        self._connect()
        self.destroyed.connect(partial(self.following.close))

    def _connect(self) -> None:
        events = self.following.state.events
        events.name.connect(self._show_name)
        events.fundus.connect(self._show_fundus)
        events.rows.connect(self._show_rows)
        events.bscan.connect(self.view.mark)
        self.view.clicked.connect(self.following.go_to)
        start_timer(self, _REFRESH_MS, self.following.check)
        state = self.following.state
        self._show_name(state.name)
        self._show_fundus()
        self._show_rows()
        self.view.mark(state.bscan)

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802 - Qt's name
        """Go beside the workbench."""
        super().showEvent(event)
        self._neighbour.find(is_newer=True)

    def _show_name(self, name: str) -> None:
        show_text(self.name, name or _EMPTY)

    def _show_fundus(self, _: object = None) -> None:
        fundus = self.following.state.fundus
        self.view.setVisible(fundus is not None)
        self.view.show_map(fundus)

    def _show_rows(self, _: object = None) -> None:
        self.sheet.show_rows(self.following.state.rows)


class SheetTable(ThemedWidget):
    """Lines of a name and a text; what is unknown, derived or doubtful stands out."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: tuple[tuple[str, str], ...] = ()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(GAP)
        self._grid.setVerticalSpacing(TIGHT)
        self._grid.setColumnStretch(1, 1)
        self.theme_changed.connect(self._color)

    def show_rows(self, rows: tuple[tuple[str, str], ...]) -> None:
        """Show these lines."""
        self._grid.setRowStretch(len(self._rows), 0)
        self._rows = rows
        while self._grid.count():
            item = self._grid.takeAt(0)
            widget = None if item is None else item.widget()
            if widget is not None:
                widget.hide()  # it goes later, and would be seen below the new ones until then
                widget.deleteLater()
        top = Qt.AlignmentFlag.AlignTop
        for number, (name, text) in enumerate(rows):
            self._grid.addWidget(PlainLabel(name), number, 0, top)
            self._grid.addWidget(_make_value(text), number, 1, top)
        self._grid.setRowStretch(len(rows), 1)
        self._color()

    def _color(self) -> None:
        look = read_look(self)
        for number, (name, text) in enumerate(self._rows):
            label, value = (self._grid.itemAtPosition(number, column) for column in (0, 1))
            if label is None or value is None:
                continue
            own, other = label.widget(), value.widget()
            if own is not None and other is not None:
                own.setStyleSheet(f"color: {look.faint}")
                other.setStyleSheet(f"color: {choose_color(name, text, look.text, look.warning)}")


def _make_value(text: str) -> PlainLabel:
    label = make_text(text)
    # identifiers of a file wrap, too: else the sheet is wider than the dock
    QLabel.setText(label, label.text().replace("_", "_\u200b"))
    label.setAlignment(Qt.AlignmentFlag.AlignTop)
    return label


def choose_color(name: str, text: str, plain: str, warning: str) -> str:
    """Return the colour of a line of the sheet."""
    is_doubtful = name == "warning" or "(derived" in text or "implausible" in text
    return warning if is_doubtful else plain

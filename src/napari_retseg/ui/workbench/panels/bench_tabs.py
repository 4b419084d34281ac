"""The tabs of the workbench: one for each thing that a person does."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QTabWidget, QWidget

from napari_retseg.ui.plain import make_caption, make_tip
from napari_retseg.ui.widgets.pieces import lay_out_column
from napari_retseg.ui.widgets.theme import GAP

#: Behind the title of a tab in which something waits.
_MARK = " •"


class BenchTabs(QTabWidget):
    """Panels in tabs. Each scrolls where the window is too low for it, and only then."""

    def __init__(self) -> None:
        super().__init__()
        self.titles: list[str] = []
        self._keys: dict[str, str] = {}
        self.setDocumentMode(True)
        bar = self.tabBar()
        assert bar is not None
        bar.setDrawBase(False)
        self.setUsesScrollButtons(False)
        self.setElideMode(Qt.TextElideMode.ElideNone)
        self.currentChanged.connect(lambda _: self.mark(self.title, is_marked=False))

    def add(self, title: str, *panels: QWidget, key: str, grows: QWidget | None = None) -> None:
        """Add a tab with panels below each other; `grows` takes the height that is left."""
        content = QWidget()
        column = lay_out_column(content, *panels)
        column.setContentsMargins(GAP, GAP, GAP, GAP)
        if grows is not None:
            column.setStretchFactor(grows, 1)
        column.addStretch(0)
        area = QScrollArea()
        area.setWidget(content)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.titles.append(title)
        self._keys[title] = key
        self.addTab(area, make_caption(title))
        self.set_summary(title, "")

    @property
    def title(self) -> str:
        """Of the tab in front."""
        number = self.currentIndex()
        return self.titles[number] if number >= 0 else ""

    def show_tab(self, title: str) -> None:
        """Bring a tab to the front."""
        self.setCurrentIndex(self.titles.index(title))

    def area(self, title: str) -> QScrollArea:
        """Return what a tab's panels lie in."""
        area = self.widget(self.titles.index(title))
        assert isinstance(area, QScrollArea)
        return area

    def set_summary(self, title: str, text: str) -> None:
        """Say in a tab's tooltip what one would look for in it."""
        parts = (f"{title} [{self._keys[title]}]", text)
        tip = make_tip("\n".join(part for part in parts if part))
        self.setTabToolTip(self.titles.index(title), tip)

    def mark(self, title: str, *, is_marked: bool) -> None:
        """Show that something waits in a tab, until it is looked at."""
        if title in self.titles:
            waits = is_marked and title != self.title
            text = make_caption(title) + (_MARK if waits else "")
            self.setTabText(self.titles.index(title), text)

    def focus_first(self) -> None:
        """Give the keyboard to the first thing that can be used in the tab in front."""
        area = self.currentWidget()
        widgets = [] if area is None else area.findChildren(QWidget)
        for widget in widgets:
            takes_keys = widget.focusPolicy() & Qt.FocusPolicy.TabFocus
            if takes_keys and widget.isVisible() and widget.isEnabled():
                widget.setFocus(Qt.FocusReason.TabFocusReason)
                return

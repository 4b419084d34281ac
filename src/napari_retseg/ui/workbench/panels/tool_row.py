"""The row of tools: what the mouse does on a B-scan. A tool is one entry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QSignalBlocker, QSize, Qt
from qtpy.QtWidgets import QSlider, QToolButton, QWidget
from superqt import QFlowLayout

from napari_retseg.ui.plain import PlainLabel, make_caption, make_tip
from napari_retseg.ui.widgets.pieces import lay_out_column, make_row
from napari_retseg.ui.widgets.theme import TIGHT, ThemedWidget, read_look
from napari_retseg.ui.workbench.control.bench_state import BenchState
from napari_retseg.ui.workbench.control.tools import LARGEST_BRUSH
from napari_retseg.ui.workbench.panels.tool_icons import SIZE, DrawTool, make_icon

#: Six of them fit beside each other.
_BUTTON = QSize(44, 30)


@dataclass(frozen=True)
class Tool:
    """One tool.

    Attributes
    ----------
    name, title
        Of the tool in the program, and for the user.
    key
        That takes it, as the tooltip shows it. Keys are bound elsewhere.
    tip
        What it does, in a sentence.
    draw
        Draws its picture.
    take
        Takes it in hand; a second time may put it down again.
    is_on
        Tells whether it is in hand.
    is_named
        Whether its title stands on the button: of tools that napari does not have.
    """

    name: str
    title: str
    key: str
    tip: str
    draw: DrawTool
    take: Callable[[], None]
    is_on: Callable[[], bool]
    is_named: bool = False


class ToolRow(ThemedWidget):
    """Buttons with pictures and keys, and the size of the brush.

    Parameters
    ----------
    state
        What is shown.
    """

    def __init__(self, state: BenchState) -> None:
        super().__init__()
        self._state = state
        self.tools: tuple[Tool, ...] = ()
        self.buttons: dict[str, QToolButton] = {}
        self._row = QWidget()
        self._flow = QFlowLayout(self._row)
        self._flow.setContentsMargins(0, 0, 0, 0)
        self._flow.setHorizontalSpacing(TIGHT)
        self._flow.setVerticalSpacing(TIGHT)
        self.brush_slider = QSlider(Qt.Orientation.Horizontal)
        self.brush_slider.setRange(1, LARGEST_BRUSH)
        self.brush_slider.setAccessibleName("Brush size")
        self.brush_slider.setToolTip(make_tip("Diameter of the brush in pixels [ [ and ] ]"))
        self.brush_text = PlainLabel()
        self.brush_text.setMinimumWidth(24)
        brush = make_row(PlainLabel("Brush size"), self.brush_slider, self.brush_text)
        lay_out_column(self, self._row, brush, spacing=TIGHT)
        self.theme_changed.connect(self._show)
        events = state.events
        for event in (events.mode, events.picked, events.n_bscans, events.is_read_only):
            event.connect(self._show)
        events.brush.connect(self._show_brush)
        self._show_brush()

    def set_tools(self, tools: Sequence[Tool], *, follow: Iterable[Any] = ()) -> None:
        """Show these tools.

        Parameters
        ----------
        tools
            In their order.
        follow
            Events after which another tool may be in hand, beside those of the labels layer.
        """
        self.tools = tuple(tools)
        for tool in self.tools:
            self.buttons[tool.name] = self._make_button(tool)
        for event in follow:
            event.connect(self._show)
        self._show()

    def _make_button(self, tool: Tool) -> QToolButton:
        button = QToolButton()
        button.setToolTip(make_tip(f"{tool.title}: {tool.tip} [{tool.key}]"))
        button.setAccessibleName(tool.title)
        button.setIconSize(QSize(SIZE, SIZE))
        key = tool.key.replace("Shift+", "⇧")
        button.setText(make_caption(f"{tool.title} {key}" if tool.is_named else key))
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        if tool.is_named:
            button.setFixedHeight(_BUTTON.height())
        else:
            button.setFixedSize(_BUTTON)
        button.setCheckable(True)
        button.setCursor(Qt.CursorShape.PointingHandCursor)
        button.clicked.connect(lambda _=False: self._take(tool))
        self._flow.addWidget(button)
        return button

    def _take(self, tool: Tool) -> None:
        tool.take()
        self._show()  # a click has checked the button, whatever came of it

    def _show(self, _value: Any = None) -> None:
        look, can_edit = read_look(self), self._state.can_edit
        sheet = (
            f"QToolButton {{ background: transparent; border: 2px solid transparent; "
            f"border-radius: 4px; padding: 0 3px; color: {look.faint}; }}"
            f"QToolButton:hover {{ background: {look.raised}; }}"
            f"QToolButton:checked {{ background: {look.raised}; border-color: {look.accent}; "
            f"color: {look.text}; }}"
            f"QToolButton:focus {{ border-color: {look.accent}; }}"
        )
        if self._row.styleSheet() != sheet:
            self._row.setStyleSheet(sheet)
        for tool in self.tools:
            button = self.buttons[tool.name]
            button.setEnabled(can_edit)
            button.setChecked(can_edit and tool.is_on())
            button.setIcon(make_icon(tool.draw, look.text if can_edit else look.faint))
        self.brush_slider.setEnabled(can_edit)

    def _show_brush(self, _size: Any = None) -> None:
        size = self._state.brush
        with QSignalBlocker(self.brush_slider):
            self.brush_slider.setValue(size)
        self.brush_text.setText(str(size))

"""The classes: their colours, names and keys; a click picks one to paint with."""

from __future__ import annotations

from typing import NamedTuple

from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QFont, QIcon, QPainter, QPen, QPixmap
from qtpy.QtWidgets import QGridLayout, QPushButton, QSizePolicy, QToolButton, QWidget

from napari_retseg.classes import IGNORE, LabelSet
from napari_retseg.plaintext import make_visible
from napari_retseg.ui.plain import make_caption, make_tip
from napari_retseg.ui.widgets.keys import CLASS_KEYS, KEYS
from napari_retseg.ui.widgets.pieces import lay_out_column, make_row
from napari_retseg.ui.widgets.theme import TIGHT, Look, ThemedWidget, measure_contrast, read_look
from napari_retseg.ui.workbench.control.bench_state import BenchState

_N_COLUMNS = 2
_CHIP, _SIGN = 16, 16
#: Of "not annotated", as in the layers.
_GREY = "#808080"


class LegendEntry(NamedTuple):
    """A row of the legend: `key` is pressed to pick it, `mark` is written on its colour."""

    value: int
    name: str
    color: str
    key: str
    mark: str


def list_entries(classes: LabelSet) -> list[LegendEntry]:
    """Return a row for each foreground class, in order, and for "not annotated"."""
    entries = []
    for index, label_class in enumerate(classes.foreground):
        key = CLASS_KEYS[index] if index < len(CLASS_KEYS) else ""
        mark = str(index + 1) if key else ""
        entries.append(
            LegendEntry(label_class.value, label_class.name, label_class.color, key, mark)
        )
    key = KEYS["ignore"]
    return [*entries, LegendEntry(IGNORE, "left out", _GREY, key, key)]


class ClassLegend(ThemedWidget):
    """All classes, in two columns."""

    class_picked = Signal(int)
    hiding_toggled = Signal(int)
    solo_toggled = Signal(int)

    def __init__(self, state: BenchState) -> None:
        super().__init__()
        self.theme_changed.connect(self.follow_theme)
        self._state = state
        self.rows: dict[int, LegendRow] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(2 * TIGHT)
        self._grid.setVerticalSpacing(1)
        for column in range(_N_COLUMNS):
            self._grid.setColumnStretch(column, 1)
        events = state.events
        events.classes.connect(self._make_rows)
        for event in (events.picked, events.hidden, events.is_read_only):
            event.connect(self._show)
        self._make_rows()

    def follow(self, widget: QWidget) -> None:
        """Let Tab go from a widget above over the rows, line by line."""
        rows = list(self.rows.values())
        per_column = -(-len(rows) // _N_COLUMNS)
        for row in sorted(rows, key=lambda row: rows.index(row) % max(1, per_column)):
            for button in (row.pick_button, row.eye_button, row.solo_button):
                QWidget.setTabOrder(widget, button)
                widget = button

    def follow_theme(self) -> None:
        """Colour all rows."""
        self._show()

    def _make_rows(self) -> None:
        for row in self.rows.values():
            row.setParent(None)
            row.deleteLater()
        classes = self._state.classes
        entries = [] if classes is None else list_entries(classes)
        self.rows = {entry.value: LegendRow(entry) for entry in entries}
        per_column = -(-len(entries) // _N_COLUMNS)
        for number, row in enumerate(self.rows.values()):
            self._grid.addWidget(row, number % per_column, number // per_column)
            row.pick_button.clicked.connect(lambda _=False, v=row.value: self.class_picked.emit(v))
            row.eye_button.clicked.connect(lambda _=False, v=row.value: self.hiding_toggled.emit(v))
            row.solo_button.clicked.connect(lambda _=False, v=row.value: self.solo_toggled.emit(v))
        self.setVisible(bool(entries))
        self._show()

    def _show(self) -> None:
        state, look = self._state, read_look(self)
        shown = [value for value in self.rows if value not in state.hidden]
        for value, row in self.rows.items():
            row.show_state(
                look,
                is_picked=value == state.picked and not state.is_read_only,
                is_hidden=value in state.hidden,
                is_alone=shown == [value],
            )


class LegendRow(QWidget):
    """One class: its colour with its key, its name, an eye, and a mark that shows it alone."""

    def __init__(self, entry: LegendEntry) -> None:
        super().__init__()
        self._entry = entry
        self.value = entry.value
        key = f" [{entry.key}]" if entry.key else ""
        self.pick_button = QPushButton(make_caption(entry.name))
        self.pick_button.setToolTip(make_tip(f"Paint {make_visible(entry.name)}{key}"))
        self.pick_button.setIconSize(QSize(_CHIP, _CHIP))
        self.pick_button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.eye_button = _make_sign(f"Show or hide {make_visible(entry.name)}")
        self.solo_button = _make_sign(f"Show only {make_visible(entry.name)}, or all again")
        row = make_row(self.pick_button, self.eye_button, self.solo_button, spacing=0)
        row.setStretchFactor(self.pick_button, 1)
        lay_out_column(self, row)

    def show_state(self, look: Look, *, is_picked: bool, is_hidden: bool, is_alone: bool) -> None:
        """Show whether it is painted with, hidden, or seen alone."""
        entry = self._entry
        self.pick_button.setIcon(draw_chip(entry.color, entry.mark, is_hidden=is_hidden, look=look))
        edge = look.accent if is_picked else "transparent"
        self.pick_button.setStyleSheet(
            "QPushButton { text-align: left; padding: 2px 4px; border-radius: 3px; "
            f"border: 2px solid {edge}; color: {look.faint if is_hidden else look.text}; "
            f"background: {look.raised if is_picked else 'transparent'}; }}"
            f"QPushButton:hover {{ background: {look.raised}; }}"
        )
        self.pick_button.setAccessibleDescription("painted with" if is_picked else "")
        self.eye_button.setIcon(draw_eye(look, is_open=not is_hidden))
        self.solo_button.setIcon(draw_solo(look, is_on=is_alone))


def _make_sign(tip: str) -> QToolButton:
    button = QToolButton()
    button.setToolTip(make_tip(tip))
    button.setAccessibleName(tip)
    button.setIconSize(QSize(_SIGN, _SIGN))
    button.setFixedSize(_SIGN + 6, _SIGN + 6)
    button.setStyleSheet("QToolButton { border: none; background: transparent; padding: 0; }")
    button.setCursor(Qt.CursorShape.PointingHandCursor)
    return button


def draw_chip(color: str, mark: str, *, is_hidden: bool, look: Look) -> QIcon:
    """Return a class's colour with its key on it; only a frame of it where it is hidden."""
    pixmap, painter = _begin(_CHIP)
    painter.setPen(QPen(QColor(color), 2) if is_hidden else QPen(QColor(look.line), 1))
    painter.setBrush(Qt.BrushStyle.NoBrush if is_hidden else QColor(color))
    painter.drawRoundedRect(QRectF(1, 1, _CHIP - 2, _CHIP - 2), 3, 3)
    if mark:
        background = look.background if is_hidden else color
        inks = ("#000000", "#ffffff")
        ink = max(inks, key=lambda one: measure_contrast(one, background))
        font = QFont(painter.font())
        font.setPixelSize(_CHIP - 5)
        font.setBold(True)
        painter.setFont(font)
        painter.setPen(QColor(ink))
        painter.drawText(QRectF(0, 0, _CHIP, _CHIP), int(Qt.AlignmentFlag.AlignCenter), mark)
    painter.end()
    return QIcon(pixmap)


def draw_eye(look: Look, *, is_open: bool) -> QIcon:
    """Return an eye, struck through where it is closed."""
    pixmap, painter = _begin_sign(look.text if is_open else look.faint)
    painter.drawArc(QRectF(1, 4, 14, 14), 35 * 16, 110 * 16)
    painter.drawArc(QRectF(1, -2, 14, 14), 215 * 16, 110 * 16)
    if not is_open:
        painter.drawLine(QPointF(3, 14), QPointF(13, 2))
    return _end_sign(pixmap, painter, 1.8)


def draw_solo(look: Look, *, is_on: bool) -> QIcon:
    """Return a ring with a dot: a spotlight on one class."""
    pixmap, painter = _begin_sign(look.accent if is_on else look.faint)
    painter.drawEllipse(QPointF(8, 8), 5, 5)
    return _end_sign(pixmap, painter, 2)


def _begin_sign(ink: str) -> tuple[QPixmap, QPainter]:
    pixmap, painter = _begin(_SIGN)
    painter.setPen(QPen(QColor(ink), 1.3))
    return pixmap, painter


def _end_sign(pixmap: QPixmap, painter: QPainter, radius: float) -> QIcon:
    """Draw the dot in the middle of a sign."""
    painter.setBrush(painter.pen().color())
    painter.drawEllipse(QPointF(8, 8), radius, radius)
    painter.end()
    return QIcon(pixmap)


def _begin(size: int) -> tuple[QPixmap, QPainter]:
    """Begin a sharp picture, also on screens with small pixels."""
    scale = 2
    pixmap = QPixmap(size * scale, size * scale)
    pixmap.setDevicePixelRatio(scale)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    return pixmap, painter

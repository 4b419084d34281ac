"""A part of a dock that folds away, and stays as the user left it."""

from __future__ import annotations

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFont, QKeyEvent, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from napari_retseg.plaintext import make_visible
from napari_retseg.ui.memory import open_memory
from napari_retseg.ui.plain import make_tip
from napari_retseg.ui.widgets.pieces import lay_out_column
from napari_retseg.ui.widgets.theme import GAP, MARGIN, Look, read_look

_OPENING_KEYS = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
_ARROW = 5.0


class CollapsibleSection(QWidget):
    """A title that opens and closes what is below it.

    Parameters
    ----------
    title
        Shown in the header; what is remembered goes by it.
    is_open
        Where nothing is remembered yet.
    """

    def __init__(self, title: str, *, is_open: bool = True) -> None:
        super().__init__()
        self._key = f"sections/{title.lower()}"
        self.header = SectionHeader(title)
        self.content = QWidget()
        inner = lay_out_column(self.content)
        inner.setContentsMargins(MARGIN, GAP, MARGIN, MARGIN)
        lay_out_column(self, self.header, self.content, spacing=0)
        remembered = bool(open_memory().value(self._key, is_open, type=bool))
        self.header.setChecked(remembered)
        self.content.setVisible(remembered)
        self.header.toggled.connect(self.content.setVisible)
        self.header.clicked.connect(self._on_header_clicked)

    @property
    def is_open(self) -> bool:
        """Whether the content shows."""
        return bool(self.header.isChecked())

    def set_open(self, is_open: bool) -> None:
        """Open or close, as a program does: it is not remembered."""
        self.header.setChecked(is_open)

    def suggest_open(self, is_open: bool) -> None:
        """Open or close as the work goes on, unless the user has ever decided it."""
        if not open_memory().contains(self._key):
            self.set_open(is_open)

    def set_summary(self, text: str) -> None:
        """Show a few words at the right of the header, open or closed."""
        self.header.set_summary(text)

    def add(self, widget: QWidget) -> None:
        """Put a widget below the others."""
        layout = self.content.layout()
        assert layout is not None
        layout.addWidget(widget)

    def _on_header_clicked(self, is_open: bool) -> None:
        open_memory().setValue(self._key, is_open)


class SectionHeader(QAbstractButton):
    """An arrow, a title and a few words at the right.

    Painted here, because the theme's style sheet gives checked buttons a strong colour.
    """

    def __init__(self, title: str) -> None:
        super().__init__()
        self._summary = ""
        self.setText(title)
        self.setAccessibleName(f"{title} section")
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)

    def set_summary(self, text: str) -> None:
        """Show a few words at the right; a tooltip holds them where they are cut off."""
        self._summary = make_visible(text)
        self.setToolTip(make_tip(text))
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """As high as a button."""
        return QSize(120, self.fontMetrics().height() + 12)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802 - Qt's name
        """Space and Enter open and close, Right opens, Left closes."""
        assert event is not None
        key = event.key()
        wants = {Qt.Key.Key_Right: True, Qt.Key.Key_Left: False}.get(Qt.Key(key))
        if key in _OPENING_KEYS or (wants is not None and wants != self.isChecked()):
            self.click()
        elif wants is None:
            super().keyPressEvent(event)

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802 - Qt's name
        """Paint."""
        look = read_look(self)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(look.pressed if self.underMouse() else look.raised))
        painter.drawRoundedRect(self.rect(), 3, 3)
        painter.setBrush(QColor(look.text))
        painter.drawPolygon(self._make_arrow())
        self._paint_words(painter, look)
        if self.hasFocus():
            painter.setPen(QPen(QColor(look.accent), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 3, 3)
        painter.end()

    def _make_arrow(self) -> QPolygonF:
        x, y, a = MARGIN + _ARROW, self.height() / 2, _ARROW
        if self.isChecked():
            corners = [(x - a, y - a / 2), (x + a, y - a / 2), (x, y + a / 2 + 1)]
        else:
            corners = [(x - a / 2, y - a), (x - a / 2, y + a), (x + a / 2 + 1, y)]
        return QPolygonF([QPointF(*corner) for corner in corners])

    def _paint_words(self, painter: QPainter, look: Look) -> None:
        left = MARGIN + round(4 * _ARROW)
        room = QRectF(self.rect()).adjusted(left, 0, -MARGIN, 0)
        bold = QFont(self.font())
        bold.setBold(True)
        # as large as napari's labels, which the theme makes a point larger
        bold.setPointSizeF(bold.pointSizeF() + 1)
        painter.setFont(bold)
        painter.setPen(QColor(look.text))
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(room, int(middle | Qt.AlignmentFlag.AlignLeft), self.text())
        room.setLeft(room.left() + painter.fontMetrics().horizontalAdvance(self.text()) + 2 * GAP)
        painter.setFont(self.font())
        painter.setPen(QColor(look.faint))
        words = painter.fontMetrics().elidedText(
            self._summary, Qt.TextElideMode.ElideRight, max(0, int(room.width()))
        )
        painter.drawText(room, int(middle | Qt.AlignmentFlag.AlignRight), words)

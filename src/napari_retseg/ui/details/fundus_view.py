"""The fundus image with a line for each B-scan; a click goes to the nearest."""

from __future__ import annotations

from qtpy.QtCore import QLineF, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_retseg.acquisition import Place
from napari_retseg.ui.details.following import FundusMap
from napari_retseg.ui.widgets.theme import read_look

#: Seen on bright and dark fundus alike, by people with any colour vision (Okabe and Ito, 2008).
_LINE, _CURRENT = QColor("#009e73"), QColor("#f0e442")
#: Opacity of the lines: many of them would hide the fundus.
_FEW, _OPACITY, _OPACITY_OF_MANY = 25, 170, 70
_HEIGHT = 260


class FundusView(QWidget):
    """Shows a `FundusMap`; x to the right and y down, in mm, as the fundus is seen."""

    #: Place in mm that was clicked.
    clicked = Signal(float, float)

    def __init__(self) -> None:
        super().__init__()
        self.fundus: FundusMap | None = None
        self.bscan = -1
        self._pixmap = QPixmap()
        self.setMinimumSize(120, 120)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Fundus image with the B-scans")

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """As wide as a dock."""
        return QSize(_HEIGHT, _HEIGHT)

    def show_map(self, fundus: FundusMap | None) -> None:
        """Show another fundus."""
        self.fundus = fundus
        self._pixmap = QPixmap()
        if fundus is not None and fundus.image is not None:
            height, width = fundus.image.shape
            data = fundus.image.tobytes()
            self._pixmap = QPixmap.fromImage(
                QImage(data, width, height, width, QImage.Format.Format_Grayscale8).copy()
            )
        clickable = fundus is not None and len(fundus.lines_mm) > 1
        shape = Qt.CursorShape.PointingHandCursor if clickable else Qt.CursorShape.ArrowCursor
        self.setCursor(shape)
        self.update()

    def mark(self, bscan: int) -> None:
        """Mark the B-scan that is in view."""
        if bscan != self.bscan:
            self.bscan = bscan
            self.update()

    def frame(self) -> QRectF:
        """Where the image is drawn: as large as the widget allows, in its true shape."""
        if self.fundus is None:
            return QRectF()
        down, across = self.fundus.size_mm
        scale = min(self.width() / across, self.height() / down)
        size = (across * scale, down * scale)
        return QRectF((self.width() - size[0]) / 2, (self.height() - size[1]) / 2, *size)

    def place_of(self, x_mm: float, y_mm: float) -> QPointF:
        """Where a place in mm is drawn."""
        assert self.fundus is not None
        frame, (left, top) = self.frame(), self.fundus.corner_mm
        scale = frame.width() / self.fundus.size_mm[1]
        return QPointF(frame.x() + (x_mm - left) * scale, frame.y() + (y_mm - top) * scale)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802 - Qt's name
        """Tell which place was clicked."""
        self._tell(event)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802 - Qt's name
        """Go along with the pointer while the button is down."""
        self._tell(event)

    def _tell(self, event: QMouseEvent | None) -> None:
        frame = self.frame()
        if event is None or self.fundus is None or frame.isEmpty():
            return
        if event.buttons() & Qt.MouseButton.LeftButton:
            scale = self.fundus.size_mm[1] / frame.width()
            left, top = self.fundus.corner_mm
            where = event.position()
            self.clicked.emit(
                left + (where.x() - frame.x()) * scale, top + (where.y() - frame.y()) * scale
            )

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802 - Qt's name
        """Paint."""
        if self.fundus is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        frame = self.frame()
        if self._pixmap.isNull():
            painter.fillRect(frame, QColor(read_look(self).raised))
        else:
            painter.drawPixmap(frame, self._pixmap, QRectF(self._pixmap.rect()))
        are_few = len(self.fundus.lines_mm) <= _FEW
        color = QColor(_LINE)
        color.setAlpha(_OPACITY if are_few else _OPACITY_OF_MANY)
        painter.setPen(QPen(color, 1))
        for line in self.fundus.lines_mm:
            self._draw(painter, line)
        if 0 <= self.bscan < len(self.fundus.lines_mm):
            painter.setPen(QPen(_CURRENT, 2.5))
            self._draw(painter, self.fundus.lines_mm[self.bscan])
        painter.end()

    def _draw(self, painter: QPainter, line: Place) -> None:
        assert self.fundus is not None
        start, end = self.place_of(*line[:2]), self.place_of(*line[2:])
        if self.fundus.are_circles:
            radius = QLineF(start, end).length()
            painter.drawEllipse(end, radius, radius)
        else:
            painter.drawLine(start, end)

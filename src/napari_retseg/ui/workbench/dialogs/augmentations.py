"""Eight drawn training samples, with the outlines of their labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QRect, QSize, Qt, Signal
from qtpy.QtGui import QColor, QImage, QPainter, QPaintEvent, QResizeEvent, QShowEvent
from qtpy.QtWidgets import QDialog, QSizePolicy, QWidget

from napari_retseg.classes import LabelSet
from napari_retseg.overlay import stretch_grey
from napari_retseg.plural import count_noun
from napari_retseg.ui.plain import make_text
from napari_retseg.ui.widgets.pieces import lay_out_column, make_button, make_row
from napari_retseg.ui.widgets.theme import MARGIN, TIGHT, read_look

N_SAMPLES = 8

#: Grey values and class values of one sample, both ``(depth, width)``.
Sample = tuple[NDArray[Any], NDArray[np.uint8]]

#: From this width on, four pictures stand side by side; else two.
_WIDE = 480
_UNKNOWN_ASPECT = 0.65


class AugmentPreview(QDialog):
    """Shows the samples that it is given, and asks for others.

    The first are asked for when the window is first seen; once it is closed, it takes no more.
    """

    wanted = Signal()

    def __init__(self, classes: LabelSet, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Training samples with augmentation")
        self._was_seen = self.is_closed = False
        self.tiles = SampleTiles(classes)
        self.notice = make_text()
        self.again_button = make_button("Draw again", "Show other augmentations")
        self.again_button.clicked.connect(self.wanted)
        row = make_row(self.notice, self.again_button)
        row.setStretchFactor(self.notice, 1)
        lay_out_column(self, self.tiles, row, None, margin=MARGIN)
        self.resize(720, 440)
        self.finished.connect(self._on_finished)
        self.set_samples(())

    def set_samples(self, samples: Sequence[Sample]) -> None:
        """Show up to eight samples.

        Raises
        ------
        ValueError
            Where the labels of a sample have another shape than its picture.
        """
        self.tiles.set_samples(samples)
        shown = len(self.tiles.samples)
        self.set_notice(
            f"{count_noun(shown, 'training sample')} with augmentation" if shown else "No samples"
        )

    def set_notice(self, text: str) -> None:
        """Show a sentence, such as why there are no samples."""
        self.notice.setText(text)

    def _on_finished(self) -> None:
        self.is_closed = True

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802 - Qt's name
        """Ask for samples when first seen."""
        super().showEvent(event)
        if not self._was_seen:
            self._was_seen = True
            if not self.tiles.samples:
                self.wanted.emit()


class SampleTiles(QWidget):
    """The pictures, in rows of two or four."""

    def __init__(self, classes: LabelSet) -> None:
        super().__init__()
        self.samples: tuple[Sample, ...] = ()
        self._classes = classes
        self._images: list[QImage] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Training samples")

    def set_samples(self, samples: Sequence[Sample]) -> None:
        """Show up to eight."""
        for picture, labels in samples:
            if picture.ndim != 2 or picture.shape != labels.shape:
                raise ValueError(f"a picture {picture.shape} does not fit labels {labels.shape}")
        self.samples = tuple(samples[:N_SAMPLES])
        self._redraw()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """For a dock's width."""
        return QSize(280, self.heightForWidth(280))

    def heightForWidth(self, width: int) -> int:  # noqa: N802 - Qt's name
        """As high as the rows of pictures are, which keep their proportions."""
        if not self.samples:
            return 0
        columns, tile = self._lay_out(width)
        rows = -(-len(self.samples) // columns)
        return rows * tile.height() + (rows - 1) * TIGHT

    def _lay_out(self, width: int) -> tuple[int, QSize]:
        """Pictures in a row, and the size of each."""
        columns = 4 if width >= _WIDE else 2
        aspect = _UNKNOWN_ASPECT
        if self.samples:
            depth, across = self.samples[0][0].shape
            aspect = min(max(depth / max(across, 1), 0.3), 1.2)
        tile = max(1, (width - (columns - 1) * TIGHT) // columns)
        return columns, QSize(tile, max(1, round(tile * aspect)))

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802 - Qt's name
        """Draw the pictures anew at their width."""
        super().resizeEvent(event)
        if event is None or event.size().width() != event.oldSize().width():
            self._redraw()

    def _redraw(self) -> None:
        # layouts ask for a height for the width only where nothing else limits the height
        self.setFixedHeight(self.heightForWidth(self.width()))
        _, tile = self._lay_out(self.width())
        size = tile * self.devicePixelRatioF()
        self._images = [
            draw_outlines(picture, labels, self._classes, height=size.height(), width=size.width())
            for picture, labels in self.samples
        ]
        self.update()

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802 - Qt's name
        """Paint."""
        columns, tile = self._lay_out(self.width())
        painter = QPainter(self)
        painter.setPen(QColor(read_look(self).line))
        for k, image in enumerate(self._images):
            row, column = divmod(k, columns)
            left, top = column * (tile.width() + TIGHT), row * (tile.height() + TIGHT)
            place = QRect(left, top, tile.width(), tile.height())
            painter.drawImage(place, image)
            painter.drawRect(place.adjusted(0, 0, -1, -1))
        painter.end()


def draw_outlines(
    picture: NDArray[Any],
    labels: NDArray[np.uint8],
    classes: LabelSet,
    *,
    height: int,
    width: int,
) -> QImage:
    """Draw a sample at a size, each class with an outline of one pixel in its colour.

    Pixels that are not annotated have no outline of their own.
    """
    # outlines are found at the size that is shown: found before, they would come and go
    small = labels[_pick(labels.shape[0], height)][:, _pick(labels.shape[1], width)]
    is_edge = np.zeros(small.shape, dtype=bool)
    is_edge[:-1] |= small[:-1] != small[1:]
    is_edge[:, :-1] |= small[:, :-1] != small[:, 1:]
    # red, green, blue and opacity of each class value
    colors = np.zeros((256, 4), dtype=np.uint8)
    for one in classes.foreground:
        colors[one.value] = (*one.rgb, 255)
    is_class = colors[:, 3] > 0
    # an edge has the colour of the class above it, or where that is none of the one below
    drawn = np.where(is_class[small], small, np.roll(small, -1, axis=0))
    outlines = np.where(is_edge[..., np.newaxis], colors[drawn], np.uint8(0))
    image = _scale(stretch_grey(_shrink(picture, height, width)), height, width)
    painter = QPainter(image)
    painter.drawImage(0, 0, _make_image(outlines, QImage.Format.Format_RGBA8888))
    painter.end()
    return image


def _shrink(picture: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Average blocks of pixels, as far as the picture stays larger than it is shown.

    Most of the time goes into grey values that nobody sees otherwise.
    """
    depth, across = picture.shape
    step = max(1, min(depth // height, across // width))
    if step == 1:
        return picture
    blocks = picture[: depth // step * step, : across // step * step]
    shape = (depth // step, step, across // step, step)
    shrunk: NDArray[Any] = blocks.reshape(shape).mean(axis=(1, 3), dtype=np.float32)
    return shrunk


def _pick(length: int, wanted: int) -> NDArray[np.intp]:
    """Indices of the nearest pixels."""
    return ((np.arange(wanted) + 0.5) * length / wanted).astype(np.intp)


def _scale(grey: NDArray[np.float32], height: int, width: int) -> QImage:
    """Scale grey values smoothly, to a picture that can be painted on."""
    image = _make_image(grey.astype(np.uint8), QImage.Format.Format_Grayscale8)
    return QImage(
        image.scaled(
            width,
            height,
            Qt.AspectRatioMode.IgnoreAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        ).convertToFormat(QImage.Format.Format_RGB32)
    )


def _make_image(pixels: NDArray[np.uint8], kind: QImage.Format) -> QImage:
    """Make a picture that owns its pixels; ``(height, width)`` or ``(height, width, channel)``."""
    height, width = pixels.shape[:2]
    data = np.ascontiguousarray(pixels)
    return QImage(QImage(data.tobytes(), width, height, data.strides[0], kind).copy())

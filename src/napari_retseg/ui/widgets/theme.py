"""Colours, spacing and words that the widgets share, made from the theme's two main colours.

napari sets its themes by a style sheet, which Qt brings into each widget's palette. So a widget
asks its palette when it paints, and follows a change of the theme.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from qtpy.QtCore import QEvent, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPainter, QPalette, QPixmap
from qtpy.QtWidgets import QLabel, QWidget

BscanStatus = Literal["untouched", "predicted", "corrected", "confirmed"]
STATUSES: tuple[BscanStatus, ...] = ("untouched", "predicted", "corrected", "confirmed")

#: Pixels around a widget's content, between its rows, and between what belongs together.
MARGIN, GAP, TIGHT = 8, 6, 3

#: Least contrast of text, and of lines and marks (WCAG 2.1, 1.4.3 and 1.4.11).
TEXT_CONTRAST, MARK_CONTRAST = 4.5, 3.0

# told apart by people with any colour vision (Okabe and Ito, 2008)
_STATUS_COLORS: dict[BscanStatus, str] = {
    "predicted": "#56b4e9",
    "corrected": "#e69f00",
    "confirmed": "#009e73",
}
_UNCERTAIN = "#cc79a7"
_ACCENT = "#4d8df0"
_WARNING = "#e6a117"
_ERROR = "#f0525f"


@dataclass(frozen=True, slots=True)
class Look:
    """Colours for one background, each as ``#rrggbb``.

    Attributes
    ----------
    background, text
        Of the theme.
    faint
        Text that matters less.
    raised, pressed
        Surfaces one and two steps off the background.
    line
        Frames and grids: decoration.
    accent, uncertain
        Marks: what is chosen; how unsure a model is.
    better, warning, error
        Text.
    """

    background: str
    text: str
    faint: str
    raised: str
    pressed: str
    line: str
    accent: str
    uncertain: str
    better: str
    warning: str
    error: str
    untouched: str
    predicted: str
    corrected: str
    confirmed: str

    def status(self, status: BscanStatus) -> str:
        """Colour of a B-scan's state."""
        color: str = getattr(self, status)
        return color

    def mark(self, color: str) -> str:
        """Return a class's colour, so far changed that a line of it is seen on the background."""
        return make_readable(color, self.background, minimum=MARK_CONTRAST)


class ThemedWidget(QWidget):
    """A widget that chooses colours itself, and again when the theme has changed."""

    theme_changed = Signal()

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802 - Qt's name
        """Follow a change of the theme."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange:
            self.theme_changed.emit()


def read_look(widget: QWidget) -> Look:
    """Make the colours for a widget from its palette."""
    palette = widget.palette()
    group = QPalette.ColorGroup.Active
    background = palette.color(group, QPalette.ColorRole.Window)
    text = palette.color(group, QPalette.ColorRole.WindowText)
    return make_look(background.name(), text.name())


@lru_cache(maxsize=16)
def make_look(background: str, text: str) -> Look:
    """Make the colours for a background and its text."""
    raised = mix(background, text, 0.1)

    def readable(color: str) -> str:
        return make_readable(color, background, minimum=MARK_CONTRAST)

    def on_raised(color: str) -> str:
        # raised surfaces are nearer to the text, so it is read on the background, too
        return make_readable(color, raised, minimum=TEXT_CONTRAST)

    return Look(
        background=background,
        text=text,
        faint=on_raised(mix(text, background, 0.35)),
        raised=raised,
        pressed=mix(background, text, 0.2),
        line=mix(background, text, 0.25),
        accent=readable(_ACCENT),
        uncertain=readable(_UNCERTAIN),
        better=on_raised(_STATUS_COLORS["confirmed"]),
        warning=on_raised(_WARNING),
        error=on_raised(_ERROR),
        untouched=mix(background, text, 0.3),
        **{name: readable(color) for name, color in _STATUS_COLORS.items()},
    )


def make_readable(color: str, background: str, *, minimum: float) -> str:
    """Move a colour towards white or black until it has the contrast; hue is kept."""
    away = "#ffffff" if measure_contrast("#ffffff", background) > 4.6 else "#000000"
    for step in range(21):
        candidate = mix(color, away, step / 20)
        if measure_contrast(candidate, background) >= minimum:
            return candidate
    return away


def measure_contrast(one: str, other: str) -> float:
    """Contrast of two colours, 1 to 21 (WCAG 2.1)."""
    bright, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def mix(one: str, other: str, share: float) -> str:
    """Return a colour between two: `share` of the other."""
    pairs = zip(_channels(one), _channels(other), strict=True)
    red, green, blue = (round(255 * (a + (b - a) * share)) for a, b in pairs)
    return f"#{red:02x}{green:02x}{blue:02x}"


def _channels(color: str) -> tuple[float, float, float]:
    red, green, blue = (int(color[k : k + 2], 16) / 255 for k in (1, 3, 5))
    return red, green, blue


def _luminance(color: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in _channels(color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def make_swatch(color: str, frame: str, size: int = 12) -> QIcon:
    """Return a square of a class's colour; the frame shows one that is like the background."""
    pixmap = QPixmap(size, size)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setPen(QColor(frame))
    painter.setBrush(QColor(color))
    painter.drawRect(QRectF(0.5, 0.5, size - 1, size - 1))
    painter.end()
    return QIcon(pixmap)


def color_text(label: QLabel, color: str) -> None:
    """Give a text a colour, whatever the theme's style sheet says."""
    sheet = f"color: {color};"
    if label.styleSheet() != sheet:
        label.setStyleSheet(sheet)

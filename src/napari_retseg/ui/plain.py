"""Text in widgets: shown letter by letter, wherever it came from.

Qt takes a text for rich text by guess, and then loads the pictures that it names; an ``&`` in a
button's text becomes a key; control characters are drawn as nothing. Names of files, classes and
models come from anyone, so that all labels, tips, captions and questions are made here.
"""

from __future__ import annotations

from html import escape

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QMessageBox, QWidget

from napari_retseg.plaintext import make_visible

_LINES = "\n"


class PlainLabel(QLabel):
    """A label that shows its text as it is; control characters show as escapes."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setText(text)

    def setText(self, text: str | None) -> None:  # noqa: N802 - Qt's name
        """Show a text."""
        super().setText(make_visible(text or "", keep=_LINES))


class RichLabel(QLabel):
    """A label for colours and weights of our own making; :func:`escape_text` all else."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.RichText)


def make_text(text: str = "") -> PlainLabel:
    """Return a plain text that wraps and can be copied."""
    label = PlainLabel(text)
    _let_wrap(label)
    return label


def make_rich_text() -> RichLabel:
    """Return a rich text that wraps and can be copied."""
    label = RichLabel()
    _let_wrap(label)
    return label


def _let_wrap(label: QLabel) -> None:
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)


def escape_text(text: object) -> str:
    """Write a text for a rich label, so that it is shown as it is."""
    return escape(make_visible(text))


def make_tip(text: str) -> str:
    """Write a text for a tooltip, which shows it as it is.

    Tooltips know no plain text: what could be taken for markup is escaped, and marked as rich.
    """
    shown = make_visible(text, keep=_LINES)
    if "<" not in shown and "&" not in shown:
        return shown
    lines = escape(shown).replace("\n", "<br>")
    return f"<qt>{lines}</qt>"


def make_caption(text: str) -> str:
    """Write a text for a button, a menu or a tab, where an ``&`` would stand for a key."""
    return make_visible(text).replace("&", "&&")


def make_question(parent: QWidget | None, title: str, text: str, more: str = "") -> QMessageBox:
    """Return a message box that shows its texts as they are; it has no buttons yet."""
    box = QMessageBox(parent)
    box.setWindowTitle(make_visible(title))
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(make_visible(text, keep=_LINES))
    box.setInformativeText(make_visible(more, keep=_LINES))
    # the format above is that of the first text alone
    for label in box.findChildren(QLabel):
        label.setTextFormat(Qt.TextFormat.PlainText)
    return box

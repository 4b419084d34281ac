"""A small window with a text to read: the keys, or a model's card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import combinations, pairwise
from typing import Any

from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QImage, QShowEvent
from qtpy.QtWidgets import QDialog, QPushButton, QTextBrowser, QWidget

from napari_retseg.plaintext import make_visible
from napari_retseg.ui.widgets.pieces import lay_out_column, make_row
from napari_retseg.ui.widgets.theme import MARGIN

#: Titles of groups, each with pairs of a key and what it does.
KeyGroups = Mapping[str, Sequence[tuple[str, str]]]
#: Lines of keys and titles that fit into one column, the width of one, and how many a screen has.
_HIGHEST, _COLUMN, _MOST_COLUMNS = 20, 440, 3


class CardView(QTextBrowser):
    """A text that loads nothing: a card comes with a model, which may be anyone's."""

    def __init__(self) -> None:
        super().__init__()
        self.setOpenLinks(False)
        self._blank = QImage(1, 1, QImage.Format.Format_ARGB32)
        self._blank.fill(Qt.GlobalColor.transparent)

    def loadResource(self, kind: int, name: QUrl) -> Any:  # noqa: ARG002, N802 - Qt's
        """Give an empty picture for all: without any, Qt would look for the file itself."""
        return self._blank


class TextCard(QDialog):
    """A window that stays beside the viewer; Escape closes it."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setModal(False)
        self.view = CardView()
        self.close_button = QPushButton("Close")
        self.close_button.clicked.connect(self.close)
        lay_out_column(self, self.view, make_row(None, self.close_button), margin=MARGIN)
        self.resize(460, 420)

    @property
    def text(self) -> str:
        """What is shown, without its layout."""
        return str(self.view.toPlainText())


class ModelCard(TextCard):
    """A model's card, as it is in the bundle.

    Parameters
    ----------
    name
        The model's.
    markdown
        The content of its ``MODEL_CARD.md``.
    """

    def __init__(self, name: str, markdown: str, parent: QWidget | None = None) -> None:
        super().__init__(f"Model {make_visible(name)}", parent)
        self.view.setMarkdown(markdown or "This model has no model card.")


class KeysCard(TextCard):
    """The keys of the workbench, in groups."""

    def __init__(self, groups: KeyGroups, parent: QWidget | None = None) -> None:
        super().__init__("Keys", parent)
        columns = split_groups(groups)
        self.view.setHtml(lay_out_keys(columns))
        self.resize(_COLUMN * len(columns), 420)

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802 - Qt's name
        """Be as high as the keys."""
        super().showEvent(event)
        document, viewport = self.view.document(), self.view.viewport()
        if document is not None and viewport is not None:
            around = self.height() - viewport.height()
            self.resize(self.width(), round(document.size().height()) + around)


def split_groups(groups: KeyGroups) -> list[KeyGroups]:
    """Split groups that are too high for a small screen into as few columns as are not, or three.

    The columns keep the order of the groups, and the highest is as low as it can be.
    """
    items = list(groups.items())
    heights = [len(keys) + 1 for _, keys in items]
    best: list[KeyGroups] = [groups]
    for n_columns in range(1, min(_MOST_COLUMNS, len(items)) + 1):
        cuts = combinations(range(1, len(items)), n_columns - 1)
        splits = [list(pairwise((0, *inner, len(items)))) for inner in cuts]
        split = min(splits, key=lambda parts: max(sum(heights[a:b]) for a, b in parts))
        best = [dict(items[a:b]) for a, b in split]
        if max(sum(heights[a:b]) for a, b in split) <= _HIGHEST:
            break
    return best


def lay_out_keys(columns: Sequence[KeyGroups]) -> str:
    """Write all keys as HTML: a table for each column."""
    cells = [f'<td valign="top">{_lay_out_column(groups)}</td>' for groups in columns]
    return f"<table><tr>{''.join(cells)}</tr></table>"


def _lay_out_column(groups: KeyGroups) -> str:
    parts = []
    for title, keys in groups.items():
        parts.append(f'<tr><td colspan="2" style="padding:8px 0 2px 0">{escape(title)}</td></tr>')
        parts += [
            f'<tr><td style="padding:1px 14px 1px 8px"><b>{escape(key)}</b></td>'
            f'<td style="padding:1px 0">{escape(what)}</td></tr>'
            for key, what in keys
        ]
    return f"<table>{''.join(parts)}</table>"

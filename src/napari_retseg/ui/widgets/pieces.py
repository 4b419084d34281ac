"""Small pieces that the workbench's panels are made of."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from napari_retseg.plaintext import make_visible
from napari_retseg.ui.plain import make_caption, make_tip
from napari_retseg.ui.widgets.theme import GAP


def make_button(text: str, tip: str, *, key: str = "") -> QPushButton:
    """Return a button; the key that does the same stands in its tooltip."""
    button = QPushButton(make_caption(text))
    button.setToolTip(make_tip(f"{tip} [{key}]" if key else tip))
    return button


def make_box(tip: str) -> QComboBox:
    """Return a box to choose from that may be narrower than its longest name."""
    box = QComboBox()
    box.setToolTip(make_tip(tip))
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(8)
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return box


def fill_box(box: QComboBox, names: Sequence[str], chosen: int, *, empty: str) -> None:
    """Show these names in a box; `empty` says what to do where there are none."""
    shown = [make_visible(name) for name in names]
    with QSignalBlocker(box):
        if [box.itemText(k) for k in range(box.count())] != shown:
            box.clear()
            box.addItems(shown)
        box.setPlaceholderText(empty)
        box.setCurrentIndex(chosen)
    box.setEnabled(bool(names))


def make_row(*widgets: QWidget) -> QHBoxLayout:
    """Return widgets side by side."""
    row = QHBoxLayout()
    row.setSpacing(GAP)
    for widget in widgets:
        row.addWidget(widget)
    return row

"""A small window with a form."""

from __future__ import annotations

from collections.abc import Sequence

from magicgui.widgets.bases import Widget
from qtpy.QtWidgets import QDialog, QPushButton, QWidget

from napari_retseg.ui.plain import PlainLabel, make_caption, make_text
from napari_retseg.ui.widgets.pieces import lay_out_column, make_form, make_row
from napari_retseg.ui.widgets.theme import MARGIN


class FormWindow(QDialog):
    """Fields, a sentence, and two buttons: one does what the form says, the other cancels."""

    def __init__(self, title: str, verb: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.notice = make_text()
        self.take_button = QPushButton(make_caption(verb))
        self.take_button.setDefault(True)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.clicked.connect(self.close)

    def lay_out(self, fields: Sequence[Widget], *, width: int) -> None:
        """Lay out fields with their labels above sentence and buttons."""
        lay_out_column(
            self,
            make_form(*((PlainLabel(field.label), field.native) for field in fields)),
            self.notice,
            make_row(None, self.take_button, self.cancel_button),
            margin=MARGIN,
        )
        self.resize(width, self.sizeHint().height())

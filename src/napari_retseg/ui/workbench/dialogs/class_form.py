"""Asks which classes are labelled."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtWidgets import QDialog, QDialogButtonBox, QPlainTextEdit, QVBoxLayout, QWidget

from napari_retseg.ui.plain import make_text
from napari_retseg.ui.widgets.pieces import make_button
from napari_retseg.ui.widgets.theme import GAP, MARGIN


class ClassForm(QDialog):
    """A list of classes, one per line, and a button that takes those of a model.

    Parameters
    ----------
    names
        What is labelled by now, without background.
    model, of_model
        Name and classes of the chosen model; no button without classes.
    """

    def __init__(
        self,
        names: Sequence[str],
        model: str = "",
        of_model: Sequence[str] = (),
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Classes")
        column = QVBoxLayout(self)
        column.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        column.setSpacing(GAP)
        column.addWidget(
            make_text(
                "One class per line, without background. Once you have labelled something, add "
                "new classes at the end."
            )
        )
        self.text = QPlainTextEdit("\n".join(names))
        column.addWidget(self.text)
        self.model_button = make_button(
            f"Take those of {model}", "Label the same classes as the chosen model"
        )
        self.model_button.setVisible(bool(of_model))
        self.model_button.clicked.connect(lambda: self.text.setPlainText("\n".join(of_model)))
        column.addWidget(self.model_button)
        buttons = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(buttons.Ok | buttons.Cancel)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        column.addWidget(self.buttons)

    @property
    def names(self) -> list[str]:
        """What was entered."""
        lines = (line.strip() for line in self.text.toPlainText().splitlines())
        return [line for line in lines if line]

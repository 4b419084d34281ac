"""The window in which a user says how large a pixel is."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtWidgets import QDialog, QDialogButtonBox, QDoubleSpinBox, QFormLayout, QWidget

from napari_retseg.ui.plain import make_text
from napari_retseg.ui.widgets.theme import GAP, MARGIN

_NAMES = ("B-scan distance", "Pixel height", "Pixel width")
_HIGHEST_UM = 10_000.0


class ScaleForm(QDialog):
    """One field for each axis; what stays at "unknown" stays unknown.

    Parameters
    ----------
    n_axes
        2 for a B-scan, 3 for a volume.
    known
        What is known by now, in um; empty where nothing is.
    """

    def __init__(
        self, n_axes: int, known: Sequence[float | None], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Pixel size")
        form = QFormLayout(self)
        form.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        form.setSpacing(GAP)
        form.addRow(make_text("Lengths and thickness need the pixel size."))
        sizes = list(known) if len(known) == n_axes else [None] * n_axes
        self.fields = [_make_field(size) for size in sizes]
        for name, field in zip(_NAMES[-n_axes:], self.fields, strict=True):
            form.addRow(f"{name} in µm", field)
        buttons = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(buttons.Ok | buttons.Cancel)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        form.addRow(self.buttons)

    @property
    def spacing_um(self) -> tuple[float | None, ...]:
        """What was entered; None where it is unknown."""
        return tuple(field.value() or None for field in self.fields)


def _make_field(known: float | None) -> QDoubleSpinBox:
    field = QDoubleSpinBox()
    field.setRange(0.0, _HIGHEST_UM)
    field.setDecimals(3)
    field.setSpecialValueText("unknown")
    field.setValue(known or 0.0)
    return field

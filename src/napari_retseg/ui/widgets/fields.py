"""Fields of a form: each shows one value and tells when the user has changed it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import QEvent, QObject, QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QLineEdit, QPushButton, QWidget

from napari_retseg.ui.plain import make_tip
from napari_retseg.ui.widgets.pieces import choose_folder, lay_out_column, make_box, make_row
from napari_retseg.ui.widgets.theme import TIGHT

_OTHER = "other…"
_MOST = 1e7


class Field(QWidget):
    """A value that can be edited."""

    changed = Signal()

    @property
    def focused(self) -> QWidget:
        """The widget that takes the keyboard."""
        raise NotImplementedError

    def value(self) -> Any:
        """What is entered, valid or not."""
        raise NotImplementedError

    def set_value(self, value: Any) -> None:
        """Show a value; emits nothing."""
        raise NotImplementedError

    def set_name(self, name: str) -> None:
        """Name the field for screen readers."""
        self.focused.setAccessibleName(name)


class WheelGuard(QObject):
    """Leaves the wheel to the dock, so that scrolling over a field does not change it."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Drop turns of the wheel over a field without the keyboard's focus."""
        is_wheel = event is not None and event.type() == QEvent.Type.Wheel
        if is_wheel and isinstance(watched, QWidget) and not watched.hasFocus():
            assert event is not None
            event.ignore()
            return True
        return False


def _guard(widget: QWidget) -> None:
    widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    widget.installEventFilter(WheelGuard(widget))


def _make_guarded_box() -> QComboBox:
    box = make_box()
    _guard(box)
    return box


class ChoiceField(Field):
    """A choice of texts, shown in words; "other…" takes any text in the command line's form.

    Parameters
    ----------
    choices
        From each text to its words.
    is_open
        Whether there is an "other…".
    """

    def __init__(self, choices: Mapping[str, str], *, is_open: bool = True) -> None:
        super().__init__()
        self.box = _make_guarded_box()
        for row, (value, words) in enumerate(choices.items()):
            self.box.addItem(words, value)
            self.box.setItemData(row, make_tip(value), Qt.ItemDataRole.ToolTipRole)
        self._other = self.box.count() if is_open else -1
        if is_open:
            self.box.addItem(_OTHER)
        self.edit = QLineEdit()
        self.edit.hide()
        lay_out_column(self, self.box, self.edit, spacing=TIGHT)
        self.box.activated.connect(self._on_box_activated)
        self.edit.textEdited.connect(self.changed)

    @property
    def focused(self) -> QWidget:
        """The choice."""
        return self.box

    def set_name(self, name: str) -> None:
        """Name both widgets."""
        super().set_name(name)
        self.edit.setAccessibleName(f"{name}, as text")

    def value(self) -> str:
        """The chosen or the written text."""
        row = self.box.currentIndex()
        return self.edit.text().strip() if row == self._other else str(self.box.itemData(row))

    def set_value(self, value: Any) -> None:
        """Choose a text; one that is not among the choices is written out."""
        row = self.box.findData(value)
        if row < 0:
            row = self._other
            self.edit.setText(str(value))
        else:
            self._offer(row)
        with QSignalBlocker(self.box):
            self.box.setCurrentIndex(row)
        self.edit.setVisible(row == self._other)

    def _offer(self, row: int) -> None:
        """Let "other…" begin with a text that is valid."""
        self.edit.setText(str(self.box.itemData(row)))

    def _on_box_activated(self, row: int) -> None:
        if row == self._other and self.edit.isHidden():
            self.edit.setFocus()
        if row != self._other:
            self._offer(row)
        self.edit.setVisible(row == self._other)
        self.changed.emit()


class NumberField(Field):
    """A number, written as one likes: 0.001 or 1e-3."""

    def __init__(self, kind: type[int] | type[float]) -> None:
        super().__init__()
        self._kind = kind
        self.edit = QLineEdit()
        lay_out_column(self, self.edit)
        self.edit.textEdited.connect(self.changed)

    @property
    def focused(self) -> QWidget:
        """The text."""
        return self.edit

    def value(self) -> int | float | str:
        """The number, or the text where it is none."""
        text = self.edit.text().strip().replace(",", ".")
        try:
            return self._kind(text)
        except ValueError:
            return text

    def set_value(self, value: Any) -> None:
        """Show a number, as briefly as it is exact."""
        same = isinstance(value, (int, float)) and self.value() == value
        if not same:
            short = f"{value:g}" if isinstance(value, float) else str(value)
            is_exact = not isinstance(value, float) or float(short) == value
            self.edit.setText(short if is_exact else repr(value))


class FolderField(Field):
    """A folder, or none."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self._what = what
        self.edit = QLineEdit()
        self.edit.setPlaceholderText("none")
        self.edit.setClearButtonEnabled(True)
        self.button = QPushButton("Browse…")
        lay_out_column(self, make_row(self.edit, self.button, spacing=TIGHT))
        # a click on the clear button is no edit to Qt
        self.edit.textChanged.connect(self.changed)
        self.button.clicked.connect(self._on_button_clicked)

    @property
    def focused(self) -> QWidget:
        """The text."""
        return self.edit

    def value(self) -> str:
        """The folder's path."""
        return self.edit.text().strip()

    def set_value(self, value: Any) -> None:
        """Show a path."""
        with QSignalBlocker(self.edit):
            self.edit.setText(str(value))

    def _on_button_clicked(self) -> None:
        choose_folder(self, f"Choose {self._what}", lambda folder: self.edit.setText(str(folder)))


class BudgetField(Field):
    """How long a training is: in minutes, iterations or passes, or by the number of labels."""

    #: Shown where no number is given.
    AUTO = "automatic"
    #: Unit, value to begin with, least value, digits after the point, step.
    UNITS = (
        (AUTO, 0.0, 0.0, 0, 0.0),
        ("minutes", 10.0, 0.1, 1, 5.0),
        ("iterations", 300.0, 1.0, 0, 100.0),
        ("epochs", 20.0, 1.0, 0, 5.0),
    )

    def __init__(self) -> None:
        super().__init__()
        self._numbers = {unit: number for unit, number, *_ in self.UNITS}
        self._exact: dict[str, float] = {}
        self.number = QDoubleSpinBox()
        # the theme's buttons would leave no room for the digits; the arrow keys step
        self.number.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
        self.number.setCorrectionMode(QDoubleSpinBox.CorrectionMode.CorrectToNearestValue)
        self.number.setStyleSheet("QDoubleSpinBox { min-width: 40px; padding: 1px 6px; }")
        _guard(self.number)
        self.unit = _make_guarded_box()
        self.unit.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        for unit, *_ in self.UNITS:
            self.unit.addItem(unit)
        row = make_row(self.number, self.unit, spacing=TIGHT)
        row.setStretchFactor(self.number, 1)
        lay_out_column(self, row)
        self._show()
        self.number.valueChanged.connect(self._on_number_changed)
        self.unit.activated.connect(self._on_unit_activated)

    @property
    def focused(self) -> QWidget:
        """The number, or the unit where there is none."""
        return self.unit if self.unit.currentText() == self.AUTO else self.number

    def value(self) -> dict[str, int | float]:
        """Minutes, iterations and epochs, of which one counts at most."""
        unit, number = self.unit.currentText(), self.number.value()
        values: dict[str, int | float] = {"minutes": 0.0, "iterations": 0, "epochs": 0}
        if unit == "minutes":
            values[unit] = self._exact.get(unit, number)
        elif unit != self.AUTO:
            values[unit] = int(number)
        return values

    def set_value(self, value: Any) -> None:
        """Show the one of the three that counts, if one does."""
        order = ("minutes", "epochs", "iterations")
        unit = next((one for one in order if value[one]), self.AUTO)
        self._exact = {}
        if unit != self.AUTO:
            self._numbers[unit] = float(value[unit])
            self._exact = {unit: value[unit]}
        self.unit.setCurrentText(unit)
        self._show()

    def _show(self) -> None:
        unit, _, least, digits, step = self.UNITS[self.unit.currentIndex()]
        with QSignalBlocker(self.number):
            self.number.setDecimals(digits)
            self.number.setRange(least, _MOST)
            self.number.setSingleStep(step)
            self.number.setValue(self._numbers[unit])
        self.number.setVisible(unit != self.AUTO)

    def _on_number_changed(self, number: float) -> None:
        self._numbers[self.unit.currentText()] = number
        self._exact = {}
        self.changed.emit()

    def _on_unit_activated(self, _row: int) -> None:
        self._show()
        self.changed.emit()

"""The button with what is set once: where jobs run, and whether work is measured."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QMenu, QPushButton

from napari_retseg.ui.memory import open_memory
from napari_retseg.ui.plain import make_tip
from napari_retseg.ui.widgets.pieces import add_action

_MEASURE = "measure_cost"


class SettingsButton(QPushButton):
    """A menu; what is measured is remembered until the next time."""

    measuring_switched = Signal(bool)
    address_wanted = Signal()

    def __init__(self) -> None:
        super().__init__("Settings")
        self.setToolTip(make_tip("Where jobs run, and whether your work is measured"))
        menu = QMenu(self)
        add_action(menu, "Run on another computer…", self.address_wanted.emit)
        measure = menu.addAction("Measure time and edits of each B-scan")
        assert measure is not None
        measure.setCheckable(True)
        measure.setChecked(self.is_measuring)
        measure.setToolTip("The numbers stay in the workspace, on this computer")
        measure.toggled.connect(self._on_toggled)
        menu.setToolTipsVisible(True)
        self.measure_action = measure
        self.setMenu(menu)

    @property
    def is_measuring(self) -> bool:
        """Whether work is measured; it is, unless the user has switched it off."""
        return bool(open_memory().value(_MEASURE, True, type=bool))

    def _on_toggled(self, is_on: bool) -> None:
        open_memory().setValue(_MEASURE, is_on)
        self.measuring_switched.emit(is_on)

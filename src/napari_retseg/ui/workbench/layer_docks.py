"""Room for the B-scan: napari's docks of layers step aside in a small window."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow

from napari_retseg.ui.memory import open_memory

#: As napari names them.
NAMES = ("layer list", "layer controls")
#: The part of the window's width that the canvas has at least.
SHARE = 0.6
_KEY = "layer_docks"
#: Until the window has laid its docks out.
_LAID_OUT_MS = 50


class LayerDocks(QObject):
    """Hides and shows napari's layer list and controls.

    What the user chose once is done from then on; before that, they are hidden where the canvas
    would have less than 60 % of the window's width. They come back with :meth:`end`.

    Parameters
    ----------
    window
        The viewer's.
    tell
        Called with whether they are shown.
    fit
        Called once the canvas has another width by that.
    """

    def __init__(
        self, window: QMainWindow, tell: Callable[[bool], None], fit: Callable[[], None]
    ) -> None:
        super().__init__(window)
        self._tell = tell
        self._fit = fit
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_LAID_OUT_MS)
        self._soon.timeout.connect(self._fit_now)
        found = [window.findChild(QDockWidget, name) for name in NAMES]
        self._docks = [dock for dock in found if dock is not None]
        self._is_ours = False
        for dock in self._docks:
            dock.visibilityChanged.connect(self._on_visible)
        self._on_visible()

    @property
    def are_shown(self) -> bool:
        """Whether any of them is there."""
        return any(not dock.isHidden() for dock in self._docks)

    def settle(self) -> None:
        """Do what the user chose, or what the window has room for."""
        memory = open_memory()
        if memory.contains(_KEY):
            self._show(bool(memory.value(_KEY, True, type=bool)))
        elif self.are_shown and self._measure() < SHARE:
            self._show(False)

    def _measure(self) -> float:
        # the window is not kept: it has to go when its viewer is closed
        window = self.parent()
        return measure_canvas(window) if isinstance(window, QMainWindow) else 1.0

    def toggle(self) -> None:
        """Show or hide them; this is remembered."""
        wanted = not self.are_shown
        open_memory().setValue(_KEY, wanted)
        self._show(wanted)

    def end(self) -> None:
        """Bring back what was hidden here."""
        for dock in self._docks:
            dock.visibilityChanged.disconnect(self._on_visible)
            if self._is_ours:
                dock.show()

    def _show(self, is_shown: bool) -> None:
        self._is_ours = not is_shown
        if is_shown == self.are_shown:
            return
        for dock in self._docks:
            dock.setVisible(is_shown)
        self._soon.start()
        self._on_visible()

    def _fit_now(self) -> None:
        self._fit()

    def _on_visible(self, _is_visible: bool = False) -> None:
        self._tell(self.are_shown)


def measure_canvas(window: QMainWindow) -> float:
    """Return which part of the window's width the canvas has, 0 to 1."""
    center = window.centralWidget()
    return 0.0 if center is None or not window.width() else center.width() / window.width()

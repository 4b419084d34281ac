"""The dock along the bottom of the window that holds the whole volume."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QApplication, QDockWidget, QMainWindow, QSizePolicy, QWidget

from napari_retseg.ui.workbench.focus import FocusKeeper, find_canvas

#: Qt saves the places of docks by this name.
NAME = "retseg B-scans"


class StripDock(QDockWidget):
    """Has no title, so that all of its height is the volume's. It hands unknown keys to the viewer.

    Parameters
    ----------
    window
        The viewer's window.
    panel
        What it shows.
    """

    def __init__(self, window: QMainWindow, panel: QWidget) -> None:
        super().__init__(window)
        self.setObjectName(NAME)
        self.setWindowTitle("B-scans")
        self.setFeatures(QDockWidget.DockWidgetFeature.NoDockWidgetFeatures)
        self.setTitleBarWidget(QWidget())
        panel.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setWidget(panel)
        window.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, self)
        panel.show()
        self.focus = FocusKeeper(self)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802 - Qt's name
        """Hand a key on to the canvas."""
        canvas = find_canvas(self)
        if event is not None and canvas is not None:
            QApplication.sendEvent(canvas, event)

"""A window of their own for the curves of a training."""

from __future__ import annotations

from qtpy.QtWidgets import QDialog, QVBoxLayout, QWidget

from napari_retseg.ui.widgets.pieces import lay_out_column
from napari_retseg.ui.widgets.theme import MARGIN


class CurvesWindow(QDialog):
    """Holds the plots while it is open; they go back to their place when it is closed.

    Parameters
    ----------
    plot
        The plots, which lie in `home` now.
    home
        Where they go back to, to the same place.
    """

    def __init__(self, plot: QWidget, home: QVBoxLayout, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Curves of the training")
        self.setModal(False)
        self._plot, self._home, self._place = plot, home, home.indexOf(plot)
        lay_out_column(self, plot, margin=MARGIN)
        self.resize(900, 640)
        self.finished.connect(self._put_back)

    def _put_back(self, _result: int = 0) -> None:
        self._home.insertWidget(self._place, self._plot, 1)
        self.deleteLater()

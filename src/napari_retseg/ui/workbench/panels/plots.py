"""The plots of a training, drawn by pyqtgraph: scores, loss and learning rate below each other.

Only `curves_plot` imports this, when the curves are first shown.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QPoint, Qt, Signal
from qtpy.QtGui import QMouseEvent, QResizeEvent, QWheelEvent

from napari_retseg.classes import LabelSet
from napari_retseg.rounds import Curves, Measure
from napari_retseg.rounds.curves import Points
from napari_retseg.ui.widgets.theme import Look, make_look
from napari_retseg.ui.workbench.panels.measures import MEAN, MEASURES

_AXIS_WIDTH = 54
#: Of the plots' heights: scores, loss, learning rate.
_STRETCH = (5, 3, 2)
#: In less height the learning rate gives its room to the scores.
_LOW = 300
#: To Qt.
_NO_LIMIT = 16_777_215
#: More points than there are pixels only cost time.
_MOST_POINTS = 400


class PlotView(pg.GraphicsLayoutWidget):  # type: ignore[misc]
    """The canvas: the wheel scrolls the dock instead, and the pointer asks for numbers."""

    pointed = Signal(float, QPoint)
    height_changed = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.scores: pg.PlotItem | None = None

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Tell how much height there is."""
        super().resizeEvent(event)
        self.height_changed.emit(self.height())

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 - Qt's name
        """Leave the wheel to the dock."""
        event.ignore()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Tell which iteration is below the pointer."""
        super().mouseMoveEvent(event)
        if self.scores is None:
            return
        box = self.scores.getViewBox()
        place = self.mapToScene(event.position().toPoint())
        if box.sceneBoundingRect().contains(place):
            where = event.globalPosition().toPoint()
            self.pointed.emit(float(box.mapSceneToView(place).x()), where)


class RateAxis(pg.AxisItem):  # type: ignore[misc]
    """Learning rates, short enough for the axis."""

    def tickStrings(  # noqa: N802 - pyqtgraph's name
        self, values: Sequence[float], scale: float, spacing: float
    ) -> list[str]:
        """Write 0.0005 as 5e-4."""
        del scale, spacing
        return [write_rate(value) for value in values]


def write_rate(value: float) -> str:
    """Write a learning rate with few characters: 0, 0.01, 5e-4, 2.5e-6."""
    if value == 0 or abs(value) >= 1e-2:
        return f"{value:.2g}"
    digits, _, exponent = f"{value:.1e}".partition("e")
    return f"{digits.removesuffix('.0')}e{int(exponent)}"


class Plots:
    """Three plots over the same iterations.

    Parameters
    ----------
    classes
        Give the curves of the scores their names and colours.
    """

    def __init__(self, classes: LabelSet) -> None:
        self.view = PlotView()
        self._look = make_look("#ffffff", "#000000")
        self.scores, self.loss, self.rate = (self._add_plot(row) for row in range(3))
        self.view.scores = self.scores
        self.scores.setLimits(yMin=0, yMax=1.02)
        self.loss.setLabel("left", "loss")
        self.rate.setLabel("left", "rate")
        self.rate.setLabel("bottom", "iteration")
        self.raw_loss = self.loss.plot()
        self.smooth_loss = self.loss.plot()
        self.rate_curve = self.rate.plot()
        self.best_line = pg.InfiniteLine(angle=90)
        self.best_line.hide()
        self.scores.addItem(self.best_line, ignoreBounds=True)
        #: The last iteration of the steps and of the scores: the scores come more rarely.
        self._last = {"steps": 0.0, "scores": 0.0}
        self.curves: dict[str, pg.PlotDataItem] = {}
        self.starts: dict[str, pg.PlotDataItem] = {}
        self.set_classes(classes)
        self.view.height_changed.connect(self._share_height)
        self._share_height(self.view.height())

    def _add_plot(self, row: int) -> Any:
        axes = {"left": RateAxis("left")} if row == len(_STRETCH) - 1 else None
        plot = self.view.addPlot(row=row, col=0, axisItems=axes)
        plot.setMenuEnabled(False)
        # the menu belongs to nobody otherwise, and outlives the plot
        plot.ctrlMenu.setParent(self.view, Qt.WindowType.Popup)
        plot.setMouseEnabled(x=False, y=False)
        plot.hideButtons()
        # grids take as long to draw as the curves: only where values are read
        plot.showGrid(x=False, y=row == 0, alpha=0.15)
        plot.getAxis("left").setWidth(_AXIS_WIDTH)
        for side in ("left", "bottom"):
            plot.getAxis(side).enableAutoSIPrefix(False)
        if row < len(_STRETCH) - 1:
            plot.getAxis("bottom").setStyle(showValues=False)
        if row:
            plot.setXLink(self.view.getItem(0, 0))
        self.view.ci.layout.setRowStretchFactor(row, _STRETCH[row])
        return plot

    def _share_height(self, height: int) -> None:
        """Show the learning rate only where the other two have enough height beside it."""
        is_low = height < _LOW
        self.rate.setVisible(not is_low)
        # one that is only hidden keeps its height
        self.rate.setMaximumHeight(0 if is_low else _NO_LIMIT)
        self.view.ci.layout.setRowStretchFactor(2, 0 if is_low else _STRETCH[2])
        self.loss.getAxis("bottom").setStyle(showValues=is_low)

    def set_classes(self, classes: LabelSet) -> None:
        """Make a curve and a dashed line for each class."""
        for item in (*self.curves.values(), *self.starts.values()):
            self.scores.removeItem(item)
        self._colors = {c.name: c.color for c in classes.foreground}
        # the mean last, above the others
        names = [*self._colors, MEAN]
        self.starts = {name: self.scores.plot(antialias=True) for name in names}
        self.curves = {name: self.scores.plot(antialias=True, connect="finite") for name in names}
        self.set_look(self._look)

    def set_look(self, look: Look) -> None:
        """Take the colours of a theme."""
        self._look = look
        self.view.setBackground(look.background)
        for plot in (self.scores, self.loss, self.rate):
            for side in ("left", "bottom"):
                axis = plot.getAxis(side)
                axis.setPen(look.line)
                axis.setTextPen(look.faint)
        self.raw_loss.setPen(pg.mkPen(look.line, width=1))
        self.smooth_loss.setPen(pg.mkPen(look.accent, width=2))
        self.rate_curve.setPen(pg.mkPen(look.faint, width=1))
        self.best_line.setPen(pg.mkPen(look.faint, style=Qt.PenStyle.DotLine))
        for name, curve in self.curves.items():
            color = look.mark(self._colors[name]) if name in self._colors else look.text
            width = 1.5 if name in self._colors else 2.5
            curve.setPen(pg.mkPen(color, width=width))
            curve.setSymbol("o")
            curve.setSymbolSize(4 if name in self._colors else 6)
            curve.setSymbolPen(None)
            curve.setSymbolBrush(color)
            self.starts[name].setPen(pg.mkPen(color, width=1, style=Qt.PenStyle.DashLine))

    def draw_steps(self, curves: Curves) -> None:
        """Draw loss and learning rate."""
        iterations = curves.iterations
        self._reach("steps", iterations)
        x = _thin(iterations)
        self.raw_loss.setData(x, _thin(curves.losses))
        self.smooth_loss.setData(x, _thin(curves.smoothed_losses))
        self.rate_curve.setData(x, _thin(curves.learning_rates))

    def draw_scores(self, curves: Curves, measure: Measure, *, hidden: Collection[str]) -> None:
        """Draw the classes' scores but the hidden ones, and the starting model's as dashes."""
        self.scores.setLabel("left", MEASURES[measure])
        x = curves.scored_iterations
        last = self._reach("scores", x)
        for name, item in self.curves.items():
            key = None if name == MEAN else name
            values, start = curves.scores_of(key, measure), curves.start_score(key, measure)
            # pyqtgraph warns of curves without any value
            is_drawn = name not in hidden and np.isfinite(values).any()
            item.setData(*((x, values) if is_drawn else ([], [])))
            is_dashed = start is not None and name not in hidden
            self.starts[name].setData(
                *(([0.0, max(last, 1.0)], [start] * 2) if is_dashed else ([], []))
            )
        best = curves.best_iteration
        self.best_line.setVisible(best is not None)
        if best is not None:
            self.best_line.setValue(best)

    def _reach(self, what: str, iterations: Points) -> float:
        """Have the axis go to the last iteration of what is drawn, and return it.

        The plots share the axis of the first one, which would follow the scores alone.
        """
        self._last[what] = float(iterations[-1]) if iterations.size else 0.0
        self.scores.setXRange(0.0, max(1.0, *self._last.values()), padding=0.02)
        return self._last[what]


def _thin(values: Points) -> Points:
    """Take evenly spaced values, the last one included."""
    stride = -(-len(values) // _MOST_POINTS) or 1
    first = (len(values) - 1) % stride if len(values) else 0
    return values[first::stride]

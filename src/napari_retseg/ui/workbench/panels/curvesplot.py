"""Curves of a training: loss and learning rate, and the scores of each class."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from qtpy.QtCore import QEvent, QPoint, QSize, Qt, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QPushButton,
    QStackedLayout,
    QToolButton,
    QToolTip,
    QVBoxLayout,
    QWidget,
)
from superqt import QFlowLayout

from napari_retseg.classes import LabelSet
from napari_retseg.ui.plain import PlainLabel, make_caption, make_text, make_tip
from napari_retseg.ui.widgets.theme import (
    GAP,
    TIGHT,
    make_swatch,
    read_look,
)
from napari_retseg.ui.workbench.panels.series import MEAN, ScoreCurve, StepCurve, Values

if TYPE_CHECKING:
    from napari_retseg.ui.workbench.panels.plots import Plots

Measure = Literal["dice", "iou"]
MEASURES: tuple[Measure, ...] = ("dice", "iou")
_WORDS: dict[Measure, str] = {"dice": "Dice", "iou": "IoU"}
_HEIGHT = 300


class CurvesPlot(QWidget):
    """Two plots below each other, and a legend whose names show and hide a class.

    What is set before the widget is first shown is drawn then; only that loads pyqtgraph.
    """

    measure_changed = Signal(str)

    def __init__(self, classes: LabelSet, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._classes = classes
        self._steps = StepCurve()
        self._scores: dict[Measure, ScoreCurve] = {measure: ScoreCurve() for measure in MEASURES}
        self._best: int | None = None
        self._plots: Plots | None = None
        self.measure: Measure = "dice"
        self.hidden: set[str] = set()
        self.summary = make_text()
        self.empty = make_text("The curves appear here when a training runs.")
        self._make_switch()
        self._make_legend()
        self._lay_out()

    def _make_switch(self) -> None:
        self.switch = QButtonGroup(self)
        self.measure_buttons: dict[Measure, QPushButton] = {}
        for measure in MEASURES:
            button = QPushButton(make_caption(_WORDS[measure]))
            button.setCheckable(True)
            button.setChecked(measure == self.measure)
            button.setToolTip(make_tip(f"{_WORDS[measure]} of each class on the held-out scans"))
            button.clicked.connect(lambda _=False, m=measure: self.set_measure(m))
            self.switch.addButton(button)
            self.measure_buttons[measure] = button

    def _make_legend(self) -> None:
        self.legend = QWidget()
        self.legend_flow = QFlowLayout(self.legend)
        self.legend_flow.setContentsMargins(0, 0, 0, 0)
        self.legend_flow.setHorizontalSpacing(TIGHT)
        self.legend_flow.setVerticalSpacing(TIGHT)
        self.legend_buttons: dict[str, QToolButton] = {}
        self._fill_legend()

    def _lay_out(self) -> None:
        switch = QHBoxLayout()
        switch.setSpacing(TIGHT)
        switch.addWidget(PlainLabel("Held-out scores"))
        switch.addStretch(1)
        for button in self.measure_buttons.values():
            switch.addWidget(button)
        self.canvas = QWidget()
        self.canvas.setMinimumHeight(_HEIGHT)
        self.stack = QStackedLayout(self.canvas)
        self.stack.setContentsMargins(0, 0, 0, 0)
        self.stack.addWidget(self.empty)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        column.addLayout(switch)
        column.addWidget(self.canvas, 1)
        column.addWidget(self.legend)
        column.addWidget(self.summary)

    def set_classes(self, classes: LabelSet) -> None:
        """Show other classes, and nothing of the former ones."""
        self._classes = classes
        self.hidden.clear()
        self._fill_legend()
        if self._plots is not None:
            self._plots.set_classes(classes)
        self.clear()

    def clear(self) -> None:
        """Show nothing."""
        self._steps = StepCurve()
        self._scores = {measure: ScoreCurve() for measure in MEASURES}
        self._best = None
        self._draw_steps()
        self._draw_scores()

    def set_steps(self, curve: StepCurve) -> None:
        """Show loss and learning rate."""
        self._steps = curve
        self._draw_steps()

    def set_scores(
        self, *, dice: ScoreCurve, iou: ScoreCurve, best_iteration: int | None = None
    ) -> None:
        """Show the scores on the held-out scans, and mark which iteration's weights are kept."""
        self._scores = {"dice": dice, "iou": iou}
        self._best = best_iteration
        self._draw_scores()

    def set_measure(self, measure: Measure) -> None:
        """Choose which score shows."""
        if measure != self.measure:
            self.measure = measure
            self.measure_buttons[measure].setChecked(True)
            self._draw_scores()
            self.measure_changed.emit(measure)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Fit for a dock."""
        return QSize(300, _HEIGHT + 110)

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802 - Qt's name
        """Make the plots when they are first seen."""
        super().showEvent(event)
        if self._plots is None:
            from napari_retseg.ui.workbench.panels.plots import Plots

            self._plots = Plots(self._classes)
            self._plots.view.pointed.connect(self._on_view_pointed)
            self.stack.addWidget(self._plots.view)
            self._recolor()
            self._draw_steps()
            self._draw_scores()

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802 - Qt's name
        """Follow a change of the theme."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange:
            self._recolor()

    def _fill_legend(self) -> None:
        while self.legend_flow.count():
            item = self.legend_flow.takeAt(0)
            widget = None if item is None else item.widget()
            if widget is not None:
                # taken out at once: a widget that waits for its deletion still shows
                widget.setParent(None)
                widget.deleteLater()
        self.legend_buttons = {}
        for name in (MEAN, *(c.name for c in self._classes.foreground)):
            button = QToolButton()
            button.setText(make_caption(name))
            button.setCheckable(True)
            button.setChecked(True)
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            button.setToolTip(make_tip(f"Show or hide {name}"))
            button.toggled.connect(lambda is_shown, n=name: self._on_legend_toggled(n, is_shown))
            self.legend_buttons[name] = button
            self.legend_flow.addWidget(button)
        self._color_legend()

    def _on_legend_toggled(self, name: str, is_shown: bool) -> None:
        if is_shown:
            self.hidden.discard(name)
        else:
            self.hidden.add(name)
        self._color_legend()
        self._draw_scores()

    def _recolor(self) -> None:
        look = read_look(self)
        self.legend.setStyleSheet(_LEGEND_SHEET.format(text=look.text, faint=look.faint))
        self._color_legend()
        if self._plots is not None:
            self._plots.set_look(look)

    def _color_legend(self) -> None:
        look = read_look(self)
        colors = {c.name: c.color for c in self._classes.foreground}
        for name, button in self.legend_buttons.items():
            color = colors.get(name, look.text)
            is_shown = name not in self.hidden
            button.setIcon(make_swatch(color if is_shown else look.background, look.faint))

    def _draw_steps(self) -> None:
        if self._plots is not None:
            self._plots.draw_steps(self._steps)
        self._show_either()

    def _draw_scores(self) -> None:
        curve = self._scores[self.measure]
        self.summary.setText(_describe_scores(curve, self._best, _WORDS[self.measure]))
        self.summary.setVisible(bool(self.summary.text()))
        if self._plots is not None:
            self._plots.draw_scores(
                curve, title=_WORDS[self.measure], hidden=self.hidden, best=self._best
            )
        self._show_either()

    def _show_either(self) -> None:
        """Show the plots, or while there is nothing to plot the words that say so."""
        is_empty = not (len(self._steps.iterations) or len(self._scores[self.measure].iterations))
        if self._plots is None or is_empty:
            self.stack.setCurrentWidget(self.empty)
        else:
            self.stack.setCurrentWidget(self._plots.view)

    def _on_view_pointed(self, iteration: float, where: QPoint) -> None:
        text = describe_point(self._scores[self.measure], iteration, hidden=self.hidden)
        QToolTip.showText(where, make_tip(text), self)


#: A flat button is a name in a legend; one that is switched off is faint.
_LEGEND_SHEET = (
    "QToolButton {{ background: transparent; border: 0; padding: 1px 2px; color: {faint}; "
    "}}QToolButton:checked {{ color: {text}; }}QToolButton:focus {{ text-decoration: underline; }}"
)


def describe_point(curve: ScoreCurve, iteration: float, *, hidden: set[str] | None = None) -> str:
    """Say the scores at the scored iteration that is nearest to a place, in a line each."""
    if not len(curve.iterations):
        return ""
    iterations = [value or 0 for value in curve.iterations]
    at = min(range(len(iterations)), key=lambda k: abs(iterations[k] - iteration))
    lines = [f"Iteration {iterations[at]:g}"]
    rows: list[tuple[str, Values, float | None]] = [(MEAN, curve.mean, curve.start_mean)]
    rows += [(name, values, curve.start.get(name)) for name, values in curve.classes.items()]
    for name, values, before in rows:
        if name in (hidden or ()) or at >= len(values):
            continue
        old = "" if before is None else f" (before {_number(before)})"
        lines.append(f"{name}: {_number(values[at])}{old}")
    return "\n".join(lines)


def _describe_scores(curve: ScoreCurve, best: int | None, title: str) -> str:
    """Say the best and the starting scores, and what the dashed lines are."""
    parts = []
    iterations = list(curve.iterations)
    if best is not None and best in iterations:
        value = curve.mean[iterations.index(best)]
        parts.append(f"Best so far: mean {title} {_number(value)} at iteration {best}.")
    if curve.start_mean is not None:
        parts.append(f"Dashed: starting model ({_number(curve.start_mean)}).")
    return " ".join(parts)


def _number(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.3f}"

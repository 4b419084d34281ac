"""Curves of a training: loss and learning rate, and the scores of each class."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPoint, QSize, Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QButtonGroup,
    QPushButton,
    QSizePolicy,
    QStackedLayout,
    QToolButton,
    QToolTip,
    QWidget,
)
from superqt import QFlowLayout

from napari_retseg.classes import LabelSet
from napari_retseg.rounds import Curves, Measure
from napari_retseg.ui.plain import PlainLabel, make_caption, make_text, make_tip
from napari_retseg.ui.widgets.pieces import lay_out_column, make_button, make_row, show_text
from napari_retseg.ui.widgets.theme import (
    TIGHT,
    ThemedWidget,
    make_swatch,
    read_look,
)
from napari_retseg.ui.workbench.panels.measures import MEAN, MEASURES

if TYPE_CHECKING:
    from napari_retseg.ui.workbench.panels.plots import Plots

#: Lower, the curves could not be told apart.
_HEIGHT = 200


class CurvesPlot(ThemedWidget):
    """Two plots below each other, and a legend whose names show and hide a class.

    What is set before the widget is first shown is drawn then; only that loads pyqtgraph.
    """

    def __init__(self, classes: LabelSet) -> None:
        super().__init__()
        self.theme_changed.connect(self.follow_theme)
        self._classes = classes
        self._steps = self._scores = Curves()
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
        for measure, word in MEASURES.items():
            button = make_button(word, f"{word} of each class on the held-out scans")
            button.setCheckable(True)
            button.setChecked(measure == self.measure)
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
        self.larger_button = make_button("Larger…", "Show the curves in a window of their own")
        buttons = (*self.measure_buttons.values(), self.larger_button)
        switch = make_row(PlainLabel("Held-out"), None, *buttons, spacing=TIGHT)
        self.canvas = _Canvas()
        self.stack = QStackedLayout(self.canvas)
        self.stack.setContentsMargins(0, 0, 0, 0)
        self.stack.addWidget(self.empty)
        column = lay_out_column(self, switch, self.canvas, self.legend, self.summary)
        column.setStretchFactor(self.canvas, 1)

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
        self._steps = self._scores = Curves()
        self._draw_steps()
        self._draw_scores()

    def show_steps(self, curves: Curves) -> None:
        """Show loss and learning rate of a training, which is not changed any more."""
        self._steps = curves
        self._draw_steps()

    def show_scores(self, curves: Curves) -> None:
        """Show its scores on the held-out scans, and which iteration's weights are kept."""
        self._scores = curves
        self._draw_scores()

    def set_measure(self, measure: Measure) -> None:
        """Choose which score shows."""
        if measure != self.measure:
            self.measure = measure
            self.measure_buttons[measure].setChecked(True)
            self._draw_scores()

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
            self.follow_theme()
            self._draw_steps()
            self._draw_scores()

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

    def follow_theme(self) -> None:
        """Colour legend and plots."""
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
        show_text(self.summary, _describe_scores(self._scores, self.measure))
        if self._plots is not None:
            self._plots.draw_scores(self._scores, self.measure, hidden=self.hidden)
        self._show_either()

    def _show_either(self) -> None:
        """Show the plots, or while there is nothing to plot the words that say so."""
        is_empty = not (self._steps.iterations.size or self._scores.scored_iterations.size)
        if self._plots is None or is_empty:
            self.stack.setCurrentWidget(self.empty)
        else:
            self.stack.setCurrentWidget(self._plots.view)

    def _on_view_pointed(self, iteration: float, where: QPoint) -> None:
        text = describe_point(self._scores, self.measure, iteration, hidden=self.hidden)
        QToolTip.showText(where, make_tip(text), self)


class _Canvas(QWidget):
    """As high as there is room: what pyqtgraph would like to have is more than a small screen."""

    def __init__(self) -> None:
        super().__init__()
        self.setMinimumHeight(_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """No more than is needed."""
        return QSize(300, _HEIGHT)


#: A flat button is a name in a legend; one that is switched off is faint.
_LEGEND_SHEET = (
    "QToolButton {{ background: transparent; border: 0; padding: 1px 2px; color: {faint}; "
    "}}QToolButton:checked {{ color: {text}; }}QToolButton:focus {{ text-decoration: underline; }}"
)


def describe_point(
    curves: Curves, measure: Measure, iteration: float, *, hidden: Collection[str] = ()
) -> str:
    """Say the scores at the scored iteration that is nearest to a place, in a line each."""
    iterations = curves.scored_iterations
    if not iterations.size:
        return ""
    at = int(np.abs(iterations - iteration).argmin())
    lines = [f"Iteration {iterations[at]:g}"]
    for name in (None, *curves.class_names):
        shown = name or MEAN
        if shown not in hidden:
            before = curves.start_score(name, measure)
            old = "" if before is None else f" (before {_number(before)})"
            lines.append(f"{shown}: {_number(curves.scores_of(name, measure)[at])}{old}")
    return "\n".join(lines)


def _describe_scores(curves: Curves, measure: Measure) -> str:
    """Say the best and the starting scores, and what the dashed lines are."""
    parts = []
    best, start = curves.best_iteration, curves.start_score(None, measure)
    if best is not None:
        value = curves.scores_of(None, measure)[curves.scored_iterations == best][0]
        parts.append(f"Best so far: mean {MEASURES[measure]} {_number(value)} at iteration {best}.")
    if start is not None:
        parts.append(f"Dashed: starting model ({_number(start)}).")
    return " ".join(parts)


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"

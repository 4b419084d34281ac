"""The curves: what is drawn of a training, and what the legend shows and hides."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QToolTip, QWidget

from napari_retseg.classes import LabelSet
from napari_retseg.events import Scored, StepDone
from napari_retseg.rounds import Curves
from napari_retseg.ui.widgets.theme import read_look
from napari_retseg.ui.workbench.panels.curves_plot import (
    CurvesPlot,
    describe_point,
)
from napari_retseg.ui.workbench.panels.plots import Plots, write_rate
from tests.ui import mouse

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

Theme = Callable[[QWidget, str], None]

LEFT = Qt.MouseButton.LeftButton
CLASSES = LabelSet.from_names(["NFL", "INL", "fluid"])
#: Dice of three classes and their mean, of the starting model and at two iterations.
SCORED = {0: [0.5, 0.4, None, 0.45], 100: [0.7, 0.6, None, 0.65], 200: [0.8, 0.7, None, 0.75]}


def make_curves(
    n_steps: int = 0, scored: Mapping[int, Sequence[float | None]] | None = None
) -> Curves:
    """Record a training: losses of 1 / iteration, and scores whose IoU is half of Dice."""
    curves = Curves()
    for k in range(1, n_steps + 1):
        curves.take(StepDone(k, loss=1 / k, learning_rate=k / 1000, position=0.5, seconds=0.1))
    for iteration, dice in (scored or {}).items():
        *classes, mean = [{"dice": d, "iou": None if d is None else d / 2} for d in dice]
        scores = {"background": {}, **dict(zip(CLASSES.names[1:], classes, strict=True))}
        found = {"classes": scores, **{f"mean_foreground_{m}": v for m, v in mean.items()}}
        curves.take(Scored(iteration, found, is_best=iteration == 200))
    return curves


STEPS, SCORES = make_curves(3), make_curves(0, SCORED)


@pytest.fixture
def plot(qtbot: QtBot) -> CurvesPlot:
    plot = CurvesPlot(CLASSES)
    qtbot.addWidget(plot)
    plot.resize(300, 480)
    plot.show()
    return plot


def drawn(plot: CurvesPlot) -> Plots:
    assert plot._plots is not None
    return plot._plots


def points(item: object) -> tuple[list[float], list[float]]:
    x, y = item.getData()  # type: ignore[attr-defined]
    return ([], []) if x is None else (list(x), list(y))


def test_pyqtgraph_is_loaded_by_the_first_show_only() -> None:
    code = (
        "import sys; from qtpy.QtWidgets import QApplication; application = QApplication([]);"
        "from napari_retseg.classes import RETINA;"
        "from napari_retseg.ui.workbench.panels.curves_plot import CurvesPlot;"
        "plot = CurvesPlot(RETINA);"
        "print('pyqtgraph' in sys.modules); plot.show(); print('pyqtgraph' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split() == ["False", "True"]


def test_before_a_training_words_stand_for_the_plots(plot: CurvesPlot) -> None:
    assert plot.empty.isVisible()
    plot.show_steps(STEPS)
    assert not plot.empty.isVisible()
    assert drawn(plot).view.isVisible()
    plot.clear()
    assert plot.empty.isVisible()


def test_steps_are_drawn(plot: CurvesPlot) -> None:
    plot.show_steps(STEPS)
    assert points(drawn(plot).raw_loss) == ([1, 2, 3], [1.0, 0.5, 1 / 3])
    assert points(drawn(plot).smooth_loss) == ([1, 2, 3], list(STEPS.smoothed_losses))
    assert points(drawn(plot).rate_curve) == ([1, 2, 3], [0.001, 0.002, 0.003])


def test_the_axis_reaches_the_last_step_before_any_score(plot: CurvesPlot) -> None:
    plot.show_scores(make_curves(0, {0: SCORED[0]}))
    for last in (3, 22, 140):
        plot.show_steps(make_curves(last))
        for one in (drawn(plot).scores, drawn(plot).loss, drawn(plot).rate):
            left, right = one.viewRange()[0]
            assert left <= 1
            assert last <= right <= 1.1 * last + 1
    plot.clear()
    assert drawn(plot).scores.viewRange()[0][1] < 2


def test_what_is_set_before_the_first_show_is_drawn_then(qtbot: QtBot) -> None:
    plot = CurvesPlot(CLASSES)
    qtbot.addWidget(plot)
    plot.show_steps(STEPS)
    plot.show_scores(SCORES)
    plot.show()
    assert points(drawn(plot).raw_loss)[0] == [1, 2, 3]
    assert points(drawn(plot).curves["NFL"]) == ([100, 200], [0.7, 0.8])


def test_scores_of_classes_their_mean_and_the_old_model_are_drawn(plot: CurvesPlot) -> None:
    plot.show_scores(SCORES)
    curves, starts = drawn(plot).curves, drawn(plot).starts
    assert points(curves["INL"]) == ([100, 200], [0.6, 0.7])
    assert points(curves["mean foreground"])[1] == [0.65, 0.75]
    assert points(curves["fluid"]) == ([], [])
    assert points(starts["NFL"]) == ([0, 200], [0.5, 0.5])
    assert starts["NFL"].opts["pen"].style() == Qt.PenStyle.DashLine
    assert points(starts["fluid"]) == ([], [])
    assert drawn(plot).best_line.isVisible()
    assert drawn(plot).best_line.value() == 200
    assert plot.summary.text() == (
        "Best so far: mean Dice 0.750 at iteration 200. Dashed: starting model (0.450)."
    )


def test_a_class_that_is_absent_at_times_has_a_gap(plot: CurvesPlot) -> None:
    rows = {100 * k: [0.5, 0.5, fluid, 0.5] for k, fluid in enumerate((0.2, None, 0.4), 1)}
    plot.show_scores(make_curves(0, rows))
    y = points(drawn(plot).curves["fluid"])[1]
    assert y[0] == 0.2
    assert np.isnan(y[1])
    plot.grab()


def test_the_switch_shows_dice_or_iou(plot: CurvesPlot, qtbot: QtBot) -> None:
    plot.show_scores(SCORES)
    qtbot.mouseClick(plot.measure_buttons["iou"], LEFT)
    assert plot.measure == "iou"
    assert points(drawn(plot).curves["NFL"])[1] == [0.35, 0.4]
    qtbot.keyClick(plot.measure_buttons["dice"], Qt.Key.Key_Space)
    assert points(drawn(plot).curves["NFL"])[1] == [0.7, 0.8]


def test_the_legend_hides_and_shows_a_class(plot: CurvesPlot, qtbot: QtBot) -> None:
    plot.show_scores(SCORES)
    assert list(plot.legend_buttons) == ["mean foreground", "NFL", "INL", "fluid"]
    qtbot.mouseClick(plot.legend_buttons["NFL"], LEFT)
    assert points(drawn(plot).curves["NFL"]) == ([], [])
    assert points(drawn(plot).starts["NFL"]) == ([], [])
    assert points(drawn(plot).curves["INL"])[0] == [100, 200]
    qtbot.keyClick(plot.legend_buttons["NFL"], Qt.Key.Key_Space)
    assert points(drawn(plot).curves["NFL"])[0] == [100, 200]


def test_other_classes_replace_curves_and_legend(plot: CurvesPlot) -> None:
    plot.show_scores(SCORES)
    plot.set_classes(LabelSet.from_names(["vessel"]))
    assert list(plot.legend_buttons) == ["mean foreground", "vessel"]
    assert list(drawn(plot).curves) == ["vessel", "mean foreground"]
    assert len(drawn(plot).scores.listDataItems()) == 4
    assert plot.empty.isVisible()


def test_pointing_reads_the_numbers(plot: CurvesPlot, qtbot: QtBot) -> None:
    text = describe_point(SCORES, "dice", 160)
    assert text.splitlines() == [
        "Iteration 200",
        "mean foreground: 0.750 (before 0.450)",
        "NFL: 0.800 (before 0.500)",
        "INL: 0.700 (before 0.400)",
        "fluid: –",
    ]
    assert "NFL" not in describe_point(SCORES, "dice", 160, hidden={"NFL"})
    assert describe_point(Curves(), "dice", 5) == ""
    plot.show_scores(SCORES)
    QApplication.processEvents()
    box = drawn(plot).scores.getViewBox()
    where = drawn(plot).view.mapFromScene(box.sceneBoundingRect().center())
    mouse.move(drawn(plot).view.viewport(), where)
    qtbot.waitUntil(lambda: QToolTip.text().startswith("Iteration 100"), timeout=3000)
    QToolTip.hideText()


def test_the_wheel_is_left_to_the_dock(plot: CurvesPlot) -> None:
    plot.show_steps(STEPS)
    view = drawn(plot).view
    before = drawn(plot).loss.viewRange()
    middle = QPointF(view.rect().center())
    event = QWheelEvent(
        middle,
        view.mapToGlobal(middle),
        QPoint(0, 0),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    view.wheelEvent(event)
    assert not event.isAccepted()
    assert drawn(plot).loss.viewRange() == before


def test_the_theme_colors_the_plots(plot: CurvesPlot, theme: Theme) -> None:
    plot.show_steps(STEPS)
    plot.show_scores(SCORES)
    seen = []
    for name in ("dark", "light"):
        theme(plot, name)
        look = read_look(plot)
        assert drawn(plot).view.backgroundBrush().color().name() == look.background
        pen = drawn(plot).curves["mean foreground"].opts["pen"]
        assert pen.color().name() == look.text
        seen.append(plot.canvas.grab().toImage().pixelColor(2, 2).name())
    assert seen == ["#23242b", "#ebe7e6"]


def test_a_long_training_is_shown_without_blocking(plot: CurvesPlot) -> None:
    n = 20_000
    curves = make_curves(n, {k: [0.5] * 4 for k in range(0, n, 100)})
    times = []
    for _ in range(15):
        began = time.process_time()
        plot.show_steps(curves)
        plot.show_scores(curves)
        times.append(time.process_time() - began)
        QApplication.processEvents()
    assert sorted(times)[len(times) // 2] < 0.02
    x = points(drawn(plot).raw_loss)[0]
    assert len(x) <= 400
    assert x[-1] == n


@pytest.mark.parametrize(
    ("rate", "text"),
    [(0, "0"), (0.01, "0.01"), (5e-4, "5e-4"), (2.5e-6, "2.5e-6"), (0.1, "0.1")],
)
def test_rates_are_written_briefly(rate: float, text: str) -> None:
    assert write_rate(rate) == text


def test_the_learning_rate_is_shown_where_there_is_height_for_it(
    plot: CurvesPlot, qtbot: QtBot
) -> None:
    plot.show_steps(make_curves(3, {}))
    for height, is_shown in ((330, False), (800, True), (330, False)):
        plot.resize(320, height)
        plots = drawn(plot)
        qtbot.waitUntil(lambda p=plots, s=is_shown: p.rate.isVisible() is s)  # type: ignore[misc]
        qtbot.wait(50)
        axis = drawn(plot).loss.getAxis("bottom")
        assert axis.style["showValues"] is not is_shown
        assert plots.scores.size().height() > plots.loss.size().height()
        bottom = (plots.rate if is_shown else plots.loss).mapRectToScene(plots.loss.rect()).bottom()
        if not is_shown:  # nothing of the height is left unused
            assert bottom > 0.9 * plots.view.height()

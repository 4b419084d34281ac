"""Curves of scores, loss and learning rate while the runs were trained."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from napari_retseg.rounds import Curves
from napari_retseg.study import drawing
from napari_retseg.study.drawing import Sheet, StudyFigure
from napari_retseg.study.results import MEAN, Combination
from napari_retseg.study.run_plan import RunSpec
from napari_retseg.study.study_run import StudyFolder

#: More bands than these hide each other.
_MOST_BANDS = 4


def draw_training(sheet: Sheet, split: str, folder: StudyFolder) -> list[StudyFigure]:
    """Curves of scores, loss and rate while the runs were trained."""
    largest = max(one.size for one in sheet.combinations)
    own = [one for one in sheet.combinations if one.split == split and one.size == largest]
    curves = {one.name: [_read(folder, r.spec) for r in one.results] for one in own}
    with_bands = len(own) <= _MOST_BANDS
    found = []
    about = f", size {largest}" if largest else ""

    def draw(axes: Axes, name: str) -> None:
        for style, (label, runs) in zip(drawing.list_line_styles(), curves.items(), strict=False):
            points: dict[int, list[float]] = {}
            for iteration, value in (point for run in runs for point in _list_scores(run, name)):
                points.setdefault(iteration, []).append(value)
            drawing.draw_means(
                axes, points, label=label, style=style, with_dots=False, with_band=with_bands
            )
        drawing.finish_score_axis(axes)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))

    if any(len(_list_scores(run, MEAN)) > 1 for runs in curves.values() for run in runs):
        found.append(
            drawing.draw_panels(
                sheet,
                f"learning {sheet.grid} {split}",
                f"{sheet.title}: scores during training ({split}{about})",
                _describe_scores(own, with_bands=with_bands),
                draw,
                x_label="iteration",
            )
        )
    return [*found, _draw_steps(sheet, split, own, folder, about)]


def _describe_scores(own: Sequence[Combination], *, with_bands: bool) -> str:
    text = (
        "Dice of each class on the validation part during training: means over folds and "
        f"seeds{' with 95 % intervals' if with_bands else ''}. Iteration 0 is the starting model."
    )
    if any(run.spec.config.operating_point for one in own for run in one.results):
        text += " Without the thresholds that are used in the tables: they are chosen later."
    return text


def _draw_steps(
    sheet: Sheet, split: str, own: Sequence[Combination], folder: StudyFolder, about: str
) -> StudyFigure:
    """Loss and learning rate of the first run of each combination."""
    with rc_context(drawing.STYLE):
        figure = Figure(figsize=(8.4, 3.0), layout="constrained")
        left, right = figure.subplots(1, 2)
        for style, one in zip(drawing.list_line_styles(), own, strict=False):
            run = _read(folder, one.results[0].spec)
            _plot(left, run.iterations, run.smoothed_losses, style, label=one.name)
            _plot(right, run.iterations, run.learning_rates, style)
        left.set_ylabel("training loss, smoothed")
        right.set_ylabel("learning rate")
        right.ticklabel_format(axis="y", style="sci", scilimits=(-2, 2))
        right.set_ylim(bottom=0)
        for axes in (left, right):
            axes.set_xlabel("iteration")
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        drawing.add_legend(figure, [left])
    return drawing.export(
        figure,
        f"loss {sheet.grid} {split}",
        f"{sheet.title}: loss and learning rate ({split}{about})",
        "Loss of the batches (exponential mean) and learning rate of the first run of each "
        "combination. Different losses cannot be compared.",
    )


def _plot(
    axes: Axes,
    iterations: ArrayLike,
    values: ArrayLike,
    style: drawing.LineStyle,
    label: str | None = None,
) -> None:
    axes.plot(
        iterations, values, color=style.color, linestyle=style.dashes, linewidth=1.4, label=label
    )


def _read(folder: StudyFolder, spec: RunSpec) -> Curves:
    """Read what a run's events tell; nothing where its training is no longer there."""
    training = folder.run(spec.key).training.path
    return Curves.read(training) if training.is_dir() else Curves()


def _list_scores(run: Curves, name: str) -> list[tuple[int, float]]:
    """Iterations and Dice of a class or the mean, from the starting model on."""
    chosen = None if name == MEAN else name
    values = zip(run.scored_iterations, run.scores_of(chosen), strict=True)
    found = [(int(iteration), float(value)) for iteration, value in values if not isnan(value)]
    start = run.start_score(chosen)
    return found if start is None else [(0, start), *found]

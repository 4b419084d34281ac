"""The figures of a study, as PNG and SVG."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from napari_retseg.study.folder import StudyFolder
from napari_retseg.study.recipe import Recipe
from napari_retseg.study.results import (
    MEAN,
    Combination,
    foreground_names,
    read_curves,
    read_steps,
)
from napari_retseg.study.statistics import estimate_mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Okabe and Ito's colours: distinct for colour-blind eyes and in print.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": "#333333",
    "axes.titlesize": 10,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "legend.frameon": False,
    "svg.fonttype": "path",
    # the same file for the same study
    "svg.hashsalt": "napari-retseg",
}
_COLUMNS = 3
_MOST_CURVES = 8
_SMOOTH = 0.9


@dataclass(frozen=True)
class StudyFigure:
    """A drawn figure: what it shows, in words, and its files' contents."""

    name: str
    title: str
    caption: str
    png: bytes
    svg: bytes


@dataclass(frozen=True)
class _Sheet:
    """What a figure is drawn from."""

    recipe: Recipe
    grid: str
    combinations: tuple[Combination, ...]

    @property
    def title(self) -> str:
        return self.recipe.grids[self.grid].title or self.grid

    @property
    def splits(self) -> list[str]:
        return list(dict.fromkeys(one.split for one in self.combinations))

    @property
    def names(self) -> list[str]:
        """The mean, where there are several classes, and the classes."""
        names = foreground_names([r for one in self.combinations for r in one.results])
        return [MEAN, *names] if len(names) > 1 else names


def draw_figures(
    recipe: Recipe, combinations: Sequence[Combination], folder: StudyFolder
) -> list[StudyFigure]:
    """Draw all figures that the finished runs allow."""
    found = []
    for grid in dict.fromkeys(one.grid for one in combinations):
        own = tuple(one for one in combinations if one.grid == grid)
        sheet = _Sheet(recipe, grid, own)
        if len({one.size for one in own}) > 1:
            found += [_draw_sizes(sheet, split) for split in sheet.splits]
            found += _draw_gains(sheet)
        else:
            found.append(_draw_levels(sheet))
        found += [f for split in sheet.splits for f in _draw_training(sheet, split, folder)]
    return found


def _draw_sizes(sheet: _Sheet, split: str) -> StudyFigure:
    """Score against size, one panel a class, one line a level."""

    def draw(axes: Axes, name: str) -> None:
        for color, (label, own) in zip(_COLORS, _by_level(sheet, split), strict=False):
            _draw_line(axes, own, name, label=label, color=color)
        _finish_score_axis(axes, f"{name} Dice")
        _mark_sizes(axes, sheet)

    unit = {"patient": "patients", "case": "cases"}[sheet.recipe.size_by]
    return _draw_panels(
        sheet,
        f"score-by-size {sheet.grid} {split}",
        f"{sheet.title}: score by number of training {unit} ({split})",
        f"Dice of each class on the scored part against the number of training {unit}. Lines are "
        "means over folds and seeds, bars 95 % intervals, dots single runs.",
        draw,
        x_label=f"training {unit}",
    )


def _draw_gains(sheet: _Sheet) -> list[StudyFigure]:
    """Difference to the reference level, run by run, against size."""
    found = []
    references = {one.factor: one.reference for one in sheet.recipe.compare}
    factor = sheet.recipe.curves
    if references.get(factor) is None:
        return []
    for split in sheet.splits:
        levels = dict(_by_level(sheet, split))
        reference = levels.pop(references[factor], None)
        if reference is None or not levels:
            continue
        base = {
            r.pair_key: {name: r.value(name, "dice") for name in sheet.names}
            for one in reference
            for r in one.results
        }

        def draw(axes: Axes, name: str, levels: Any = levels, base: Any = base) -> None:
            axes.axhline(0, color="#888888", linewidth=1)
            for color, (label, own) in zip(_COLORS, levels.items(), strict=False):
                gains = {one.size: _differences(one, name, base) for one in own}
                _draw_means(axes, gains, label=label, color=color)
            axes.set_ylabel("difference in Dice")
            _mark_sizes(axes, sheet)

        found.append(
            _draw_panels(
                sheet,
                f"gain-by-size {sheet.grid} {split}",
                f"{sheet.title}: gain over {references[factor]!r} ({split})",
                "Difference in Dice to the reference on the same cases, folds and seeds: means "
                "with 95 % intervals. Above 0 is better than the reference.",
                draw,
                x_label=f"training {sheet.recipe.size_by}s",
            )
        )
    return found


def _draw_levels(sheet: _Sheet) -> StudyFigure:
    """Score of each combination of levels, one panel a split, one row a combination."""
    names = list(dict.fromkeys(one.name for one in sheet.combinations))
    splits = sheet.splits
    height = 1.3 + 0.34 * len(names)
    label = MEAN if len(sheet.names) > 1 else sheet.names[0]
    with rc_context(_STYLE):
        figure = Figure(figsize=(3.2 + 3.6 * len(splits), height), layout="constrained")
        rows = figure.subplots(1, len(splits), sharey=True, sharex=True, squeeze=False)[0]
        for axes, split in zip(rows, splits, strict=True):
            own = [one for one in sheet.combinations if one.split == split]
            _draw_rows(axes, own, names)
            axes.set_title(split, loc="left")
            axes.set_xlabel(f"{label} Dice")
        rows[0].set_yticks(range(len(names)), names)
        rows[0].set_ylim(len(names) - 0.5, -0.5)
        _add_legend(figure, rows)
    return _export(
        figure,
        f"scores {sheet.grid}",
        sheet.title,
        f"{label} Dice on the scored part for each combination: means over folds and seeds with "
        "95 % intervals, dots are single runs. Open diamonds are published values.",
    )


def _draw_rows(axes: Axes, own: Sequence[Combination], names: Sequence[str]) -> None:
    for number, one in enumerate(own):
        place = names.index(one.name)
        values = one.values(MEAN, "dice")
        estimate = estimate_mean(values)
        if estimate is None:
            continue
        told = {"label": "mean, 95 % interval"} if number == 0 else {}
        axes.errorbar(
            estimate.mean, place, xerr=estimate.margin, fmt="o", color=_COLORS[0],
            markersize=6, capsize=3, zorder=3, **told,
        )  # fmt: skip
        if len(values) > 1:
            axes.plot(values, [place + 0.22] * len(values), ".", color="#999999", markersize=4)
        published = one.results[0].spec.published.get("dice")
        if published is not None:
            axes.plot(published, place, "D", markerfacecolor="none", color=_COLORS[1], markersize=6)
    if any("dice" in one.results[0].spec.published for one in own):
        axes.plot([], [], "D", markerfacecolor="none", color=_COLORS[1], label="published")


def _draw_training(sheet: _Sheet, split: str, folder: StudyFolder) -> list[StudyFigure]:
    """Curves of scores, loss and rate while the runs were trained."""
    largest = max(one.size for one in sheet.combinations)
    own = [one for one in sheet.combinations if one.split == split and one.size == largest]
    own = own[:_MOST_CURVES]
    curves = {one.name: [read_curves(folder, r.spec) for r in one.results] for one in own}
    found = []
    about = f" (size {largest})" if largest else ""

    def draw(axes: Axes, name: str) -> None:
        for color, (label, runs) in zip(_COLORS, curves.items(), strict=False):
            points: dict[int, list[float]] = {}
            for scored in (point for run in runs for point in run):
                value = _score_of(scored["scores"], name)
                if value is not None:
                    points.setdefault(scored["iteration"], []).append(value)
            _draw_means(axes, points, label=label, color=color, with_dots=False)
        _finish_score_axis(axes, f"{name} Dice")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))

    if max((len(run) for runs in curves.values() for run in runs), default=0) > 1:
        found.append(
            _draw_panels(
                sheet,
                f"learning {sheet.grid} {split}",
                f"{sheet.title}: scores while training ({split}{about})",
                "Dice of each class on the validation part while the networks were trained, means "
                "over folds and seeds with 95 % intervals. Iteration 0 is the starting model.",
                draw,
                x_label="iteration",
            )
        )
    return [*found, _draw_steps(sheet, split, own, folder, about)]


def _draw_steps(
    sheet: _Sheet, split: str, own: Sequence[Combination], folder: StudyFolder, about: str
) -> StudyFigure:
    """Loss and learning rate of the first run of each combination."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(8.4, 3.0), layout="constrained")
        left, right = figure.subplots(1, 2)
        for color, one in zip(_COLORS, own, strict=False):
            loss, rate = read_steps(folder, one.results[0].spec)
            left.plot(_smooth(loss), color=color, label=one.name, linewidth=1.4)
            right.plot(rate, color=color, linewidth=1.4)
        left.set_ylabel("training loss, smoothed")
        right.set_ylabel("learning rate")
        right.ticklabel_format(axis="y", style="sci", scilimits=(-2, 2))
        right.set_ylim(bottom=0)
        for axes in (left, right):
            axes.set_xlabel("iteration")
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        _add_legend(figure, [left])
    return _export(
        figure,
        f"loss {sheet.grid} {split}",
        f"{sheet.title}: loss and learning rate ({split}{about})",
        "Loss of the batches (exponential mean) and learning rate of the first run of each "
        "combination. Losses of different kinds do not compare.",
    )


def _draw_panels(
    sheet: _Sheet,
    name: str,
    title: str,
    caption: str,
    draw: Callable[[Axes, str], None],
    *,
    x_label: str,
) -> StudyFigure:
    """Draw one panel a class."""
    names = sheet.names
    columns = min(_COLUMNS, len(names))
    rows = -(-len(names) // columns)
    with rc_context(_STYLE):
        size = (max(5.2, 3.0 * columns), 0.6 + 2.4 * rows)
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
        for axes, one in zip(grid, names, strict=False):
            draw(axes, one)
            axes.set_title(one, loc="left")
        for place, axes in enumerate(grid):
            if place >= len(names):
                axes.set_visible(False)
            elif place + columns >= len(names):
                axes.set_xlabel(x_label)
                axes.tick_params(labelbottom=True)
        _add_legend(figure, grid[: len(names)])
    return _export(figure, name, title, caption)


def _draw_line(
    axes: Axes, own: Sequence[Combination], name: str, *, label: str, color: str
) -> None:
    _draw_means(axes, {one.size: one.values(name, "dice") for one in own}, label=label, color=color)


def _draw_means(
    axes: Axes,
    points: dict[int, list[float]],
    *,
    label: str,
    color: str,
    with_dots: bool = True,
) -> None:
    places = sorted(place for place, values in points.items() if values)
    estimates = [estimate_mean(points[place]) for place in places]
    means = [e.mean for e in estimates if e is not None]
    margins = [e.margin or 0.0 for e in estimates if e is not None]
    if not means:
        return
    if with_dots:
        axes.errorbar(
            places, means, yerr=margins if any(margins) else None, color=color, marker="o",
            markersize=4, linewidth=1.6, capsize=3, label=label,
        )  # fmt: skip
        for place in places:
            values = points[place]
            if len(values) > 1:
                axes.plot([place] * len(values), values, ".", color=color, alpha=0.3, markersize=5)
        return
    axes.plot(places, means, color=color, linewidth=1.6, label=label)
    if any(margins):
        low, high = np.subtract(means, margins), np.add(means, margins)
        axes.fill_between(places, low, high, color=color, alpha=0.12, linewidth=0)


def _differences(one: Combination, name: str, base: dict[Any, Any]) -> list[float]:
    found = []
    for result in one.results:
        new, old = result.value(name, "dice"), base.get(result.pair_key, {}).get(name)
        if new is not None and old is not None:
            found.append(new - old)
    return found


def _by_level(sheet: _Sheet, split: str) -> list[tuple[str, list[Combination]]]:
    """Combinations of a split by the level that colours stand for; otherwise by their name."""
    factor = sheet.recipe.curves
    groups: dict[str, list[Combination]] = {}
    for one in sheet.combinations:
        if one.split == split:
            groups.setdefault(one.level(factor) or one.name, []).append(one)
    return list(groups.items())


def _score_of(scores: dict[str, Any], name: str) -> float | None:
    if name == MEAN:
        found = scores.get("mean_foreground_dice")
    else:
        found = scores["classes"].get(name, {}).get("dice")
    return None if found is None else float(found)


def _smooth(values: Sequence[float]) -> list[float]:
    smoothed: list[float] = []
    for value in values:
        before = smoothed[-1] if smoothed else value
        smoothed.append(_SMOOTH * before + (1 - _SMOOTH) * value)
    return smoothed


def _finish_score_axis(axes: Axes, label: str) -> None:
    axes.set_ylabel("Dice")
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -0.02), min(high, 1.02))
    axes.set_label(label)


def _mark_sizes(axes: Axes, sheet: _Sheet) -> None:
    axes.set_xticks(sorted({one.size for one in sheet.combinations}))


def _add_legend(figure: Figure, panels: Sequence[Axes]) -> None:
    """One legend above all panels."""
    entries: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if entries:
        figure.legend(
            list(entries.values()), list(entries), loc="outside upper left",
            ncols=min(4, len(entries)), fontsize=8,
        )  # fmt: skip


def _export(figure: Figure, name: str, title: str, caption: str) -> StudyFigure:
    png, svg = io.BytesIO(), io.BytesIO()
    with rc_context(_STYLE):
        figure.savefig(png, format="png", dpi=160, metadata={"Software": None})
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    file_name = "".join(c if c.isalnum() else "-" for c in name.lower())
    return StudyFigure(file_name, title, caption, png.getvalue(), svg.getvalue())

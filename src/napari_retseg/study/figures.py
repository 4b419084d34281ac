"""The figures of a study, as PNG and SVG."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from napari_retseg.plaintext import first_up
from napari_retseg.study import drawing
from napari_retseg.study.drawing import Sheet, StudyFigure
from napari_retseg.study.recipe import Recipe
from napari_retseg.study.results import MEAN, Combination
from napari_retseg.study.size_axis import SizeAxis
from napari_retseg.study.statistics import estimate_mean
from napari_retseg.study.study_run import StudyFolder
from napari_retseg.study.training_figures import draw_training


def draw_figures(
    recipe: Recipe, combinations: Sequence[Combination], folder: StudyFolder
) -> list[StudyFigure]:
    """Draw all figures that the finished runs allow."""
    found = []
    for grid in dict.fromkeys(one.grid for one in combinations):
        own = tuple(one for one in combinations if one.grid == grid)
        sheet = Sheet(recipe, grid, own)
        if len({one.size for one in own}) > 1:
            found += [_draw_sizes(sheet, split) for split in sheet.splits]
            found += _draw_gains(sheet)
        elif len({one.name for one in own}) > 1:
            found.append(_draw_levels(sheet))
        else:
            found.append(_draw_classes(sheet))
        found += [f for split in sheet.splits for f in draw_training(sheet, split, folder)]
    return found


def _draw_sizes(sheet: Sheet, split: str) -> StudyFigure:
    """Score against size, one panel a class, one line a level."""
    axis = SizeAxis(one.size for one in sheet.combinations)
    levels = _by_level(sheet, split)

    def draw(axes: Axes, name: str) -> None:
        _draw_lines(axes, axis, levels, lambda one: one.values(name, "dice"))
        drawing.finish_score_axis(axes)

    unit = {"patient": "patients", "case": "cases"}[sheet.recipe.size_by]
    return drawing.draw_panels(
        sheet,
        f"score-by-size {sheet.grid} {split}",
        f"{sheet.title}: Dice by number of training {unit} ({split})",
        f"Dice of each class on the scored part by number of training {unit}. Lines: means over "
        "folds and seeds. Bars: 95 % intervals. Dots: single runs.",
        draw,
        x_label=f"training {unit}",
    )


def _draw_gains(sheet: Sheet) -> list[StudyFigure]:
    """Difference to the reference level, run by run, against size."""
    found = []
    references = {one.factor: one.reference for one in sheet.recipe.compare}
    factor = sheet.recipe.curves
    if references.get(factor) is None:
        return []
    axis = SizeAxis(one.size for one in sheet.combinations)
    for split in sheet.splits:
        levels = _by_level(sheet, split)
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
            _draw_lines(axes, axis, levels, lambda own: _differences(own, name, base))
            axes.set_ylabel("difference in Dice")

        found.append(
            drawing.draw_panels(
                sheet,
                f"gain-by-size {sheet.grid} {split}",
                f"{sheet.title}: gain over {references[factor]!r} ({split})",
                "Difference in Dice to the reference on the same cases, folds and seeds: means "
                "with 95 % intervals. Above 0: better than the reference.",
                draw,
                x_label=f"training {sheet.recipe.size_by}s",
            )
        )
    return found


def _draw_lines(
    axes: Axes,
    axis: SizeAxis,
    levels: Mapping[str, Sequence[Combination]],
    read: Callable[[Combination], list[float]],
) -> None:
    """Draw a line for each level: what is read of its combinations, against their sizes."""
    for number, (style, (label, own)) in enumerate(
        zip(drawing.list_line_styles(), levels.items(), strict=False)
    ):
        points = {one.size: read(one) for one in own}
        beside = axis.beside(number, len(levels))
        drawing.draw_means(axes, points, label=label, style=style, beside=beside)
    axis.mark(axes)


def _draw_levels(sheet: Sheet) -> StudyFigure:
    """Score of each combination of levels, one panel a split, one row a combination."""
    names = list(dict.fromkeys(one.name for one in sheet.combinations))
    splits = sheet.splits
    height = 1.3 + 0.34 * len(names)
    label = MEAN if len(sheet.names) > 1 else sheet.names[0]
    with rc_context(drawing.STYLE):
        figure = Figure(figsize=(3.2 + 3.6 * len(splits), height), layout="constrained")
        rows = figure.subplots(1, len(splits), sharey=True, sharex=True, squeeze=False)[0]
        for axes, split in zip(rows, splits, strict=True):
            own = [one for one in sheet.combinations if one.split == split]
            _draw_rows(axes, own, names)
            axes.set_title(split, loc="left")
            axes.set_xlabel(f"{label} Dice")
        low, high = rows[0].get_xlim()
        rows[0].set_xlim(max(low, -0.02), min(high, 1.02))
        rows[0].set_yticks(range(len(names)), names)
        rows[0].set_ylim(len(names) - 0.5, -0.5)
        drawing.add_legend(figure, list(rows))
    return drawing.export(
        figure,
        f"scores {sheet.grid}",
        sheet.title,
        f"{first_up(label)} Dice on the scored part for each combination: means over folds and "
        f"seeds with 95 % intervals. Dots: single runs.{_tell_published(sheet)}",
    )


def _draw_classes(sheet: Sheet) -> StudyFigure:
    """Score of each class where there is one combination only, one colour a split."""
    names = sheet.names
    with rc_context(drawing.STYLE):
        figure = Figure(figsize=(6.8, 1.3 + 0.34 * len(names)), layout="constrained")
        axes = figure.subplots()
        for number, (style, one) in enumerate(
            zip(drawing.list_line_styles(), sheet.combinations, strict=False)
        ):
            shift = 0.22 * (number - (len(sheet.combinations) - 1) / 2)
            label: str | None = one.split
            for place, name in enumerate(names):
                at = place + shift
                if _draw_mean(axes, one.values(name, "dice"), (at, at), style.color, label):
                    label = None
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlim(-0.02, 1.02)
        axes.set_xlabel("Dice")
        drawing.add_legend(figure, [axes])
    return drawing.export(
        figure,
        f"classes {sheet.grid}",
        f"{sheet.title}: Dice of each class",
        "Dice on the scored part: means over folds and seeds with 95 % intervals. Dots: single "
        "runs.",
    )


def _draw_rows(axes: Axes, own: Sequence[Combination], names: Sequence[str]) -> None:
    for one in own:
        place = names.index(one.name)
        published = one.results[0].spec.published.get("dice")
        if published is not None:
            _draw_published(axes, [published], [place])
        _draw_mean(axes, one.values(MEAN, "dice"), (place, place + 0.22), drawing.COLORS[0])
    axes.plot([], [], "o", color=drawing.COLORS[0], label="mean, 95 % interval")
    if any("dice" in one.results[0].spec.published for one in own):
        _draw_published(axes, [], [], label="published")


def _draw_mean(
    axes: Axes, values: list[float], rows: tuple[float, float], color: str, label: str | None = None
) -> bool:
    """Draw a mean with its interval, and the single runs in a row of their own; False without."""
    estimate = estimate_mean(values)
    if estimate is None:
        return False
    axes.errorbar(
        estimate.mean, rows[0], xerr=estimate.margin, fmt="o", color=color,
        markersize=6, capsize=3, zorder=3, label=label,
    )  # fmt: skip
    if len(values) > 1:
        axes.plot(values, [rows[1]] * len(values), ".", color="#999999", markersize=4)
    return True


def _draw_published(
    axes: Axes, values: list[float], places: list[int], *, label: str | None = None
) -> None:
    axes.plot(values, places, "D", mfc="none", color=drawing.COLORS[1], markersize=7, label=label)


def _differences(one: Combination, name: str, base: dict[Any, Any]) -> list[float]:
    found = []
    for result in one.results:
        new, old = result.value(name, "dice"), base.get(result.pair_key, {}).get(name)
        if new is not None and old is not None:
            found.append(new - old)
    return found


def _by_level(sheet: Sheet, split: str) -> dict[str, list[Combination]]:
    """Combinations of a split by the level that colours stand for; otherwise by their name."""
    factor = sheet.recipe.curves
    groups: dict[str, list[Combination]] = {}
    for one in sheet.combinations:
        if one.split == split:
            groups.setdefault(one.level(factor) or one.name, []).append(one)
    return groups


def _tell_published(sheet: Sheet) -> str:
    has_published = any("dice" in one.results[0].spec.published for one in sheet.combinations)
    return " Open diamonds: published values." if has_published else ""

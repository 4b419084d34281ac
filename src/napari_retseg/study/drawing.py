"""How figures are drawn: colours, panels, means with their intervals, files."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, product
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from napari_retseg.study.recipe import Recipe
from napari_retseg.study.results import MEAN, Combination, foreground_names
from napari_retseg.study.statistics import estimate_mean

#: Okabe and Ito's colours: distinct for colour-blind eyes and in print.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
#: More lines than colours are told apart by their dashes.
_DASHES = ("-", "--", ":", "-.")
STYLE: dict[Any, Any] = {
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
    # names of classes and runs may hold dollar signs
    "text.parse_math": False,
    # the same file for the same study
    "svg.hashsalt": "napari-retseg",
}
_COLUMNS = 3
#: Letters of a legend that fit beside each other, and what a line and its gap take of them.
_LETTERS_PER_INCH = 14.5
_LEGEND_HANDLE = 9
#: What each further row of a legend makes a figure higher.
_INCHES_PER_ENTRY = 0.17
#: Curves of fewer points have marks, so that a single one can be seen.
_FEW_POINTS = 8


@dataclass(frozen=True)
class LineStyle:
    """What a line looks like: its colour, and its dashes in matplotlib's notation."""

    color: str
    dashes: str = "-"


def list_line_styles() -> Iterator[LineStyle]:
    """Styles without an end, so that no line is left out; they repeat after 32."""
    return cycle(LineStyle(color, dashes) for dashes, color in product(_DASHES, COLORS))


@dataclass(frozen=True)
class StudyFigure:
    """A drawn figure: what it shows, in words, and its files' contents."""

    name: str
    title: str
    caption: str
    png: bytes
    svg: bytes


@dataclass(frozen=True)
class Sheet:
    """What a figure is drawn from."""

    recipe: Recipe
    grid: str
    combinations: tuple[Combination, ...]

    @property
    def title(self) -> str:
        """The grid's title."""
        return self.recipe.grids[self.grid].title or self.grid

    @property
    def splits(self) -> list[str]:
        """Names of the splits, in order."""
        return list(dict.fromkeys(one.split for one in self.combinations))

    @property
    def names(self) -> list[str]:
        """The mean, where there are several classes, and the classes."""
        names = foreground_names([r for one in self.combinations for r in one.results])
        return [MEAN, *names] if len(names) > 1 else names


def draw_panels(
    sheet: Sheet,
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
    with rc_context(STYLE):
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
        add_legend(figure, list(grid[: len(names)]))
    return export(figure, name, title, caption)


def draw_means(
    axes: Axes,
    points: dict[int, list[float]],
    *,
    label: str,
    style: LineStyle,
    with_dots: bool = True,
    with_band: bool = True,
    beside: Callable[[float], float] = float,
) -> None:
    """Draw means with their intervals against a place: bars and single values, or a band.

    Parameters
    ----------
    beside
        From a place to where it is drawn, so that bars of several lines can be told apart.
    """
    places = sorted(place for place, values in points.items() if values)
    estimates = [estimate_mean(points[place]) for place in places]
    means = [e.mean for e in estimates if e is not None]
    margins = [e.margin or 0.0 for e in estimates if e is not None]
    if not means:
        return
    if with_dots:
        axes.errorbar(
            list(map(beside, places)), means, yerr=margins if any(margins) else None,
            color=style.color, linestyle=style.dashes, marker="o", markersize=4, linewidth=1.6,
            capsize=3, label=label,
        )  # fmt: skip
        for place in places:
            values = points[place]
            if len(values) > 1:
                axes.plot(
                    [beside(place)] * len(values), values, ".", color=style.color, alpha=0.3,
                    markersize=5,
                )  # fmt: skip
        return
    marker = "o" if len(places) < _FEW_POINTS else ""
    axes.plot(
        places, means, color=style.color, linestyle=style.dashes, linewidth=1.6, marker=marker,
        markersize=3, label=label,
    )  # fmt: skip
    if with_band and any(margins):
        low, high = np.subtract(means, margins), np.add(means, margins)
        axes.fill_between(places, low, high, color=style.color, alpha=0.12, linewidth=0)


def finish_score_axis(axes: Axes) -> None:
    """Name the axis, and keep intervals from stretching it beyond what Dice can be."""
    axes.set_ylabel("Dice")
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -0.02), min(high, 1.02))


def add_legend(figure: Figure, panels: Sequence[Axes]) -> None:
    """One legend above all panels, in as many columns as fit; its rows make the figure higher."""
    entries: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if not entries:
        return
    longest = max(map(len, entries)) + _LEGEND_HANDLE
    columns = max(1, int(figure.get_figwidth() * _LETTERS_PER_INCH / longest))
    columns = min(columns, len(entries))
    rows = -(-len(entries) // columns)
    figure.set_figheight(figure.get_figheight() + _INCHES_PER_ENTRY * max(0, rows - 1))
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside upper left",
        ncols=columns,
        fontsize=8,
        handlelength=2.6,
    )


def export(figure: Figure, name: str, title: str, caption: str) -> StudyFigure:
    """Write a figure as PNG and SVG; the same drawing gives the same files."""
    png, svg = io.BytesIO(), io.BytesIO()
    with rc_context(STYLE):
        figure.savefig(png, format="png", dpi=160, metadata={"Software": None})
        figure.set_layout_engine("none")  # what was laid out stays, and takes no time again
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    file_name = "".join(c if c.isalnum() else "-" for c in name.lower())
    return StudyFigure(file_name, title, caption, png.getvalue(), svg.getvalue())

"""The page of many scans: their numbers, how these are distributed, and what to look at first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from napari_retseg.measures.pictures import escape_title
from napari_retseg.measures.quantities import Measurement
from napari_retseg.measures.sectors import FEW
from napari_retseg.measures.sheet import (
    UNITS,
    format_number,
    format_value,
    list_main,
    name_main,
)
from napari_retseg.page import Cell, Page
from napari_retseg.page.figures import begin_figure, to_png
from napari_retseg.plural import count_noun

#: Modified z-scores above it are outliers (Iglewicz and Hoaglin, How to detect and handle
#: outliers, 1993): 0.6745 times the distance from the median, by the median of these distances.
_FAR = 3.5
_TO_SD = 0.6745
#: Of fewer scans nobody knows what is usual.
_FEWEST = 5
_COLUMNS = 4
_DPI = 150
_DASH = "-"

_Key = tuple[str, str, str]


@dataclass(frozen=True)
class Member:
    """A scan of a cohort.

    Attributes
    ----------
    name
        Of the scan.
    eye
        OD, OS, or None where it is unknown.
    state
        Of its labels.
    report
        Its page, from where the page of the cohort lies.
    numbers
        All that was measured.
    """

    name: str
    eye: str | None
    state: str
    report: str
    numbers: tuple[Measurement, ...]


@dataclass(frozen=True, eq=False)
class _Column:
    """One number of all scans."""

    title: str
    unit: str
    found: tuple[Measurement | None, ...]

    @property
    def values(self) -> np.ndarray:
        """NaN where a scan has none."""
        return np.array(
            [np.nan if m is None or m.value is None else m.value for m in self.found], float
        )

    def find_far(self) -> np.ndarray:
        """Return the modified z-score of each scan; NaN where it has none."""
        values = self.values
        known = values[np.isfinite(values)]
        if len(known) < _FEWEST:
            return np.full(len(values), np.nan)
        away = values - np.median(known)
        typical = float(np.median(np.abs(away[np.isfinite(away)])))
        return _TO_SD * away / typical if typical > 0 else np.full(len(values), np.nan)


def make_cohort(members: Sequence[Member], program: str) -> str:
    """Make the page of several scans: one HTML file beside the folders of the scans."""
    columns = _list_columns(members)
    page = Page(count_noun(len(members), "scan"))
    page.add_text(
        "Each line of the tables leads to the report of a scan. Eyes and visits are not told "
        "apart: several scans of one patient count several times.",
        "lead",
    )
    page.add_heading("Look at these first")
    _add_reasons(page, members, columns)
    page.add_heading("Distributions")
    if columns:
        page.add_picture(
            _draw(columns),
            "image/png",
            "Each dot is a scan. Box: the middle half of them, with the median. Red: far from the "
            "others.",
        )
    page.add_heading("All scans")
    head = [
        "scan",
        "eye",
        "labels",
        *(f"{c.title} ({c.unit})" if c.unit else c.title for c in columns),
    ]
    rows = [
        [
            Cell(one.name, link=one.report),
            Cell(one.eye or "unknown"),
            Cell(one.state),
            *(_fill(column.found[k]) for column in columns),
        ]
        for k, one in enumerate(members)
    ]
    page.add_rows("", head, rows, n_words=3)
    page.add_list(
        [
            f"*: less than {FEW:.0%} of the area is measured.",
            f"All numbers are in measures.csv. Measured with napari-retseg {program}.",
        ],
        "notes",
    )
    return page.render()


def _list_columns(members: Sequence[Member]) -> list[_Column]:
    mains = [list_main(one.numbers) for one in members]
    keys: dict[tuple[_Key, str], str] = {
        (_key(m), m.unit): name_main(m) for numbers in mains for m in numbers
    }
    every = [{(_key(m), m.unit): m for m in one.numbers} for one in members]
    return [
        _Column(title, UNITS.get(key[1], key[1]), tuple(known.get(key) for known in every))
        for key, title in keys.items()
    ]


def _key(one: Measurement) -> _Key:
    return one.measure, one.structure, one.sector


def _fill(one: Measurement | None) -> Cell:
    if one is None or one.value is None:
        return Cell(_DASH)
    return Cell(format_number(one.value, one.unit) + "*" * _is_few(one), one.value)


def _is_few(one: Measurement) -> bool:
    return one.valid is not None and one.valid < FEW


def _add_reasons(page: Page, members: Sequence[Member], columns: Sequence[_Column]) -> None:
    """Add the scans that need a look, those with most reasons first."""
    reasons = [list(_list_reasons(k, one, columns)) for k, one in enumerate(members)]
    order = sorted(range(len(members)), key=lambda k: -len(reasons[k]))
    rows = [
        [Cell(members[k].name, link=members[k].report), Cell("; ".join(reasons[k]))]
        for k in order
        if reasons[k]
    ]
    if rows:
        page.add_rows("", ["scan", "why"], rows, n_words=2)
    else:
        page.add_text("No scan stands out.")
    rule = (
        f"Far from the others: a modified z-score above {_FAR:g} (distance from the median, by "
        "the median distance)."
    )
    if len(members) < _FEWEST:
        rule = f"With fewer than {_FEWEST} scans nobody can say which numbers are unusual."
    page.add_list([rule], "notes")


def _list_reasons(place: int, one: Member, columns: Sequence[_Column]) -> Iterator[str]:
    """Say why a scan should be looked at."""
    for column in columns:
        score, found = column.find_far()[place], column.found[place]
        if found is not None and abs(score) > _FAR:
            yield f"{column.title} {format_value(found)}: far from the others"
    known = {_key(m): m for m in one.numbers}
    doubtful = known.get(("doubtful", "fovea", "scan"))
    if doubtful is not None and doubtful.value:
        yield "the fovea is doubtful"
    centre = known.get(("CST", "retina", "C0"))
    if centre is not None and _is_few(centre):
        yield f"only {centre.valid:.0%} of the central sector is measured"


def _draw(columns: Sequence[_Column]) -> bytes:
    """Draw the numbers of all scans side by side, as PNG."""
    across = min(_COLUMNS, len(columns))
    down = -(-len(columns) // across)
    figure = begin_figure(2.4 * across, 2.6 * down, dpi=_DPI, layout="constrained")
    for axes, column in zip(
        figure.subplots(down, across, squeeze=False).flat, columns, strict=False
    ):
        values, far = column.values, np.abs(column.find_far()) > _FAR
        known = np.isfinite(values)
        # dots of like values lie beside each other, the same way each time
        aside = np.random.default_rng(0).uniform(-0.12, 0.12, len(values))
        axes.boxplot(values[known], positions=[0], widths=0.5, showfliers=False)
        axes.scatter(aside[known & ~far], values[known & ~far], s=12, color="#0072B2", zorder=3)
        axes.scatter(aside[far], values[far], s=18, color="#c0392b", zorder=3)
        axes.set_title(escape_title(column.title), fontsize=9)
        axes.set(xticks=[], xlim=(-0.5, 0.5), ylabel=column.unit)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in figure.axes[len(columns) :]:
        axes.set_visible(False)
    return to_png(figure)

"""Two visits as they are shown: the maps of both and what changed, on one fundus. Knows no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from napari_retseg.measures.spans import RETINA, TO_BRUCH
from napari_retseg.measures.thickness import Map
from napari_retseg.overlay import stretch_grey
from napari_retseg.ui.workbench.control.map_picture import (
    Front,
    MapPicture,
    color,
    lay_evenly,
    list_lines,
    make_colours,
)
from napari_retseg.visits import Change
from napari_retseg.visits.front import STEP_MM
from napari_retseg.visits.pictures import LEAST_UM, lay_over
from napari_retseg.visits.rows import ChangeRow
from napari_retseg.visits.sheet import list_facts

#: Thinner, the same and thicker (ColorBrewer's RdBu).
_THINNER, _SAME, _THICKER = (33, 102, 172), (247, 247, 247), (178, 24, 43)
_FIRST = (RETINA, TO_BRUCH, "inner retina", "outer retina", "GCC")


@dataclass(frozen=True, eq=False)
class VisitPictures:
    """The maps of a span of layers: before, after, and the difference."""

    before: MapPicture
    after: MapPicture
    difference: MapPicture


def list_changed(change: Change) -> tuple[str, ...]:
    """List the spans that both visits have: the whole retina first, single layers last."""
    first = [name for name in _FIRST if name in change.maps]
    return (*first, *(name for name in change.maps if name not in _FIRST))


def list_rows(change: Change, span: str) -> dict[str, ChangeRow]:
    """Return the change of a span's mean thickness in each sector."""
    return {
        row.sector: row
        for row in change.rows
        if (row.measure, row.structure) == ("mean thickness", span)
    }


def draw_visits(change: Change, span: str, *, is_first_open: bool) -> VisitPictures:
    """Make the three maps of a span of layers.

    Parameters
    ----------
    is_first_open
        Whether the scan in the viewer is that of the first visit; its B-scans are marked.
    """
    rows = list_rows(change, span)
    both = [change.before[span], change.after[span]]
    known = np.concatenate([one[np.isfinite(one)] for one in both])
    ends = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    changed = change.maps[span]
    sizes = np.abs(changed[np.isfinite(changed)])
    most = max(LEAST_UM, float(np.quantile(sizes, 0.99)) if sizes.size else 0.0)
    fronts = [
        _make_front(change, image, title)
        for image, title in ((change.fronts[0].picture, "before"), (lay_over(change), "after"))
    ]
    lines = list_lines(change.grid if is_first_open else change.moved)

    def make(
        values: Map,
        front: Front,
        means: dict[str, str],
        colours: NDArray[np.uint8],
        limits: tuple[float, float],
    ) -> MapPicture:
        image, extent = lay_evenly(values, change.grid)
        return MapPicture(
            spans=(span,),
            span=span,
            unit="µm",
            image=color(image, colours, limits),
            extent=extent,
            colours=colours,
            least=limits[0],
            greatest=limits[1],
            lines=lines,
            front=front,
            sectors=change.sectors,
            means=means,
            facts=(),
            notes=(),
        )

    before = {name: f"{row.before:.0f}" for name, row in rows.items() if row.before is not None}
    after = {name: f"{row.after:.0f}" for name, row in rows.items() if row.after is not None}
    moved = {name: row.format_change(0) for name, row in rows.items() if row.change is not None}
    return VisitPictures(
        before=make(both[0], fronts[0], before, make_colours(), ends),
        after=make(both[1], fronts[1], after, make_colours(), ends),
        difference=make(changed, fronts[0], moved, make_change_colours(), (-most, most)),
    )


def describe(change: Change) -> str:
    """Write the numbers that are looked at first on one line."""
    return " · ".join(f"{name} {value}" for name, value in list_facts(change))


def _make_front(change: Change, picture: NDArray[np.float64], title: str) -> Front:
    left, top = change.fronts[0].origin_mm
    height, width = picture.shape
    half = STEP_MM / 2
    extent = (
        left - half,
        left - half + width * STEP_MM,
        top - half + height * STEP_MM,
        top - half,
    )
    return Front(np.asarray(stretch_grey(picture), np.uint8), extent, title)


@lru_cache(maxsize=1)
def make_change_colours() -> NDArray[np.uint8]:
    """Return the 256 colours from thinner to thicker, ``(256, 4)``."""
    at = np.linspace(-1, 1, 256)
    parts = [
        np.interp(at, (-1, 0, 1), ends) for ends in zip(_THINNER, _SAME, _THICKER, strict=True)
    ]
    return np.stack([*parts, np.full(256, 255.0)], axis=1).round().astype(np.uint8)

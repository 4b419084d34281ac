"""What the tab "Measure" shows, made beside the GUI's thread. Knows no Qt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from napari.utils.colormaps import ensure_colormap
from numpy.typing import NDArray

from napari_retseg.acquisition import NOT_RASTERS
from napari_retseg.measures import EnfaceGrid, LiveMeasures, Measurement, Sectors
from napari_retseg.measures.panels import find_front
from napari_retseg.measures.pictures import spread
from napari_retseg.measures.sheet import format_value
from napari_retseg.measures.spans import RETINA, TO_BRUCH
from napari_retseg.models.sureness import Sureness
from napari_retseg.overlay import stretch_grey

#: Left, right, bottom and top, in mm on the fundus (y down), or in A-scans and B-scans.
Extent = tuple[float, float, float, float]
_COLOURS = "turbo"
#: Spans that are offered first.
_FIRST = (RETINA, TO_BRUCH, "inner retina", "outer retina", "GCC")


@dataclass(frozen=True, eq=False)
class Front:
    """A grey picture of the fundus: ``(down, across)`` of 8 bits, where it lies, what it is."""

    image: NDArray[np.uint8]
    extent: Extent
    title: str


@dataclass(frozen=True, eq=False)
class MapPicture:
    """The measures of a scan as they are shown.

    Attributes
    ----------
    spans, span
        What can be shown, and what is.
    unit
        Of thickness, as it is written.
    image
        ``(down, across, 4)``, RGBA; None where the scan has no map.
    extent
        Where it lies.
    colours
        From the least to the greatest thickness, ``(256, 4)``, RGBA.
    least, greatest
        Thickness at the ends of the colour bar; None where nothing is measured.
    lines
        Start x, y and end x, y of each B-scan, ``(bscan, 4)``.
    front
        What lies below the map; None where its place is unknown.
    sectors
        The ETDRS grid.
    means
        Of each of its sectors, as it is written.
    facts
        Names and values of the numbers that are looked at first.
    notes
        What the user should know.
    """

    spans: tuple[str, ...]
    span: str
    unit: str
    image: NDArray[np.uint8] | None
    extent: Extent
    colours: NDArray[np.uint8]
    least: float | None
    greatest: float | None
    lines: NDArray[np.float64]
    front: Front | None
    sectors: Sectors | None
    means: dict[str, str]
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    @property
    def has_places(self) -> bool:
        """Whether it is known where its A-scans lie, so that there can be a grid."""
        return self.front is not None


def make_front(live: LiveMeasures) -> Front | None:
    """Make what lies below the map: the fundus image, or the en-face projection."""
    if live.grid is None:
        return None
    image, extent, title = find_front(live.scan, live.grid)
    return Front(np.asarray(stretch_grey(image), np.uint8), extent, title)


def list_spans(live: LiveMeasures) -> tuple[str, ...]:
    """List what can be shown: the whole retina first, single layers last."""
    first = [name for name in _FIRST if name in live.maps]
    return (*first, *(name for name in live.maps if name not in _FIRST))


def make_picture(
    live: LiveMeasures,
    span: str,
    front: Front | None,
    *,
    sureness: Sureness,
    is_by_hand: bool,
    n_open: int,
) -> MapPicture:
    """Make what is shown of measures as they are now.

    Parameters
    ----------
    span
        What was chosen; where it is not there, the first is taken.
    sureness
        Gives the numbers their intervals.
    is_by_hand
        Whether the centre of the grid was set by hand.
    n_open
        B-scans without labels or prediction.
    """
    spans = list_spans(live)
    span = span if span in spans or not spans else spans[0]
    listed = [*live.list_thickness(*{span: None, RETINA: None, TO_BRUCH: None})]
    numbers = tuple(sureness.widen_some(listed, live.scan, live.sectors))
    lesions = tuple(sureness.widen_some([*live.list_lesions()], live.scan, live.sectors))
    image, extent = _draw(live, span)
    known = np.empty(0) if not spans else live.maps[span][np.isfinite(live.maps[span])]
    notes = live.list_notes(is_by_hand=is_by_hand)
    if live.scan.n_bscans == 1:
        notes.insert(0, "one B-scan has numbers, but no map")
    if not spans:
        notes.insert(0, "no class of this scan is a retinal layer")
    if sureness.note:
        notes.append(sureness.note)
    elif any(one.low is not None for one in numbers) and sureness.intervals is not None:
        notes.append(sureness.intervals.describe())
    if n_open:
        notes.append(f"B-scans without labels and prediction: {n_open}")
    return MapPicture(
        spans=spans,
        span=span,
        unit="µm" if live.unit == "um" else live.unit,
        image=image,
        extent=extent,
        colours=make_colours(),
        least=float(known.min()) if known.size else None,
        greatest=float(known.max()) if known.size else None,
        lines=_find_lines(live),
        front=front,
        sectors=live.sectors,
        means=_list_means(numbers, span),
        facts=tuple(_list_facts(live, numbers, lesions, span)),
        notes=tuple(notes),
    )


def _list_means(numbers: tuple[Measurement, ...], span: str) -> dict[str, str]:
    return {
        one.sector: f"{one.value:.0f}"
        for one in numbers
        if (one.measure, one.structure) == ("mean thickness", span) and one.value is not None
    }


def _list_facts(
    live: LiveMeasures,
    numbers: tuple[Measurement, ...],
    lesions: tuple[Measurement, ...],
    span: str,
) -> list[tuple[str, str]]:
    known = {(m.measure, m.structure, m.sector): m for m in numbers}
    facts: dict[str, str] = {}
    shown = ""
    for name, text in ((RETINA, "CST"), (TO_BRUCH, "CST to BM")):
        central = known.get(("CST", name, "C0"))
        # where Bruch's membrane lies at the RPE, one of the two is enough
        if central is not None and (plain := format_value(replace(central, low=None))) != shown:
            facts[text], shown = format_value(central), plain
    mean = known.get(("mean thickness", span, "scan"))
    if live.sectors is None and mean is not None:
        facts[f"{span}, mean"] = format_value(mean)
    facts |= {one.structure: format_value(one) for one in lesions if one.value}
    return list(facts.items())


def _draw(live: LiveMeasures, span: str) -> tuple[NDArray[np.uint8] | None, Extent]:
    count, width = live.scan.n_bscans, live.scan.spatial_shape[-1]
    extent: Extent = (-0.5, width - 0.5, count - 0.5, -0.5)
    if span not in live.maps or count < 2 or live.scan.scan_pattern in NOT_RASTERS:
        return None, extent
    values = live.maps[span]
    if live.grid is not None:
        values, extent = lay_evenly(values, live.grid)
    known = np.isfinite(values)
    ends = (values[known].min(), values[known].max()) if known.any() else (0.0, 1.0)
    return color(values, make_colours(), (float(ends[0]), float(ends[1]))), extent


def lay_evenly(values: NDArray[np.float32], grid: EnfaceGrid) -> tuple[NDArray[np.float32], Extent]:
    """Bring a map to even pixels, and say where their outer edges lie."""
    image, (left, right, bottom, top) = spread(values, grid)
    # the ends are middles of pixels
    half = (right - left) / max(image.shape[1] - 1, 1) / 2
    return image, (left - half, right + half, bottom + half, top - half)


def color(
    values: NDArray[np.float32], colours: NDArray[np.uint8], ends: tuple[float, float]
) -> NDArray[np.uint8]:
    """Give values their colours; what is unknown is transparent.

    Parameters
    ----------
    ends
        Values of the first and of the last colour; what lies beyond has the same.
    """
    known = np.isfinite(values)
    least, greatest = ends
    scaled = (values - least) * (255 / max(greatest - least, 1e-6))
    image = colours[np.where(known, scaled, 0).clip(0, 255).round().astype(np.uint8)]
    image[~known, 3] = 0
    return image


@lru_cache(maxsize=1)
def make_colours() -> NDArray[np.uint8]:
    """Return the 256 colours from thin to thick, ``(256, 4)``."""
    colours = np.asarray(ensure_colormap(_COLOURS).map(np.linspace(0, 1, 256)))
    return np.round(colours * 255).astype(np.uint8)


def _find_lines(live: LiveMeasures) -> NDArray[np.float64]:
    if live.grid is None:
        count, width = live.scan.n_bscans, live.scan.spatial_shape[-1]
        rows = np.arange(count, dtype=np.float64)
        return np.stack([np.zeros(count), rows, np.full(count, width - 1.0), rows], axis=1)
    return list_lines(live.grid)


def list_lines(grid: EnfaceGrid) -> NDArray[np.float64]:
    """Return start x, y and end x, y of each B-scan, ``(bscan, 4)``."""
    places = grid.places_mm()
    return np.concatenate([places[:, :, 0].T, places[:, :, -1].T], axis=1)

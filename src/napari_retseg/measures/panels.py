"""The pictures of a scan's report: the B-scan through the fovea, the fundus, and the maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import LabelSet
from napari_retseg.layers.anatomy import is_lesion
from napari_retseg.measures.enface import EnfaceGrid
from napari_retseg.measures.pictures import draw_grid, escape_title, spread
from napari_retseg.measures.projection import project_slab
from napari_retseg.measures.results import Measures
from napari_retseg.measures.spans import INNER, RETINA, TO_BRUCH, is_raised
from napari_retseg.measures.thickness import find_surfaces
from napari_retseg.overlay import draw_overlay, stretch_grey
from napari_retseg.page.figures import begin_figure, to_png
from napari_retseg.scan import FUNDUS_KIND, FUNDUS_UM, OctScan

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Maps that are shown first; then the single layers.
_FIRST = (RETINA, TO_BRUCH, INNER, "outer retina", "GCC")
_MOST_MAPS = 5
_DPI = 170
_WIDTH_INCH = 7.5
#: Width of a picture of the fundus, its greatest height, and the room for its title.
_PANEL_INCH, _TALLEST_INCH, _TITLE_INCH = 2.05, 1.55, 0.16
#: Rows that are shown above and below the retina.
_MARGIN_PX = 40
_FONT = 6.0
_LINE = "#ffd400"


def find_central_bscan(measures: Measures, scan: OctScan) -> int:
    """Return the B-scan through the centre of the grid, or the middle one."""
    try:
        value = measures.find("B-scan", "centre of the grid").value
    except KeyError:
        value = None
    return scan.n_bscans // 2 if value is None else int(value)


def draw_bscan(
    measures: Measures,
    labels: NDArray[np.uint8],
    classes: LabelSet,
    scan: OctScan,
    bscan: int,
    *,
    height_inch: float = 1.5,
) -> bytes:
    """Draw a B-scan with its boundaries and lesions, cut to the retina, as PNG.

    Parameters
    ----------
    labels
        Class values of the scan's shape.
    """
    plane = labels.reshape(-1, *labels.shape[-2:])[bscan]
    lesions = [c.value for c in classes.foreground if is_lesion(c.name) or is_raised(c.name)]
    shown = np.where(np.isin(plane, lesions), plane, 0).astype(np.uint8)
    figure = begin_figure(_WIDTH_INCH, height_inch, dpi=_DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(draw_overlay(scan.read_bscan(bscan), shown, classes), aspect="auto")
    depth, width = plane.shape
    top, bottom = 0.0, float(depth)
    surfaces = find_surfaces(plane, classes)
    if surfaces is not None:
        rows = surfaces.rows[:, 0]
        colours = {c.name: c.color for c in classes.foreground}
        for k, row in enumerate(rows):
            name = surfaces.names[min(k, len(surfaces.names) - 1)]
            # a boundary lies between pixels
            axes.plot(row + 0.5, color=colours[name], linewidth=0.7)
        bruch = _find_bruch(measures, rows, scan, bscan)
        if bruch is not None:
            axes.plot(bruch + 0.5, color="white", linewidth=0.7, linestyle="--")
        known = rows[np.isfinite(rows)]
        if known.size:
            top = max(0.0, float(known.min()) - _MARGIN_PX)
            bottom = min(float(depth), float(known.max()) + _MARGIN_PX)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(bottom - 0.5, top - 0.5))
    axes.axis("off")
    _draw_bars(axes, scan, (top, bottom), width)
    return to_png(figure)


def _find_bruch(
    measures: Measures, rows: NDArray[np.float32], scan: OctScan, bscan: int
) -> NDArray[np.float32] | None:
    """Rows of the estimated Bruch's membrane, where it lies below the RPE."""
    axial_um = scan.spacing_um[-2]
    if TO_BRUCH not in measures.maps or axial_um is None:
        return None
    found = rows[0] + measures.maps[TO_BRUCH][bscan] / axial_um
    lies_below: NDArray[np.float32] = np.where(found > rows[-1] + 1, found, np.float32(np.nan))
    return lies_below


def _draw_bars(axes: Axes, scan: OctScan, rows: tuple[float, float], width: int) -> None:
    """Draw 200 um down and 500 um across: the picture is stretched."""
    axial_um, lateral_um = scan.spacing_um[-2:]
    if axial_um is None or lateral_um is None:
        return
    down, across = 200 / axial_um, 500 / lateral_um
    left, bottom = 0.015 * width, rows[1] - 0.06 * (rows[1] - rows[0])
    line: dict[str, Any] = {"color": "white", "linewidth": 1.2}
    axes.plot([left, left, left + across], [bottom - down, bottom, bottom], **line)
    # readable on bright layers, too
    ground = {"facecolor": (0, 0, 0, 0.55), "edgecolor": "none", "pad": 0.8}
    text: dict[str, Any] = {"color": "white", "fontsize": _FONT, "bbox": ground}
    axes.text(left + 0.005 * width, bottom - down, "200 µm", va="top", **text)
    axes.text(left + across + 0.005 * width, bottom, "500 µm", va="center", **text)


def draw_fundus(measures: Measures, scan: OctScan, bscan: int) -> bytes | None:
    """Draw the fundus image with the ETDRS grid, and thickness maps beside it, as PNG.

    Without a fundus image whose place is known, the en-face projection takes its place.

    Returns
    -------
    bytes or None
        None for a scan that has no maps.
    """
    names = choose_maps(measures)
    if measures.grid is None or not names:
        return None
    rows = 2 if len(names) > 2 else 1
    row_inch = min(_PANEL_INCH * _find_aspect(measures.grid), _TALLEST_INCH) + _TITLE_INCH
    figure = begin_figure(_WIDTH_INCH, rows * row_inch, dpi=_DPI)
    places = [_place(figure, k, rows, row_inch) for k in range(len(names) + 1)]
    _draw_front(places[0], measures, scan, measures.grid, bscan)
    for axes, name in zip(places[1:], names, strict=True):
        _draw_map(axes, measures, measures.grid, name)
    return to_png(figure)


def choose_maps(measures: Measures) -> list[str]:
    """Name the maps that a report shows."""
    return [name for name in list_spans(measures) if len(measures.maps[name]) > 1][:_MOST_MAPS]


def list_spans(measures: Measures) -> list[str]:
    """Name what has a thickness: the whole retina first, single layers last.

    The retina to an estimated Bruch's membrane is left out where it is the retina.
    """
    maps = measures.maps
    first = [name for name in _FIRST if name in maps]
    if TO_BRUCH in first and np.array_equal(maps[TO_BRUCH], maps[RETINA], equal_nan=True):
        first.remove(TO_BRUCH)
    return [*first, *(name for name in maps if name not in _FIRST)]


def _find_aspect(grid: EnfaceGrid) -> float:
    """Height of the scanned field by its width."""
    width, height = np.ptp(grid.places_mm(), axis=(1, 2))
    return float(height / width)


def _place(figure: Figure, number: int, rows: int, row_inch: float) -> Axes:
    row, column = divmod(number, 3)
    # room for half a number of the colour bar below
    height = (1 - _TITLE_INCH / row_inch) / rows - 0.01
    bottom = 1 - (row + 1) / rows + 0.015
    width = _PANEL_INCH / _WIDTH_INCH
    return figure.add_axes((column / 3 + 0.003, bottom, width, height), anchor="SW")


def _draw_front(
    axes: Axes, measures: Measures, scan: OctScan, grid: EnfaceGrid, bscan: int
) -> None:
    """Draw the fundus image where its pixel size is known, else the en-face projection."""
    image, extent, title = find_front(scan, grid)
    axes.imshow(stretch_grey(image), extent=extent, cmap="gray")
    places = grid.places_mm()
    _limit(axes, grid)
    axes.plot(*places[:, bscan, [0, -1]], color=_LINE, linewidth=0.8)
    if measures.sectors is not None:
        texts = draw_grid(axes, measures.sectors, colour=_LINE, font_size=_FONT)
        for name, text in texts.items():
            text.set_text(name)
            text.set_bbox({"facecolor": "black", "alpha": 0.5, "edgecolor": "none", "pad": 0.8})
            text.set_color("white")
    axes.set_title(title, fontsize=_FONT + 1, pad=2)


def _draw_map(axes: Axes, measures: Measures, grid: EnfaceGrid, name: str) -> None:
    values = measures.maps[name]
    image, extent = spread(values, grid)
    axes.set_facecolor("0.5")
    shown = axes.imshow(image, extent=extent, cmap="turbo", interpolation="nearest")
    _limit(axes, grid)
    unit = "µm" if measures.unit == "um" else measures.unit
    axes.set_title(f"{escape_title(name)} ({unit})", fontsize=_FONT + 1, pad=2)
    axes.apply_aspect()
    box = axes.get_position()
    bar = axes.figure.add_axes((box.x1 + 0.006, box.y0, 0.008, box.height))
    axes.figure.colorbar(shown, cax=bar)
    bar.tick_params(labelsize=_FONT - 0.5, length=1.5, pad=1)
    if measures.sectors is None:
        return
    means = measures.sectors.measure(values)
    for sector, text in draw_grid(axes, measures.sectors, font_size=_FONT).items():
        mean = means[sector].mean
        text.set_text("" if mean is None else f"{mean:.0f}")


def find_front(
    scan: OctScan, grid: EnfaceGrid
) -> tuple[NDArray[Any], tuple[float, float, float, float], str]:
    """Return the fundus image where its pixel size is known, else the en-face projection.

    Returns
    -------
    image, extent, title
        Of one channel; left, right, bottom and top in mm; what it is.
    """
    down_um, across_um = scan.metadata.get(FUNDUS_UM, (None, None))
    is_placed = bool(scan.acquisition.positions_mm) and None not in (down_um, across_um)
    if scan.fundus is not None and is_placed:
        image = scan.fundus if scan.fundus.ndim == 2 else scan.fundus[..., :3].mean(axis=-1)
        height, width = image.shape
        size = (0.0, width * across_um / 1000, height * down_um / 1000, 0.0)
        return image, size, str(scan.metadata.get(FUNDUS_KIND, "en face"))
    everything = np.full((2, *grid.shape), -1.0)
    everything[1] = scan.spatial_shape[-2]
    return *spread(project_slab(scan, *everything), grid), "en-face projection"


def _limit(axes: Axes, grid: EnfaceGrid) -> None:
    """Show the scanned field."""
    x, y = grid.places_mm()
    axes.set(xlim=(x.min(), x.max()), ylim=(y.max(), y.min()), xticks=[], yticks=[])

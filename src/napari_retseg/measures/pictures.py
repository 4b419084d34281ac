"""Maps as files: exact values as TIFF, and pictures with a colour bar."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from napari_retseg.io.atomic import write_bytes
from napari_retseg.io.file_layout import Layout
from napari_retseg.io.save import save_planes
from napari_retseg.measures.enface import SPARSE_UM, EnfaceGrid
from napari_retseg.measures.results import Measures
from napari_retseg.measures.sectors import Sectors
from napari_retseg.measures.thickness import Map
from napari_retseg.page.figures import begin_figure, to_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage
    from matplotlib.text import Text

_STEP_MM = 0.02
_MOST = 1500
_COLOURS = "turbo"
_UNMEASURED = "0.5"
_UNSAFE = re.compile(r"[^A-Za-z0-9]+")


def write_maps(measures: Measures, folder: Path) -> list[Path]:
    """Write each thickness map of a scan: values as TIFF, and a picture as PNG.

    Values are float32 in um (in pixels where the scale is unknown, and the name then ends in
    ``_px``), B-scans by A-scans as in the scan, NaN where nothing is measured.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    InputError
        Where the system refuses.
    """
    written: list[Path] = []
    stems: list[str] = []
    drawing = _Drawing(measures)
    ending = "" if measures.unit == "um" else f"_{measures.unit}"
    for name, values in measures.maps.items():
        if len(values) < 2:
            continue
        stem = name_file(name)
        stems.append(stem.casefold())
        # names that differ only in what a file name cannot have
        again = f"_{stems.count(stems[-1])}" if stems[-1] in stems[:-1] else ""
        path = folder / f"thickness_{stem}{again}{ending}.tif"
        picture = path.with_suffix(".png")
        write_tiff(path, values, measures.grid)
        write_bytes(picture, drawing.draw(values, name))
        written += [path, picture]
    return written


def name_file(name: str) -> str:
    """Return a layer's name as part of a file name."""
    return _UNSAFE.sub("-", name).strip("-") or "layer"


def write_tiff(path: Path, values: Map, grid: EnfaceGrid | None) -> None:
    """Write a map as float32 TIFF with its pixel size."""
    spacing = (None, None) if grid is None else (grid.between_um, grid.lateral_mm * 1000)
    layout = Layout(values.shape, values.dtype, ("y", "x"), spacing)
    save_planes(path, [values], layout)


def draw_map(values: Map, name: str, measures: Measures) -> bytes:
    """Draw a thickness map as PNG, as the fundus shows it, with the ETDRS grid and a colour bar.

    Between B-scans it is interpolated, and says so; a map without a grid is drawn B-scan by
    B-scan.
    """
    return _Drawing(measures).draw(values, name)


class _Drawing:
    """A figure that shows one map of a scan after the other: its axes cost most of the time."""

    def __init__(self, measures: Measures) -> None:
        self._measures = measures
        self._figure = begin_figure(7, 6, dpi=120)
        # a layout that is found by trial takes as long as the rest
        self._axes = self._figure.add_axes((0.1, 0.09, 0.7, 0.8))
        self._axes.set_facecolor(_UNMEASURED)
        self._bar = self._figure.add_axes((0.83, 0.09, 0.03, 0.8))
        self._image: AxesImage | None = None
        self._texts: dict[str, Text] = {}

    def draw(self, values: Map, name: str) -> bytes:
        """Return the picture of a map, as PNG."""
        grid = self._measures.grid
        image, extent = (values, None) if grid is None else spread(values, grid)
        if self._image is None:
            self._image = self._begin(image, extent)
        known = values[np.isfinite(values)]
        self._image.set_data(image)
        self._image.set_clim(*((known.min(), known.max()) if known.size else (0, 1)))
        self._axes.set_title(escape_title(name, _say_sparse(grid)))
        sectors = self._measures.sectors
        means = {} if sectors is None else sectors.measure(values)
        for sector, text in self._texts.items():
            mean = means[sector].mean
            text.set_text("" if mean is None else f"{sector}\n{mean:.0f}")
        return to_png(self._figure)

    def _begin(
        self, image: NDArray[np.float32], extent: tuple[float, float, float, float] | None
    ) -> AxesImage:
        """Make everything that all maps share."""
        measures = self._measures
        aspect: Any = "auto" if extent is None else "equal"
        shown = self._axes.imshow(
            image, extent=extent, aspect=aspect, cmap=_COLOURS, interpolation="nearest"
        )
        unit = "µm" if measures.unit == "um" else measures.unit
        label = f"thickness in {unit}; grey: not measured"
        self._figure.colorbar(shown, cax=self._bar, label=label)
        names = ("A-scan", "B-scan") if extent is None else ("mm", "mm")
        self._axes.set(xlabel=names[0], ylabel=names[1])
        if measures.sectors is not None:
            self._texts = draw_grid(self._axes, measures.sectors)
        return shown


def _say_sparse(grid: EnfaceGrid | None) -> str:
    if grid is None or grid.between_um <= SPARSE_UM:
        return ""
    return f"interpolated between B-scans {grid.between_um:.0f} µm apart"


def escape_title(name: str, line: str = "") -> str:
    """Return a name and a line as matplotlib shall show them."""
    # names come from files, and $ would begin a formula
    safe = name.replace("$", r"\$")
    return f"{safe}\n{line}" if line else safe


def spread(
    values: Map, grid: EnfaceGrid
) -> tuple[NDArray[np.float32], tuple[float, float, float, float]]:
    """Bring a map to an even grid in the orientation of the fundus image.

    Between B-scans it is interpolated, but for gaps; NaN outside the scan and where it is unknown.

    Returns
    -------
    image, extent
        float32; left, right, bottom and top in mm.
    """
    reading, extent = _read_evenly(grid)
    return reading.read(values), extent


@lru_cache(maxsize=2)
def _read_evenly(grid: EnfaceGrid) -> tuple[_Reading, tuple[float, float, float, float]]:
    """How the maps of a grid become pictures; a scan has several, and each edit another."""
    places = grid.places_mm()
    (left, top), (right, bottom) = (places.min(axis=(1, 2)), places.max(axis=(1, 2)))
    step = max(_STEP_MM, (right - left) / _MOST, (bottom - top) / _MOST)
    x = np.arange(left, right + step / 2, step)
    y = np.arange(top, bottom + step / 2, step)
    reading = _Reading.of(grid, np.stack(np.meshgrid(x, y)), step / 2)
    return reading, (float(x[0]), float(x[-1]), float(y[-1]), float(y[0]))


def interpolate(
    values: Map, grid: EnfaceGrid, places_mm: NDArray[np.float64], *, slack_mm: float = 0.0
) -> NDArray[np.float32]:
    """Read a map at places between its A-scans.

    Parameters
    ----------
    places_mm
        ``(2, ...)``: x and y.
    slack_mm
        How far beyond the first and the last B-scan a place may lie.

    Returns
    -------
    ndarray of float32
        NaN outside the scan, in gaps, and where the map is unknown.
    """
    return _Reading.of(grid, places_mm, slack_mm).read(values)


@dataclass(frozen=True, eq=False)
class _Reading:
    """How a map is read at some places.

    Attributes
    ----------
    weights
        Of the four A-scans around each place, ``(place, A-scan)``.
    is_outside
        Of the scan, or in a gap; of the shape of the places.
    """

    weights: csr_array
    is_outside: NDArray[np.bool_]

    @classmethod
    def of(cls, grid: EnfaceGrid, places_mm: NDArray[np.float64], slack_mm: float) -> _Reading:
        away = places_mm - grid.middles_mm[0].reshape(2, *(1,) * (places_mm.ndim - 1))
        across = np.tensordot(grid.normal, away, axes=1)
        unit = grid.step_mm / grid.lateral_mm
        along = np.tensordot(unit, away, axes=1)
        heights, begins = (
            (grid.middles_mm - grid.middles_mm[0]) @ one for one in (grid.normal, unit)
        )
        order = np.argsort(heights, kind="stable")
        bscan = np.interp(across, heights[order], np.arange(len(order), dtype=float))
        shift = np.interp(across, heights[order], begins[order])
        ascan = (along - shift) / grid.lateral_mm + (grid.width - 1) / 2
        slack = 1e-9 + slack_mm
        is_outside = (np.abs(ascan - (grid.width - 1) / 2) > grid.width / 2) | (
            (across < heights[order[0]] - slack) | (across > heights[order[-1]] + slack)
        )
        is_outside |= _is_in_gap(across, heights[order], grid.reach_mm[order])
        return cls(_weigh(bscan.ravel(), ascan.ravel(), order, grid.width), is_outside)

    def read(self, values: Map) -> NDArray[np.float32]:
        known = np.isfinite(values)
        total = self.weights @ np.where(known, values, 0).astype(np.float32).ravel()
        weight = self.weights @ known.astype(np.float32).ravel()
        with np.errstate(invalid="ignore", divide="ignore"):
            image = np.where(weight > 0.5, total / weight, np.nan).reshape(self.is_outside.shape)
        image[self.is_outside] = np.nan
        return image.astype(np.float32)


def _weigh(
    bscan: NDArray[np.float64], ascan: NDArray[np.float64], order: NDArray[np.intp], width: int
) -> csr_array:
    """Weights of linear interpolation; beyond the ends, the last one counts."""
    sides = []
    for place, count in ((bscan, len(order)), (ascan, width)):
        inside = np.clip(place, 0, count - 1)
        first = np.minimum(inside.astype(np.intp), max(count - 2, 0))
        share = inside - first
        sides.append(((first, 1 - share), (np.minimum(first + 1, count - 1), share)))
    corners = [(b, a) for b in sides[0] for a in sides[1]]
    numbers = np.stack([order[b] * width + a for (b, _), (a, _) in corners], axis=1).astype(
        np.int32
    )
    weights = np.stack([x * y for (_, x), (_, y) in corners], axis=1).astype(np.float32)
    rows = 4 * np.arange(len(bscan) + 1, dtype=np.int32)
    shape = (len(bscan), len(order) * width)
    return csr_array((weights.ravel(), numbers.ravel(), rows), shape=shape)


def _is_in_gap(
    across: NDArray[np.float64], heights: NDArray[np.float64], reach: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Whether a place lies beyond the cells of the B-scans on either side."""
    upper = np.clip(np.searchsorted(heights, across), 1, len(heights) - 1)
    above = across > heights[upper - 1] + reach[upper - 1, 1] + 1e-9
    below = across < heights[upper] - reach[upper, 0] - 1e-9
    gap: NDArray[np.bool_] = above & below
    return gap


def draw_grid(
    axes: Axes, sectors: Sectors, *, colour: str = "black", font_size: float = 8
) -> dict[str, Text]:
    """Draw the lines of the grid, and a text in each sector whose middle is in view."""
    x, y = sectors.centre_mm
    radii = [d / 2 for d in sectors.diameters_mm]
    angles = np.linspace(0, 2 * np.pi, 181)
    line: dict[str, Any] = {"color": colour, "linewidth": font_size / 8}
    limits = axes.get_xlim(), axes.get_ylim()
    for radius in radii:
        axes.plot(x + radius * np.cos(angles), y + radius * np.sin(angles), **line)
    for angle in np.pi / 4 + np.pi / 2 * np.arange(4):
        ends = np.array([radii[0], radii[-1]])
        axes.plot(x + ends * np.cos(angle), y + ends * np.sin(angle), **line)
    axes.set(xlim=limits[0], ylim=limits[1])
    box = {"facecolor": "white", "alpha": 0.6, "edgecolor": "none", "pad": 1.0}
    style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": font_size, "bbox": box}
    return {
        name: axes.text(x + right, y + down, "", **style)
        for name, (right, down) in list_middles(sectors, radii)
        if _is_within(limits, x + right, y + down)
    }


def _is_within(limits: tuple[tuple[float, float], tuple[float, float]], x: float, y: float) -> bool:
    return all(min(ends) <= one <= max(ends) for ends, one in zip(limits, (x, y), strict=True))


def list_middles(sectors: Sectors, radii: list[float]) -> Iterator[tuple[str, tuple[float, float]]]:
    """Name and middle of the nine sectors, from the centre of the grid; down is positive."""
    yield sectors.names[0], (0.0, 0.0)
    sides = ((0.0, -1.0), (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0))
    for ring in (1, 2):
        middle = (radii[ring - 1] + radii[ring]) / 2
        for k, (right, down) in enumerate(sides):
            yield sectors.names[4 * ring - 3 + k], (right * middle, down * middle)

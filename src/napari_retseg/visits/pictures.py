"""Two visits as pictures: the fundus of both, and where the thickness changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from napari_retseg.io.atomic import write_bytes
from napari_retseg.measures.enface import SPARSE_UM
from napari_retseg.measures.pictures import (
    draw_grid,
    escape_title,
    name_file,
    spread,
    write_tiff,
)
from napari_retseg.measures.spans import INNER, RETINA, TO_BRUCH
from napari_retseg.overlay import stretch_grey
from napari_retseg.page.figures import begin_figure, to_png
from napari_retseg.visits.change import Change
from napari_retseg.visits.front import STEP_MM, Front

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Red where it is thicker, blue where it is thinner.
_COLOURS = "RdBu_r"
#: A map is drawn at least to so many um of change: less would show noise in full colours.
LEAST_UM = 20.0
_FIRST = (RETINA, TO_BRUCH, INNER, "GCC", "outer retina")
_LINE = "#ffd400"
_DPI = 150


def write_changes(change: Change, folder: Path) -> list[Path]:
    """Write each difference map: values in um as TIFF, on the A-scans of the first visit, and PNG.

    Raises
    ------
    InputError
        Where the system refuses.
    """
    written: list[Path] = []
    stems: list[str] = []
    for name, values in change.maps.items():
        stems.append(name_file(name).casefold())
        again = f"_{stems.count(stems[-1])}" if stems[-1] in stems[:-1] else ""
        path = folder / f"change_{name_file(name)}{again}.tif"
        write_tiff(path, values, change.grid)
        figure = begin_figure(7, 6, dpi=_DPI)
        axes = figure.add_axes((0.1, 0.09, 0.7, 0.8))
        _draw_change(axes, change, name, font_size=8)
        axes.set(xlabel="mm", ylabel="mm")
        picture = path.with_suffix(".png")
        write_bytes(picture, to_png(figure))
        written += [path, picture]
    return written


def draw_visits(change: Change) -> bytes:
    """Draw the fundus of both visits, registered, and what changed, as PNG."""
    names = [name for name in _FIRST if name in change.maps][:4] or list(change.maps)[:4]
    rows = 1 if len(names) < 2 else 2
    figure = begin_figure(7.5, 2.45 * rows, dpi=_DPI)
    axes: Any = figure.subplots(rows, 3, squeeze=False).ravel()
    before, after = change.fronts
    _draw_front(axes[0], change, before.picture, before, f"before: {before.kind}")
    _draw_front(axes[1], change, lay_over(change), before, f"after, registered: {after.kind}")
    for place, name in zip(axes[2:], names, strict=False):
        _draw_change(place, change, name, font_size=6)
        place.set(xticks=[], yticks=[])
    for place in axes[2 + len(names) :]:
        place.axis("off")
    figure.subplots_adjust(left=0.005, right=0.95, bottom=0.01, top=0.92, wspace=0.22, hspace=0.16)
    return to_png(figure)


def lay_over(change: Change) -> NDArray[np.float64]:
    """Return the second visit's picture of the fundus at the pixels of the first one's."""
    before, after = change.fronts
    rows, columns = np.indices(before.picture.shape)
    places = np.stack([columns, rows]) * STEP_MM + np.reshape(before.origin_mm, (2, 1, 1))
    x, y = (change.registration.find(places) - np.reshape(after.origin_mm, (2, 1, 1))) / STEP_MM
    image: NDArray[np.float64] = map_coordinates(
        after.picture, [y, x], order=1, mode="constant", cval=np.nan
    )
    return image


def _draw_front(
    axes: Axes, change: Change, image: NDArray[np.float64], front: Front, title: str
) -> None:
    left, top = front.origin_mm
    height, width = image.shape
    extent = (left, left + width * STEP_MM, top + height * STEP_MM, top)
    axes.imshow(stretch_grey(image), extent=extent, cmap="gray")
    x, y = change.grid.places_mm()
    axes.set(xlim=(x.min(), x.max()), ylim=(y.max(), y.min()), xticks=[], yticks=[])
    draw_grid(axes, change.sectors, colour=_LINE, font_size=6)
    for text in list(axes.texts):
        text.remove()
    axes.set_title(title, fontsize=7)


def _draw_change(axes: Axes, change: Change, name: str, *, font_size: float) -> None:
    values = change.maps[name]
    image, extent = spread(values, change.grid)
    known = np.abs(values[np.isfinite(values)])
    most = max(LEAST_UM, float(np.quantile(known, 0.99)) if known.size else 0.0)
    axes.set_facecolor("0.5")
    shown = axes.imshow(image, extent=extent, cmap=_COLOURS, vmin=-most, vmax=most)
    line = ""
    if change.grid.between_um > SPARSE_UM and font_size > 7:
        line = f"interpolated between B-scans {change.grid.between_um:.0f} µm apart"
    axes.set_title(
        f"{escape_title(name)}: after − before (µm)" + (f"\n{line}" if line else ""),
        fontsize=font_size + 1,
    )
    bar = axes.figure.colorbar(shown, ax=axes, fraction=0.046, pad=0.02)
    bar.ax.tick_params(labelsize=font_size - 0.5)
    rows = {
        one.sector: one
        for one in change.rows
        if (one.measure, one.structure) == ("mean thickness", name)
    }
    for sector, text in draw_grid(axes, change.sectors, font_size=font_size).items():
        text.set_text(rows[sector].format_change(0))

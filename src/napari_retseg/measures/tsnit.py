"""The thickness on a circle around the optic disc as a curve, with the mean of each sector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_retseg.layers.anatomy import ANATOMY, find_places
from napari_retseg.measures.pictures import escape_title
from napari_retseg.measures.profile import SECTORS, ArcNumbers, list_angles, measure_circle
from napari_retseg.measures.results import Measures
from napari_retseg.measures.sectors import FEW
from napari_retseg.measures.spans import RETINA
from napari_retseg.page.figures import begin_figure, to_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Sectors that lie beside each other around the circle.
_SIX = ("T", "TS", "NS", "N", "NI", "TI")
_DPI, _SIZE_INCH, _FONT = 170, (7.5, 1.9), 6.5
_COLOUR = "#0b5f93"


def choose_profile(measures: Measures) -> str | None:
    """Name the layer whose curve is shown: the NFL, else the whole retina.

    Returns
    -------
    str or None
        None where the scan is no circle, or has neither.
    """
    if not any(one.sector == _SIX[1] for one in measures.numbers):
        return None
    nerve = next(k for k, names in enumerate(ANATOMY) if "nfl" in names)
    names = [name for name in measures.maps if find_places(name) == [nerve]]
    return next((name for name in (*names, RETINA) if name in measures.maps), None)


def draw_profile(measures: Measures, name: str) -> bytes:
    """Draw the thickness of a layer on the circle, with the mean of each sector, as PNG."""
    profile = measures.maps[name].reshape(-1)
    angles = list_angles(len(profile))
    means = measure_circle(profile)
    unit = "µm" if measures.unit == "um" else measures.unit
    figure = begin_figure(*_SIZE_INCH, dpi=_DPI)
    axes = figure.add_axes((0.055, 0.17, 0.94, 0.7))
    axes.plot(angles, profile, color=_COLOUR, linewidth=0.9)
    known = profile[np.isfinite(profile)]
    # room for the means above the curve
    top = 1.35 * float(known.max()) if known.size and known.max() > 0 else 1.0
    axes.set(xlim=(0, 360), ylim=(0, top))
    for sector in _SIX:
        _add_sector(axes, dict(SECTORS)[sector], sector, means[sector], top)
    axes.set_xticks(range(0, 361, 90), ["temporal", "superior", "nasal", "inferior", "temporal"])
    # names at the ends stay within the picture
    first, *_, last = axes.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")
    axes.tick_params(labelsize=_FONT, length=2)
    whole = means["G"].mean
    mean = "" if whole is None else f"; mean all around (G): {whole:.0f}"
    axes.set_title(f"{escape_title(name)} ({unit}){mean}", fontsize=_FONT + 1, pad=3)
    return to_png(figure)


def _add_sector(
    axes: Axes, arc: tuple[float, float], name: str, numbers: ArcNumbers, top: float
) -> None:
    """Draw the mean of a sector over its part of the circle; T lies at both ends."""
    first, last = arc
    parts = [(first, last)] if first < last else [(0.0, last), (first, 360.0)]
    for begin, end in parts:
        axes.axvline(begin, color="0.75", linewidth=0.5)
        text = name if numbers.mean is None else f"{name} {numbers.mean:.0f}"
        text += "*" * (numbers.mean is not None and numbers.valid < FEW)
        axes.text((begin + end) / 2, 0.97 * top, text, ha="center", va="top", fontsize=_FONT + 0.5)
        if numbers.mean is not None:
            line = [numbers.mean, numbers.mean]
            axes.plot([begin, end], line, color="0.35", linewidth=0.7, linestyle="--")

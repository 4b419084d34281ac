"""Bland-Altman plots."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from napari_retseg.agreement.bland_altman import Interval
from napari_retseg.agreement.cohort import Agreement
from napari_retseg.io.atomic import write_bytes
from napari_retseg.page.figures import begin_figure, to_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_UNSAFE = re.compile(r"[^A-Za-z0-9]+")
_POINTS, _BIAS, _LIMITS = "#1f77b4", "#333333", "#c44e52"
_UNITS = {"um": "µm", "mm2": "mm²", "mm3": "mm³"}
#: With fewer pairs there is nothing to see.
LEAST = 3


def draw_bland_altman(agreement: Agreement) -> Figure:
    """Draw differences over means, with bias, limits of agreement and their intervals of 95 %.

    Parameters
    ----------
    agreement
        Of one measure.

    Returns
    -------
    matplotlib.figure.Figure
        It belongs to no window.
    """
    figure = begin_figure(6.5, 4.5, dpi=120, layout="constrained")
    axes = figure.add_subplot()
    pairs = list(zip(agreement.first, agreement.second, strict=True))
    axes.scatter(
        [(a + b) / 2 for a, b in pairs], [b - a for a, b in pairs], s=18, alpha=0.7, c=_POINTS
    )
    found = agreement.limits
    _draw_line(axes, found.bias, found.bias_interval, _BIAS, "bias")
    _draw_line(axes, found.upper, found.upper_interval, _LIMITS, "upper limit")
    _draw_line(axes, found.lower, found.lower_interval, _LIMITS, "lower limit")
    axes.axhline(0, color="0.75", linewidth=0.8, zorder=0)
    unit = _UNITS.get(agreement.key[3], agreement.key[3])
    axes.set(xlabel=f"mean of A and B ({unit})", ylabel=f"B − A ({unit})")
    axes.set_title(_title(agreement), fontsize="medium", parse_math=False)
    axes.margins(x=0.05, y=0.1)
    return figure


def write_figures(agreements: Iterable[Agreement], folder: Path) -> list[Path]:
    """Write a plot of each measure that has enough pairs, as PNG.

    Raises
    ------
    InputError
        Where the system refuses.
    """
    written: list[Path] = []
    for one in agreements:
        if one.limits.n < LEAST:
            continue
        stem = "_".join(_UNSAFE.sub("-", part).strip("-") for part in one.key if part)
        names = {path.name.casefold() for path in written}
        same = (f"{stem}{again}.png" for again in ("", *(f"_{k}" for k in range(2, 999))))
        path = folder / next(name for name in same if name.casefold() not in names)
        write_bytes(path, to_png(draw_bland_altman(one)))
        written.append(path)
    return written


def _draw_line(
    axes: Axes, value: float | None, interval: Interval | None, color: str, what: str
) -> None:
    if value is None:
        return
    axes.axhline(value, color=color, linestyle="-" if what == "bias" else "--", linewidth=1.2)
    if interval is not None:
        axes.axhspan(*interval, color=color, alpha=0.12, linewidth=0)
    axes.annotate(
        f"{what} {format_short(value)}",
        (1, value),
        xycoords=axes.get_yaxis_transform(),
        xytext=(-4, 3),
        textcoords="offset points",
        ha="right",
        fontsize="small",
        color=color,
    )


def format_short(value: float) -> str:
    """Format a number with three digits or more, without an exponent where it is large."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _title(agreement: Agreement) -> str:
    measure, structure, sector, _ = agreement.key
    icc = "" if agreement.icc is None else f", ICC {agreement.icc.agreement:.3f}"
    return f"{structure}: {measure}, {sector} (n = {agreement.limits.n}{icc})"

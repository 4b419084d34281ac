"""Figures that belong to no window, and their bytes. matplotlib is imported where it is needed."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def begin_figure(width_inch: float, height_inch: float, *, dpi: float, **options: Any) -> Figure:
    """Make an empty figure; `options` are those of matplotlib's ``Figure``."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_inch, height_inch), dpi=dpi, **options)
    FigureCanvasAgg(figure)
    return figure


def to_png(figure: Figure) -> bytes:
    """Draw a figure as PNG; packed lightly, since that takes most of the time."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", pil_kwargs={"compress_level": 3})
    return stream.getvalue()

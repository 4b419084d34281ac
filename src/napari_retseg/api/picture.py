"""A B-scan with its labels, drawn with matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import LabelSet
from napari_retseg.overlay import draw_overlay
from napari_retseg.scan import OctScan

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INCHES_WIDE = 6.0
_LEGEND_SIZE = 8


def draw_bscan(
    scan: OctScan,
    labels: NDArray[np.uint8],
    classes: LabelSet,
    *,
    bscan: int,
    opacity: float,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw one B-scan with its labels in colour, and a legend of the classes in it.

    Pixels are square, as in most figures of B-scans: thin layers can be seen.

    Parameters
    ----------
    labels
        Class values of the scan's spatial shape.
    """
    plane = labels[bscan] if scan.is_volume else labels
    grey = scan.read_bscan(bscan)[0]
    ax = _make_axes(grey.shape) if ax is None else ax
    ax.imshow(draw_overlay(grey, plane, classes, opacity=opacity), aspect="equal")
    ax.set_axis_off()
    if scan.is_volume:
        ax.set_title(f"B-scan {bscan} of {scan.n_bscans}")
    if legend:
        _draw_legend(ax, classes, present=set(np.unique(plane).tolist()))
    return ax


def _make_axes(shape: tuple[int, ...]) -> Axes:
    import matplotlib.pyplot as plt

    height = _INCHES_WIDE * shape[0] / shape[1]
    size = (_INCHES_WIDE, min(max(height, 1.5), 2 * _INCHES_WIDE))
    _, ax = plt.subplots(figsize=size, layout="constrained")
    made: Any = ax
    return made  # type: ignore[no-any-return]


def _draw_legend(ax: Axes, classes: LabelSet, *, present: set[int]) -> None:
    from matplotlib.patches import Patch

    patches = [
        Patch(color=one.color, label=one.name) for one in classes.foreground if one.value in present
    ]
    if patches:
        ax.legend(
            handles=patches, loc="center left", bbox_to_anchor=(1, 0.5), fontsize=_LEGEND_SIZE
        )

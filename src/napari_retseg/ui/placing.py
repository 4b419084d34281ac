"""Where the pixels of a scan lie in the viewer, and how they are seen.

Across the B-scans napari counts B-scans, not micrometres: its slider shows the number of the
B-scan, whatever else is open. Within a B-scan the pixels have their true shape, or are square on
request. In three dimensions all axes have their true lengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from napari_retseg.scan import Axis

#: True shape; square pixels; true lengths between the B-scans, too, for a view in 3D.
View = Literal["true", "square", "solid"]
VIEWS: tuple[View, ...] = ("true", "square", "solid")


def place_axes(
    axes: Sequence[Axis], spacing_um: Sequence[float | None], view: View = "true"
) -> dict[str, Any]:
    """Return scale and units of a layer, one for each of its axes.

    Within a B-scan micrometres where both sides of a pixel are known, pixels elsewhere; from
    B-scan to B-scan 1. A channel axis has neither.

    Parameters
    ----------
    axes
        Of the scan, with a leading channel or not.
    spacing_um
        Of its spatial axes.
    view
        How the scan is seen.
    """
    is_known = None not in spacing_um[-2:] and view != "square"
    unit = "um" if is_known else "pixel"
    plane = [(length or 1.0 if is_known else 1.0, unit) for length in spacing_um[-2:]]
    is_solid = is_known and view == "solid"
    # three dimensions are drawn in one unit
    across = [(length or 1.0, "um") if is_solid else (1.0, "pixel") for length in spacing_um[:-2]]
    placed = [(1.0, "pixel")] * (len(axes) - len(spacing_um)) + across + plane
    return {"scale": [scale for scale, _ in placed], "units": [unit for _, unit in placed]}


def place_fundus(
    shape: Sequence[int],
    spacing_um: Sequence[float] | None,
    *,
    plane: Sequence[int],
    plane_um: Sequence[float | None],
    view: View = "true",
) -> dict[str, Any]:
    """Return scale and units of an en-face image, so that it lies within the B-scan.

    It shows another plane than the B-scan, and counts in what is fitted into the window although
    it is hidden: at its own length it would be many times as high as the B-scan.

    Parameters
    ----------
    shape, spacing_um
        Of the en-face image.
    plane, plane_um
        Of a B-scan, in depth and width.
    """
    placed = place_axes(("depth", "width"), plane_um, view)
    own = (1.0, 1.0) if spacing_um is None else spacing_um
    room = [n * length for n, length in zip(plane, placed["scale"], strict=True)]
    share = min(r / (n * length) for r, n, length in zip(room, shape, own, strict=False))
    return {"scale": [share * length for length in own], "units": placed["units"]}

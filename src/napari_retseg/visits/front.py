"""The vessels of an eye as seen from the front: on the SLO, or on a projection of the OCT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import (
    binary_erosion,
    binary_fill_holes,
    gaussian_filter,
    map_coordinates,
)

from napari_retseg.measures import EnfaceGrid, project_slab
from napari_retseg.measures.pictures import spread
from napari_retseg.scan import FUNDUS_KIND, FUNDUS_UM, OctScan

#: Pixel size at which vessels are compared.
STEP_MM = 0.02
#: Half the width of a vessel, of its shadow between B-scans, and of what is even beside it.
_VESSEL_MM, _SHADOW_MM, _EVEN_MM = 0.05, 0.08, 0.3
#: What lies so far above and below the RPE's lower boundary shows the shadows of vessels.
_ABOVE_UM, _BELOW_UM = 60.0, 60.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Front:
    """A picture of the fundus and the dark lines in it.

    Attributes
    ----------
    picture
        Its grey values, pixels of :data:`STEP_MM`; NaN outside.
    vessels
        How much darker each place is than what lies beside it, 0 to 1, of the same shape.
    is_seen
        Which of them are in the picture.
    origin_mm
        Place of the first pixel's middle, x and y.
    kind
        What the picture is, such as "SLO".
    """

    picture: Floats
    vessels: Floats
    is_seen: NDArray[np.bool_]
    origin_mm: tuple[float, float]
    kind: str

    @property
    def centre_mm(self) -> Floats:
        """The middle of the picture."""
        height, width = self.vessels.shape
        return np.asarray(self.origin_mm) + np.array([width - 1, height - 1]) / 2 * STEP_MM


def has_fundus(scan: OctScan) -> bool:
    """Whether the fundus image's place under the OCT is known."""
    is_placed = bool(scan.acquisition.positions_mm) and scan.spacing_source != "user"
    size = scan.metadata.get(FUNDUS_UM, (None, None))
    return scan.fundus is not None and is_placed and None not in size


def look_at_fundus(scan: OctScan) -> Front:
    """Find the vessels on the fundus image of a scan that :func:`has_fundus`."""
    fundus = np.asarray(scan.fundus, np.float64)
    image = fundus if fundus.ndim == 2 else fundus[..., :3].mean(axis=-1)
    down_mm, across_mm = (one / 1000 for one in scan.metadata[FUNDUS_UM])
    height, width = image.shape
    y = np.arange(STEP_MM / 2, height * down_mm, STEP_MM)
    x = np.arange(STEP_MM / 2, width * across_mm, STEP_MM)
    # half the new pixel size: what is finer cannot be shown
    image = gaussian_filter(image, (STEP_MM / down_mm / 2, STEP_MM / across_mm / 2))
    places = np.meshgrid(y / down_mm - 0.5, x / across_mm - 0.5, indexing="ij")
    even = map_coordinates(image, places, order=1, mode="nearest")
    return _find_vessels(
        even, (float(x[0]), float(y[0])), str(scan.metadata.get(FUNDUS_KIND, "en face"))
    )


def look_at_projection(scan: OctScan, rpe: NDArray[np.float32], grid: EnfaceGrid) -> Front:
    """Find the shadows of vessels on the projection of the slab around the RPE.

    Parameters
    ----------
    rpe
        Rows of the RPE's lower boundary, ``(bscan, width)``, NaN where unknown.
    """
    axial_um = scan.spacing_um[-2] or 1.0
    slab = project_slab(scan, rpe - _ABOVE_UM / axial_um, rpe + _BELOW_UM / axial_um)
    # B-scans differ in brightness
    middles = [np.median(one[np.isfinite(one)]) if np.isfinite(one).any() else 0 for one in slab]
    even = slab - np.reshape(middles, (-1, 1)).astype(np.float32)
    image, (left, _, _, top) = spread(even, grid)
    return _find_vessels(image.astype(np.float64), (left, top), "en-face projection", _SHADOW_MM)


def _find_vessels(
    image: Floats, origin_mm: tuple[float, float], kind: str, width_mm: float = _VESSEL_MM
) -> Front:
    known = np.isfinite(image)
    filled = np.where(known, image, 0)
    even = _EVEN_MM / STEP_MM
    share = np.maximum(gaussian_filter(known.astype(np.float64), even), 1e-6)
    flat = np.where(known, filled - gaussian_filter(filled, even) / share, 0)
    spread_of = np.sqrt(gaussian_filter(flat**2, even) / share)
    flat = flat / np.maximum(spread_of, 1e-9 + 0.05 * float(spread_of.max(initial=0)))
    ridges = np.maximum(_bend(flat, width_mm / STEP_MM), 0)
    seen = binary_erosion(
        binary_fill_holes(known), iterations=round(2 * width_mm / STEP_MM), border_value=0
    )
    most = float(np.quantile(ridges[seen], 0.98)) if seen.any() else 0.0
    vessels = np.minimum(ridges / most, 1) if most > 0 else np.zeros_like(ridges)
    return Front(image, np.where(seen, vessels, 0), seen, origin_mm, kind)


def _bend(image: Floats, sigma: float) -> Floats:
    """The larger curvature of each place: positive across a dark line (Frangi et al., 1998)."""
    orders: Sequence[tuple[int, int]] = ((2, 0), (0, 2), (1, 1))
    yy, xx, yx = (gaussian_filter(image, sigma, order=order) for order in orders)
    larger: Floats = (yy + xx) / 2 + np.hypot((yy - xx) / 2, yx)
    return larger

"""Sectors of the fundus, and the numbers of a map in each of them.

The ETDRS grid has a centre of 1 mm and rings of 3 and 6 mm in diameter, each in four sectors
(Early Treatment Diabetic Retinopathy Study report 10, Ophthalmology 98:786, 1991). Each A-scan
counts with the part of its cell that lies in a sector. Within a cell the map follows the parabola
through the B-scans on either side, so that means of sparse volumes are right to a fraction of a
um. What no cell covers has no thickness and no volume, and lowers the valid fraction.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from napari_retseg.measures.enface import EnfaceGrid
from napari_retseg.measures.thickness import Map
from napari_retseg.scan import Laterality

Place = tuple[float, float]

DIAMETERS_MM = (1.0, 3.0, 6.0)
CENTRE = "C0"
INNER_RING, OUTER_RING, WHOLE = "inner ring", "outer ring", "grid"
#: A sector with less of its area measured has a mean that may not stand for it.
FEW = 0.8

#: Sub-cells are about as long as this.
_FINE_MM = 0.012
_MOST = 32


@dataclass(frozen=True)
class SectorNumbers:
    """A map in one sector; None where no A-scan of it is measured.

    Attributes
    ----------
    mean, least, greatest, deviation
        In the unit of the map. Mean and standard deviation are weighted by area; the others are of
        A-scans whose middle is in the sector.
    integral
        Sum of value times area in mm2: of thickness in um, a volume in mm2 um = 1e-3 mm3.
    valid
        Measured part of the sector's area.
    """

    mean: float | None
    least: float | None
    greatest: float | None
    deviation: float | None
    integral: float | None
    valid: float


@dataclass(frozen=True, eq=False)
class Sectors:
    """Which area of each A-scan's cell lies in each sector.

    Attributes
    ----------
    names
        ``C0``; ``S1``, ``N1``, ``I1``, ``T1`` of the inner ring (``L1`` and ``R1`` for left and
        right where the eye is not known), ``S2`` and so on of the outer ring; then ``inner ring``,
        ``outer ring`` and ``grid``.
    weights
        ``(3, sector, bscan, width)``: integrals over the part of the cell in the sector of
        1, v and v2 / 2, where v is the distance across the B-scans in mm; the first is the area.
    grid
        The A-scans.
    is_inside
        Whether the middle of an A-scan lies in a sector, of the same shape.
    areas_mm2
        Of the whole sectors, whether the scan covers them or not.
    centre_mm
        x and y.
    diameters_mm
        Of the centre and the rings.
    """

    names: tuple[str, ...]
    grid: EnfaceGrid
    weights: NDArray[np.float64]
    is_inside: NDArray[np.bool_]
    areas_mm2: tuple[float, ...]
    centre_mm: Place
    diameters_mm: tuple[float, float, float]

    @cached_property
    def _moments(self) -> tuple[csr_array, csr_array, csr_array]:
        """The weights as matrices: of most A-scans' cells nothing lies in a sector."""
        area, tilt, bow = self.weights.reshape(3, len(self.names), -1)
        return csr_array(area), csr_array(tilt), csr_array(bow)

    @cached_property
    def bscan_areas_mm2(self) -> NDArray[np.float64]:
        """Area of each sector that each B-scan covers, ``(sector, bscan)``."""
        areas: NDArray[np.float64] = self.weights[0].sum(axis=2)
        return areas

    def measure(self, values: Map) -> dict[str, SectorNumbers]:
        """Return the numbers of a map, (bscan, width), in each sector; NaN does not count."""
        known = np.isfinite(values)
        filled = np.where(known, values, 0).astype(np.float64)
        slope, curvature = bend(values, self.grid)
        area, tilt, bow = self._moments
        weight = area @ known.ravel().astype(np.float64)
        first, second = area @ filled.ravel(), area @ filled.ravel() ** 2
        whole = first + tilt @ slope.ravel() + bow @ curvature.ravel()
        found = {}
        for k, name in enumerate(self.names):
            if not weight[k] > 0:
                found[name] = SectorNumbers(None, None, None, None, None, 0.0)
                continue
            variance = second[k] / weight[k] - (first[k] / weight[k]) ** 2
            inside = values[self.is_inside[k] & known]
            found[name] = SectorNumbers(
                mean=float(whole[k] / weight[k]),
                least=float(inside.min()) if inside.size else None,
                greatest=float(inside.max()) if inside.size else None,
                deviation=float(np.sqrt(max(0.0, variance))),
                integral=float(whole[k]),
                valid=min(1.0, float(weight[k]) / self.areas_mm2[k]),
            )
        return found


def make_etdrs(
    grid: EnfaceGrid,
    centre_mm: Place,
    eye: Laterality | None,
    *,
    diameters_mm: tuple[float, float, float] = DIAMETERS_MM,
) -> Sectors:
    """Lay the ETDRS grid over the A-scans of a volume.

    Parameters
    ----------
    centre_mm
        Where it lies on the fundus, x and y.
    eye
        Nasal is to the right of a right eye (OD) on the fundus image, to the left of a left one.
    """
    nine = _name_nine(eye)
    names = (*nine, INNER_RING, OUTER_RING, WHOLE)
    weights = np.zeros((3, len(names), *grid.shape))
    ups, alongs, areas = _split_cells(grid)
    places = grid.places_mm()
    for up in ups.T:
        for along in alongs:
            offset = along * grid.step_mm[:, np.newaxis] + up * grid.normal[:, np.newaxis]
            number = _find_sector(places + offset[:, :, np.newaxis], centre_mm, diameters_mm)
            across = up[:, np.newaxis]
            parts = areas, areas * across, areas * across**2 / 2
            for k in range(len(nine)):
                inside = number == k
                for weight, part in zip(weights, parts, strict=True):
                    weight[k] += np.where(inside, part, 0)
    number = _find_sector(places, centre_mm, diameters_mm)
    middles = np.stack([number == k for k in range(len(nine))])
    inner, outer = slice(1, 5), slice(5, 9)
    for k, ring in enumerate((inner, outer, slice(0, 9)), start=len(nine)):
        weights[:, k] = weights[:, ring].sum(axis=1)
    together = [middles[ring].any(axis=0) for ring in (inner, outer, slice(0, 9))]
    return Sectors(
        names=names,
        grid=grid,
        weights=weights,
        is_inside=np.concatenate([middles, np.stack(together)]),
        areas_mm2=_list_areas(diameters_mm),
        centre_mm=centre_mm,
        diameters_mm=diameters_mm,
    )


def _name_nine(eye: Laterality | None) -> tuple[str, ...]:
    """Centre, then above, right, below and left of each ring."""
    sides = {"OD": ("N", "T"), "OS": ("T", "N"), None: ("R", "L")}
    right, left = sides[eye]
    rings = ((f"S{ring}", f"{right}{ring}", f"I{ring}", f"{left}{ring}") for ring in (1, 2))
    return (CENTRE, *(name for ring in rings for name in ring))


def _find_sector(
    places: NDArray[np.float64], centre: Place, diameters_mm: tuple[float, ...]
) -> NDArray[np.int8]:
    """Index of the sector of places (2, ...); -1 outside."""
    right, up = places[0] - centre[0], centre[1] - places[1]
    ring = np.searchsorted(np.asarray(diameters_mm) / 2, np.hypot(right, up), side="left")
    # clockwise from above: up, right, down, left
    side = np.where(
        np.abs(up) >= np.abs(right), np.where(up >= 0, 0, 2), np.where(right >= 0, 1, 3)
    )
    number = np.where(ring == 0, 0, 4 * (ring - 1) + 1 + side)
    return np.where(ring > 2, -1, number).astype(np.int8)


def _split_cells(
    grid: EnfaceGrid,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Middles of the parts of cells: across in mm, (part, bscan, 1), along in A-scans; areas."""
    count = int(np.clip(np.ceil(grid.reach_mm.sum(axis=1).max() / _FINE_MM), 1, _MOST))
    shares = (np.arange(count) + 0.5) / count
    before, after = grid.reach_mm.T
    ups = -before[:, np.newaxis] + shares * (before + after)[:, np.newaxis]
    n_along = int(np.clip(np.ceil(grid.lateral_mm / _FINE_MM), 1, _MOST))
    alongs = (np.arange(n_along) + 0.5) / n_along - 0.5
    return ups, alongs, grid.area_mm2 / (count * n_along)


def _list_areas(diameters_mm: tuple[float, float, float]) -> tuple[float, ...]:
    inner, middle, outer = (np.pi * (d / 2) ** 2 for d in diameters_mm)
    rings = middle - inner, outer - middle
    return (inner, *(ring / 4 for ring in rings for _ in range(4)), *rings, outer)


def bend(values: Map, grid: EnfaceGrid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Slope and curvature of a map across the B-scans, per mm and per mm2.

    Of the parabola through the B-scans on either side; 0 where one of them is unknown, beyond a
    gap, or there is none.
    """
    heights = grid.middles_mm @ grid.normal
    order = np.argsort(heights, kind="stable")
    slope, curvature = (np.zeros(values.shape) for _ in range(2))
    if len(order) < 3:
        return slope, curvature
    before, here, after = order[:-2], order[1:-1], order[2:]
    down, up = heights[here] - heights[before], heights[after] - heights[here]
    reach = grid.reach_mm[here].sum(axis=1)
    # cells that end half-way to both neighbours: no gap, and no two B-scans at one place
    even = (down > 0) & (up > 0) & np.isclose(down + up, 2 * reach)
    down, up = (np.where(even, one, 1.0)[:, np.newaxis] for one in (down, up))
    lower = (values[here] - values[before]) / down
    upper = (values[after] - values[here]) / up
    known = np.isfinite(lower) & np.isfinite(upper) & even[:, np.newaxis]
    total = down + up
    slope[here] = np.where(known, (lower * up + upper * down) / total, 0)
    curvature[here] = np.where(known, 2 * (upper - lower) / total, 0)
    return slope, curvature

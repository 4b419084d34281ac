"""Fluid and other lesions: area, volume, pockets, height, distance to the fovea.

A pixel of fluid stands for its part of the A-scan's cell. What lies between two B-scans is not
seen: a pocket that is smaller than their distance may be missed, or count too large.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_retseg.measures.enface import EnfaceGrid
from napari_retseg.measures.sectors import Place, Sectors

#: Pixels of one pocket touch in the B-scan, also at a corner, or lie at one place in the next one.
_TOUCHING = np.zeros((3, 3, 3), bool)
_TOUCHING[1] = True
_TOUCHING[:, 1, 1] = True


@dataclass(frozen=True, eq=False)
class Fluid:
    """Where a lesion is in a volume, in pixels.

    Attributes
    ----------
    heights_px
        Its rows in each A-scan, ``(bscan, width)``.
    pockets
        For each pocket its rows in each A-scan where there are any: numbers of B-scans, of A-scans,
        and rows.
    """

    heights_px: NDArray[Any]
    pockets: tuple[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[Any]], ...]

    @property
    def highest_px(self) -> float:
        """Rows of the highest pocket in one A-scan."""
        return max((float(rows.max()) for _, _, rows in self.pockets), default=0.0)

    def sum_pockets(self, cells: NDArray[np.float64]) -> list[float]:
        """Return the size of each pocket, the largest first.

        Parameters
        ----------
        cells
            Size of a pixel in each A-scan, which broadcasts to ``(bscan, width)``.
        """
        size = np.broadcast_to(cells, self.heights_px.shape)
        sums = [float((size[bscans, ascans] * rows).sum()) for bscans, ascans, rows in self.pockets]
        return sorted(sums, reverse=True)


@dataclass(frozen=True)
class FluidNumbers:
    """A lesion in a sector, or in the whole scan: area of the fundus in mm2, and volume in nl."""

    area_mm2: float
    volume_nl: float


def find_fluid(labels: NDArray[np.uint8], values: Sequence[int]) -> Fluid:
    """Find the pockets of a lesion.

    Parameters
    ----------
    labels
        Class values, ``(bscan, depth, width)``.
    values
        Those that are the lesion.
    """
    is_fluid = np.isin(labels, np.asarray(values, np.uint8))
    heights = is_fluid.sum(axis=1, dtype=np.int32)
    numbered, _ = ndimage.label(is_fluid, structure=_TOUCHING)
    pockets = []
    for number, place in enumerate(ndimage.find_objects(numbered), start=1):
        rows = (numbered[place] == number).sum(axis=1)
        bscans, ascans = np.nonzero(rows)
        pockets.append((bscans + place[0].start, ascans + place[2].start, rows[bscans, ascans]))
    return Fluid(heights, tuple(pockets))


def find_raised(heights_px: NDArray[np.floating[Any]]) -> Fluid:
    """Take what is raised, ``(bscan, width)`` in rows, as a lesion: drusen, PED."""
    numbered, _ = ndimage.label(heights_px > 0)
    pockets = []
    for number, place in enumerate(ndimage.find_objects(numbered), start=1):
        bscans, ascans = np.nonzero(numbered[place] == number)
        bscans, ascans = bscans + place[0].start, ascans + place[1].start
        pockets.append((bscans, ascans, heights_px[bscans, ascans]))
    return Fluid(heights_px, tuple(pockets))


def measure_fluid(
    fluid: Fluid, grid: EnfaceGrid, axial_um: float, sectors: Sectors | None = None
) -> dict[str, FluidNumbers]:
    """Measure area and volume of a lesion in the whole scan, and in each sector.

    Returns
    -------
    dict
        By the name of the sector, ``scan`` first.
    """
    heights_um = fluid.heights_px.astype(np.float64) * axial_um
    is_there = fluid.heights_px > 0
    area = np.broadcast_to(grid.area_mm2, heights_um.shape)
    # mm2 um = 1e-3 mm3 = nl
    found = {"scan": FluidNumbers(float(area[is_there].sum()), float((area * heights_um).sum()))}
    for name, weights in zip(
        *((sectors.names, sectors.weights[0]) if sectors else ((), ())), strict=True
    ):
        found[name] = FluidNumbers(
            float(weights[is_there].sum()), float((weights * heights_um).sum())
        )
    return found


def measure_distance(fluid: Fluid, grid: EnfaceGrid, place_mm: Place) -> float | None:
    """Distance on the fundus from a place to the nearest A-scan with a lesion, in um.

    Returns
    -------
    float or None
        0 where the place lies in the cell of one; None where there is no lesion.
    """
    is_there = fluid.heights_px > 0
    if not is_there.any():
        return None
    x, y = grid.places_mm()[:, is_there] - np.reshape(place_mm, (2, 1))
    bscans = np.nonzero(is_there)[0]
    unit = grid.step_mm / grid.lateral_mm
    along = np.abs(x * unit[0] + y * unit[1]) - grid.lateral_mm / 2
    across = -(x * grid.normal[0] + y * grid.normal[1])
    before, after = grid.reach_mm[bscans].T
    beside = np.maximum(across - after, -before - across)
    return float(np.hypot(np.maximum(along, 0), np.maximum(beside, 0)).min()) * 1000

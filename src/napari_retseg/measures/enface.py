"""Where the A-scans of a scan lie on the fundus, and which area each of them stands for.

Positions are in mm, x to the right and y down, as the fundus image shows them. An A-scan stands
for its cell: as long as the distance of A-scans, and reaching half-way to the B-scans on either
side. Next to a gap (a B-scan is missing) a cell reaches no farther than it would without one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_retseg.acquisition import NOT_RASTERS, find_direction
from napari_retseg.scan import OctScan

#: B-scans whose directions differ by less are parallel (cosine of 3 degrees).
_PARALLEL = 0.9986
#: A distance of so many others is a gap.
_GAP = 1.75
#: B-scans farther apart than this are sparse: what a map shows between them is interpolated.
SPARSE_UM = 60.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class EnfaceGrid:
    """The A-scans of a volume of parallel B-scans on the fundus.

    Attributes
    ----------
    middles_mm
        Middle of each B-scan, ``(bscan, 2)``: x and y.
    step_mm
        From each A-scan to the next, ``(2,)``.
    normal
        Direction across the B-scans, of length 1, ``(2,)``.
    reach_mm
        How far the cells of each B-scan reach against and along `normal`, ``(bscan, 2)``.
    width
        A-scans of a B-scan.
    notes
        What the user should know of it.
    """

    middles_mm: Floats
    step_mm: Floats
    normal: Floats
    reach_mm: Floats
    width: int
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """B-scans and A-scans: the shape of a map."""
        return len(self.middles_mm), self.width

    @property
    def lateral_mm(self) -> float:
        """Distance of A-scans."""
        return float(np.hypot(*self.step_mm))

    @property
    def area_mm2(self) -> Floats:
        """Area of the cell of each A-scan, ``(bscan, 1)``."""
        area: Floats = self.reach_mm.sum(axis=1, keepdims=True) * self.lateral_mm
        return area

    @property
    def between_um(self) -> float:
        """Median distance of B-scans."""
        return float(np.median(np.diff(np.sort(self.middles_mm @ self.normal)))) * 1000

    @property
    def centre_mm(self) -> Floats:
        """The middle of the field."""
        centre: Floats = (self.middles_mm.min(axis=0) + self.middles_mm.max(axis=0)) / 2
        return centre

    def places_mm(self) -> Floats:
        """Return the place of every A-scan, ``(2, bscan, width)``: x and y."""
        steps = np.arange(self.width) - (self.width - 1) / 2
        middles = self.middles_mm.T[:, :, np.newaxis]
        places: Floats = middles + self.step_mm[:, np.newaxis, np.newaxis] * steps
        return places

    def place_of(self, bscan: float, ascan: float) -> tuple[float, float] | None:
        """Return the place of an A-scan by its numbers, which may lie between two; None outside."""
        numbers = np.arange(len(self.middles_mm))
        if not (0 <= bscan <= numbers[-1] and 0 <= ascan <= self.width - 1):
            return None
        along = self.step_mm * (ascan - (self.width - 1) / 2)
        x, y = (np.interp(bscan, numbers, one) for one in self.middles_mm.T)
        return float(x + along[0]), float(y + along[1])

    def numbers_of(self, place_mm: tuple[float, float]) -> tuple[float, float]:
        """Return B-scan and A-scan of a place, between two of them where it is; within the field.

        The inverse of :meth:`place_of`.
        """
        heights = self.middles_mm @ self.normal
        order = np.argsort(heights, kind="stable")
        bscan = np.interp(np.dot(place_mm, self.normal), heights[order], order.astype(float))
        middle = [np.interp(bscan, np.arange(len(order)), one) for one in self.middles_mm.T]
        along = np.subtract(place_mm, middle) @ self.step_mm / self.lateral_mm**2
        ascan = np.clip(along + (self.width - 1) / 2, 0, self.width - 1)
        return float(bscan), float(ascan)

    def find_ascan(self, place_mm: tuple[float, float]) -> tuple[int, int]:
        """Return B-scan and A-scan nearest to a place."""
        away = np.hypot(*(self.places_mm() - np.reshape(place_mm, (2, 1, 1))))
        bscan, ascan = np.unravel_index(int(away.argmin()), self.shape)
        return int(bscan), int(ascan)

    def contains(self, place_mm: tuple[float, float]) -> bool:
        """Whether a place lies in the field."""
        away = np.subtract(place_mm, self.middles_mm)
        across, along = away @ self.normal, away @ self.step_mm / self.lateral_mm**2
        inside = (-self.reach_mm[:, 0] <= across) & (across <= self.reach_mm[:, 1])
        return bool((inside & (np.abs(along) <= self.width / 2)).any())


def lay_out(scan: OctScan) -> EnfaceGrid | None:
    """Lay the A-scans of a volume out on the fundus.

    From the positions of the B-scans in the file; without them, or where the user gave the pixel
    size, from the pixel size, around (0, 0) or the middle of the positions.

    Returns
    -------
    EnfaceGrid or None
        None for a single B-scan, a circle or a radial scan, what is not OCT, and where the
        scale along or across the B-scans is unknown.
    """
    if not (scan.is_oct and scan.is_volume and scan.n_bscans > 1):
        return None
    if scan.scan_pattern in NOT_RASTERS:
        return None
    places = np.asarray(scan.acquisition.positions_mm, float).reshape(-1, 2, 2)
    has_places = len(places) == scan.n_bscans and bool(np.isfinite(places).all())
    if has_places and scan.spacing_source != "user":
        return _lay_out_places(places, scan.spatial_shape[-1])
    between, _, lateral = scan.spacing_um
    if between is None or lateral is None:
        return None
    return _lay_out_evenly(scan, places if has_places else None, between / 1000, lateral / 1000)


def _lay_out_places(places: Floats, width: int) -> EnfaceGrid | None:
    along = places[:, 1] - places[:, 0]
    length = np.hypot(*along.T)
    if not (length > 0).all():
        return None
    units = along / length[:, np.newaxis]
    if (units @ units[0] < _PARALLEL).any():
        return None
    unit = units.mean(axis=0) / np.hypot(*units.mean(axis=0))
    middles = places.mean(axis=1)
    normal = np.array([-unit[1], unit[0]])
    reach = _share_out(middles @ normal)
    if reach is None:
        return None
    return EnfaceGrid(middles, unit * float(length.mean()) / width, normal, reach, width)


def _lay_out_evenly(
    scan: OctScan, places: Floats | None, between_mm: float, lateral_mm: float
) -> EnfaceGrid:
    direction, middle = None, np.zeros(2)
    notes: tuple[str, ...] = ()
    if places is not None:
        direction = find_direction(scan.acquisition.positions_mm)
        middle = places.mean(axis=(0, 1))
    if direction is None:
        direction = (1, 1)
        notes = (
            "the order of B-scans and A-scans is unknown: B-scans are taken to run from inferior "
            "to superior, A-scans from left to right on the fundus",
        )
    upwards, rightwards = direction
    numbers = np.arange(scan.n_bscans) - (scan.n_bscans - 1) / 2
    heights = -upwards * between_mm * numbers  # y points down
    middles = middle + np.stack([np.zeros_like(heights), heights], axis=1)
    reach = np.full((scan.n_bscans, 2), between_mm / 2)
    step = np.array([rightwards * lateral_mm, 0.0])
    return EnfaceGrid(
        middles, step, np.array([0.0, 1.0]), reach, scan.spatial_shape[-1], notes=notes
    )


def _share_out(heights: Floats) -> Floats | None:
    """How far cells reach to either side, from the places of B-scans across them, in mm."""
    order = np.argsort(heights, kind="stable")
    gaps = np.diff(heights[order])
    if not (gaps > 0).any():
        return None
    typical = float(np.quantile(gaps[gaps > 0], 0.5, method="lower"))
    halves = np.where(gaps >= _GAP * typical, typical, gaps) / 2
    reach = np.empty((len(heights), 2))
    reach[order, 0] = np.concatenate([[typical / 2], halves])
    reach[order, 1] = np.concatenate([halves, [typical / 2]])
    return reach

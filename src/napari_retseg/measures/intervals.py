"""Intervals of measured numbers: what a model's errors on held-out patients say of a new scan."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from napari_retseg.config import Frozen
from napari_retseg.measures.profile import SECTORS as ARCS
from napari_retseg.measures.quantities import SCAN, Measurement
from napari_retseg.measures.results import Measures
from napari_retseg.measures.sectors import CENTRE, INNER_RING, OUTER_RING, WHOLE, Sectors
from napari_retseg.scan import OctScan

#: Of intervals: so many of ten numbers lie within.
LEVEL = 0.9
#: A scan of fewer B-scans has the bounds of one B-scan: less is averaged.
_FEW_BSCANS = 5

#: Where errors are alike: sectors of one size.
Region: TypeAlias = Literal[
    "C0", "inner", "outer", "inner ring", "outer ring", "grid", "scan", "B-scan", "arc"
]
_WHOLE: dict[str, Region] = {
    CENTRE: "C0",
    INNER_RING: "inner ring",
    OUTER_RING: "outer ring",
    WHOLE: "grid",
}
_ARCS = {name for name, _ in ARCS}

#: Numbers whose error grows with them: bounds are of the square root, as counts have it.
_ROOTS = (
    "area",
    "area in the B-scan",
    "volume",
    "pockets",
    "largest pocket",
    "pixels",
)
#: What else there is of lesions.
_OF_LESIONS = ("height", "distance to the fovea")
#: Bounds of thickness are so much wider, relative to one, for each share of A-scans left out.
_PER_LEFT_OUT = 4.0
#: What is known, and not estimated.
_EXACT = ("B-scan", "A-scan", "doubtful", "A-scans left out")
#: Of a layer's volume, which is its mean thickness times an area.
_MEAN = "mean thickness"

_Name = Annotated[str, Field(max_length=200)]
_Bound = Annotated[float, Field(ge=0, le=1e6)]
_Regions = Annotated[dict[Region, _Bound], Field(max_length=16)]
_Structures = Annotated[dict[_Name, _Regions], Field(max_length=300)]


class Intervals(Frozen):
    """How far the numbers from a model's labels may be off: ``intervals.json`` of a bundle.

    Attributes
    ----------
    weights_id
        Of the model whose errors they are.
    level
        How often a number of a new patient is expected to lie within.
    groups
        Number of patients that had no part in the training.
    data
        Which scans.
    bounds
        By measure, structure and region; see :func:`find_error`.
    """

    schema_version: Literal[1] = 1
    weights_id: str = Field(max_length=128)
    level: float = Field(gt=0, lt=1)
    groups: int = Field(ge=1)
    data: str = Field(max_length=1000)
    bounds: Annotated[dict[_Name, _Structures], Field(max_length=64)]

    def find(self, one: Measurement, region: Region) -> float | None:
        """Return the bound of a number; None where there is none."""
        return self.bounds.get(name_measure(one), {}).get(one.structure, {}).get(region)

    def describe(self) -> str:
        """Say in a line what the intervals are."""
        return f"{self.level:.0%} intervals, calibrated on {self.data}"


@dataclass(frozen=True, eq=False)
class Widener:
    """Gives the numbers of one scan their intervals.

    Attributes
    ----------
    intervals
        Of the model that predicted the labels.
    scan
        What is measured.
    confirmed
        B-scans whose labels a person has confirmed.
    """

    intervals: Intervals
    scan: OctScan
    confirmed: frozenset[int] = frozenset()

    def widen_all(self, measures: Measures) -> Measures:
        """Give all numbers of the scan their intervals, with a note of what these are."""
        numbers = tuple(self.widen(measures.numbers, measures.sectors))
        notes = measures.notes
        if any(one.low is not None for one in numbers):
            notes = (*notes, self.intervals.describe())
        return replace(measures, numbers=numbers, notes=notes)

    def widen(
        self, numbers: Sequence[Measurement], sectors: Sectors | None
    ) -> Iterator[Measurement]:
        """Give each number its interval, where it has one.

        A number of which every B-scan is confirmed has none. Else it has the whole interval: how
        much of the error is gone with the B-scans that are confirmed is not known.
        """
        exact = self._find_confirmed(sectors)
        for one in numbers:
            yield one if one.sector in exact else self._widen(one, sectors)

    def _find_confirmed(self, sectors: Sectors | None) -> set[str]:
        """Name the sectors in which all B-scans are confirmed."""
        left = [k for k in range(self.scan.n_bscans) if k not in self.confirmed]
        if not left:
            return {SCAN, *_ARCS, *(() if sectors is None else sectors.names)}
        if sectors is None:
            return set()
        areas = sectors.bscan_areas_mm2[:, left].sum(axis=1)
        return {name for name, area in zip(sectors.names, areas, strict=True) if not area > 0}

    def _widen(self, one: Measurement, sectors: Sectors | None) -> Measurement:
        bound = self.intervals.find(one, find_region(one.sector, self.scan.n_bscans))
        if bound is None or one.value is None or not is_estimated(one):
            return one
        scale = _find_scale(one, self.scan, sectors)
        if one.unit == "mm3":
            if sectors is None or one.valid is None:
                return one
            area_mm2 = sectors.areas_mm2[sectors.names.index(one.sector)]
            scale *= one.valid * area_mm2 / 1000
        away = bound * scale
        if is_root(one):
            root = math.sqrt(one.value)
            low, high = max(0.0, root - away) ** 2, (root + away) ** 2
        else:
            low, high = max(0.0, one.value - away), one.value + away
        if one.unit == "":  # whole numbers
            low, high = float(math.ceil(low)), float(math.floor(high))
        return replace(one, low=low, high=high)


def find_region(sector: str, n_bscans: int) -> Region:
    """Return where errors are like those of a sector."""
    if sector in _WHOLE:
        return _WHOLE[sector]
    if sector == SCAN:
        return "B-scan" if n_bscans < _FEW_BSCANS else "scan"
    if sector in _ARCS:
        return "arc"
    return "inner" if sector.endswith("1") else "outer"


def is_root(one: Measurement) -> bool:
    """Whether the bounds of a number are of its square root."""
    return one.measure in _ROOTS and one.unit != "mm3"


def find_error(
    one: Measurement, truth: Measurement, scan: OctScan, sectors: Sectors | None
) -> float | None:
    """Return how far a number is off, as bounds count it; None where one is not measured.

    The difference, or that of the square roots for areas, volumes and counts of lesions, by what it
    grows with.
    """
    if one.value is None or truth.value is None or not is_estimated(one) or one.unit == "mm3":
        return None
    if is_root(one):
        away = abs(math.sqrt(one.value) - math.sqrt(truth.value))
    else:
        away = abs(one.value - truth.value)
    return away / _find_scale(one, scan, sectors)


def is_estimated(one: Measurement) -> bool:
    """Whether a number comes from labels, and is not what was done with them."""
    return one.measure not in _EXACT


def _find_scale(one: Measurement, scan: OctScan, sectors: Sectors | None) -> float:
    """Return what the errors of a number grow with."""
    if one.measure == "pixels":
        return math.sqrt(math.prod(scan.spatial_shape))
    if is_root(one) or one.valid is None or one.measure in _OF_LESIONS:
        return 1.0
    return 1.0 + _PER_LEFT_OUT * _find_left_out(one, one.valid, sectors)


def _find_left_out(one: Measurement, valid: float, sectors: Sectors | None) -> float:
    """Return which share of the A-scans in a sector is not measured."""
    covered = 1.0
    if sectors is not None and one.sector in sectors.names:
        place = sectors.names.index(one.sector)
        area_mm2 = float(sectors.bscan_areas_mm2[place].sum())
        covered = min(1.0, area_mm2 / sectors.areas_mm2[place])
    return min(1.0, max(0.0, 1 - valid / covered)) if covered > 0 else 0.0


def name_measure(one: Measurement) -> str:
    """Return the name of bounds.

    Thickness in pixels has its own, and so has a lesion of which nothing is found: what is missed
    there says little of one that is seen, and the other way round. A layer's volume has those of
    its mean.
    """
    if one.unit == "mm3":
        return _MEAN
    if is_root(one) and one.value == 0:
        return f"{one.measure}, none found"
    is_thickness = one.unit == "px" and one.measure != "pixels"
    return f"{one.measure} in px" if is_thickness else one.measure

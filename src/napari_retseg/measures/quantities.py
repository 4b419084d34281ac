"""One number of a scan, and all those that come from its maps, profiles and lesions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass

import numpy as np

from napari_retseg.measures.enface import EnfaceGrid
from napari_retseg.measures.fluid import Fluid, measure_distance, measure_fluid
from napari_retseg.measures.profile import ArcNumbers, measure_circle
from napari_retseg.measures.sectors import CENTRE, Place, SectorNumbers, Sectors
from napari_retseg.measures.spans import RETINA, TO_BRUCH
from napari_retseg.measures.thickness import Map

#: Of a table of measurements.
COLUMNS = ("measure", "class", "sector", "value", "unit", "low", "high", "valid_fraction")
#: Of what is measured in the whole scan.
SCAN = "scan"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number.

    Attributes
    ----------
    measure
        What it is, such as "mean thickness".
    structure
        Of what: a layer, a span of layers, a lesion.
    sector
        Where: of the ETDRS grid, of a circle, or "scan".
    value
        None where nothing of it is measured.
    unit
        "um", "mm2", "mm3", "nl"; "px" where the scale is unknown; "" of a count.
    low, high
        Ends of its interval; None where it has none, as of labels that a person has confirmed.
    valid
        Measured part of its area, 0 to 1; None where it has no area.
    """

    measure: str
    structure: str
    sector: str
    value: float | None
    unit: str
    low: float | None = None
    high: float | None = None
    valid: float | None = None

    def to_row(self) -> dict[str, str | float | None]:
        """Return it as a row of a table, with the columns :data:`COLUMNS`."""
        return dict(zip(COLUMNS, astuple(self), strict=True))


def list_sectors(name: str, thickness: Map, sectors: Sectors, unit: str) -> Iterator[Measurement]:
    """List the numbers of a thickness map in each sector: mean, least, greatest, SD, volume."""
    found = sectors.measure(thickness)
    for sector, numbers in found.items():
        yield from _list_spread(name, sector, numbers, unit)
        if unit == "um":
            volume = None if numbers.integral is None else numbers.integral / 1000
            yield Measurement("volume", name, sector, volume, "mm3", valid=numbers.valid)
    if name in (RETINA, TO_BRUCH):
        centre = found[CENTRE]
        yield Measurement("CST", name, CENTRE, centre.mean, unit, valid=centre.valid)


def list_scan(name: str, thickness: Map, unit: str) -> Iterator[Measurement]:
    """List the numbers of a thickness map over all A-scans, each counting alike."""
    known = thickness[np.isfinite(thickness)].astype(np.float64)
    valid = known.size / thickness.size
    values = (known.mean(), known.min(), known.max(), known.std()) if known.size else (None,) * 4
    mean, least, greatest, deviation = (None if v is None else float(v) for v in values)
    numbers = ArcNumbers(mean, least, greatest, deviation, valid)
    yield from _list_spread(name, SCAN, numbers, unit)


def list_arcs(name: str, profile: Map, unit: str) -> Iterator[Measurement]:
    """List the numbers of a thickness profile on a circle, in each of its sectors."""
    for sector, numbers in measure_circle(profile).items():
        yield from _list_spread(name, sector, numbers, unit)


def _list_spread(
    name: str, sector: str, numbers: SectorNumbers | ArcNumbers, unit: str
) -> Iterator[Measurement]:
    for measure, value in (
        ("mean thickness", numbers.mean),
        ("minimum thickness", numbers.least),
        ("maximum thickness", numbers.greatest),
        ("SD of thickness", numbers.deviation),
    ):
        yield Measurement(measure, name, sector, value, unit, valid=numbers.valid)


def list_lesion(
    name: str,
    fluid: Fluid,
    *,
    grid: EnfaceGrid,
    axial_um: float,
    sectors: Sectors | None,
    fovea_mm: Place | None,
    valid: Mapping[str, float],
) -> Iterator[Measurement]:
    """List the numbers of a lesion in a volume of known scale.

    Parameters
    ----------
    valid
        Annotated part of each sector, and of the scan.
    """
    for sector, numbers in measure_fluid(fluid, grid, axial_um, sectors).items():
        share = valid.get(sector)
        yield Measurement("area", name, sector, numbers.area_mm2, "mm2", valid=share)
        yield Measurement("volume", name, sector, numbers.volume_nl, "nl", valid=share)
    pockets = fluid.sum_pockets(grid.area_mm2 * axial_um)
    share = valid.get(SCAN)
    yield Measurement("pockets", name, SCAN, float(len(pockets)), "", valid=share)
    largest = pockets[0] if pockets else 0.0
    yield Measurement("largest pocket", name, SCAN, largest, "nl", valid=share)
    height = fluid.highest_px * axial_um
    yield Measurement("height", name, SCAN, height, "um", valid=share)
    if fovea_mm is not None:
        away = measure_distance(fluid, grid, fovea_mm)
        yield Measurement("distance to the fovea", name, SCAN, away, "um", valid=share)


def list_pixels(
    name: str, fluid: Fluid, *, pixel_mm2: float | None, valid: float
) -> Iterator[Measurement]:
    """List the numbers of a lesion where its volume cannot be told.

    Parameters
    ----------
    pixel_mm2
        Area of a pixel of the one B-scan; None where it is unknown, or there are several.
    """
    count = float(fluid.heights_px.sum())
    if pixel_mm2 is None:
        yield Measurement("pixels", name, SCAN, count, "px", valid=valid)
    else:
        area = count * pixel_mm2
        yield Measurement("area in the B-scan", name, SCAN, area, "mm2", valid=valid)
    yield Measurement("pockets", name, SCAN, float(len(fluid.pockets)), "", valid=valid)

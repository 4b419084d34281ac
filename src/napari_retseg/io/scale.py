"""Pixel sizes: units, rounding, and which of them to believe."""

from __future__ import annotations

import math

from napari_retseg.scan import AXIAL_UM, LATERAL_UM

#: Micrometres in one unit, by the names that files use.
UNITS_UM = {
    **dict.fromkeys(("nm", "nanometer"), 1e-3),
    # the second is written with a micro sign, the third with a Greek mu
    **dict.fromkeys(("um", "µm", "μm", "micron", "microns", "micrometer"), 1.0),
    **dict.fromkeys(("mm", "millimeter"), 1e3),
    **dict.fromkeys(("cm", "centimeter"), 1e4),
    **dict.fromkeys(("m", "meter"), 1e6),
    **dict.fromkeys(("in", "inch"), 25_400.0),
}
_LEAST_DENSITY = 1e-12


def to_um(value: object, unit: object) -> float | None:
    """A pixel size in um; None where the value or its unit says nothing.

    Parameters
    ----------
    value
        Size of a pixel, in `unit`.
    unit
        As written in the file; upper and lower case are the same.
    """
    factor = UNITS_UM.get(str(unit).strip().replace("\\u00B5", "µ").lower())
    if factor is None or not isinstance(value, int | float):
        return None
    size = float(value) * factor
    if not math.isfinite(size) or size <= 0:
        return None
    # a product ends in noise: 0.00387 mm is 3.87 um
    return size if factor == 1 else float(f"{size:.9g}")


def density_to_um(per_unit: float, unit: object) -> float | None:
    """A pixel size in um from the number of pixels in a unit; None where it says nothing."""
    # files keep the quotient of two whole numbers: 3.87 comes back as 3.8700000000000006
    if not math.isfinite(per_unit) or abs(per_unit) < _LEAST_DENSITY:
        return None
    return to_um(float(f"{1 / per_unit:.9g}"), unit)


def believe_density(per_unit: tuple[float, float], unit: str) -> tuple[float | None, float | None]:
    """Pixel sizes from a print resolution, where they can be those of OCT.

    Programs write 72, 96 or 300 dpi into files that have no scale. Only sizes that OCT can
    have (`scan.AXIAL_UM`, `scan.LATERAL_UM`) are believed.

    Parameters
    ----------
    per_unit
        Pixels in a unit, (down, across).
    unit
        The unit.

    Returns
    -------
    tuple
        (axial, lateral) in um; both None where not believed.
    """
    return believe_sizes(*(density_to_um(n, unit) for n in per_unit))


def believe_sizes(down: float | None, across: float | None) -> tuple[float | None, float | None]:
    """Pixel sizes in um, (axial, lateral), where they can be those of OCT; else None."""
    if down is None or across is None:
        return None, None
    axial = AXIAL_UM[0] <= down <= AXIAL_UM[1]
    lateral = LATERAL_UM[0] <= across <= LATERAL_UM[1]
    return (down, across) if axial and lateral else (None, None)

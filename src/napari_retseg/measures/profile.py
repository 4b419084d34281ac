"""Thickness around the optic disc, on a circle: temporal, superior, nasal, inferior, temporal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_retseg.measures.thickness import Map

#: Sectors of the circle in degrees from temporal over superior, as devices print them: quadrants,
#: and the halves of the upper and lower ones towards temporal and nasal.
SECTORS: tuple[tuple[str, tuple[float, float]], ...] = (
    ("G", (0.0, 360.0)),
    ("T", (315.0, 45.0)),
    ("S", (45.0, 135.0)),
    ("N", (135.0, 225.0)),
    ("I", (225.0, 315.0)),
    ("TS", (45.0, 90.0)),
    ("NS", (90.0, 135.0)),
    ("NI", (225.0, 270.0)),
    ("TI", (270.0, 315.0)),
)
#: What is assumed, since files do not say it.
ASSUMED = (
    "the circle is taken to begin on the temporal side and to run over superior, nasal and inferior"
)


@dataclass(frozen=True)
class ArcNumbers:
    """Thickness on an arc of the circle; None where nothing of it is measured."""

    mean: float | None
    least: float | None
    greatest: float | None
    deviation: float | None
    valid: float


def measure_circle(thickness: Map) -> dict[str, ArcNumbers]:
    """Measure a profile of one circle, ``(width,)`` or ``(1, width)``, in each sector.

    A-scans run from temporal over superior, nasal and inferior, back to temporal.
    """
    profile = np.asarray(thickness).reshape(-1)
    angles = list_angles(len(profile))
    return {name: _describe(profile[_lies_within(angles, arc)]) for name, arc in SECTORS}


def list_angles(width: int) -> NDArray[np.float64]:
    """Return the place of each A-scan in degrees from temporal over superior, ``(width,)``."""
    angles: NDArray[np.float64] = (np.arange(width) + 0.5) * 360 / width
    return angles


def _lies_within(angles: NDArray[np.float64], arc: tuple[float, float]) -> NDArray[np.bool_]:
    first, last = arc
    if first < last:
        return (angles >= first) & (angles < last)
    return (angles >= first) | (angles < last)


def _describe(values: Map) -> ArcNumbers:
    known = values[np.isfinite(values)].astype(np.float64)
    if not known.size:
        return ArcNumbers(None, None, None, None, 0.0)
    return ArcNumbers(
        mean=float(known.mean()),
        least=float(known.min()),
        greatest=float(known.max()),
        deviation=float(known.std()),
        valid=known.size / values.size,
    )

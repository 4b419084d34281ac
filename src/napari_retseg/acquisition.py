"""How a scan was made, as far as its file says: positions, averaging, quality, what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: Start x, y and end x, y of a B-scan on the fundus, in mm; x to the right, y down, as the fundus
#: image shows them.
Place = tuple[float, float, float, float]


@dataclass(frozen=True)
class Acquisition:
    """What a file says of a scan besides its pixels, and how it is known.

    A reader fills in what its file says; what is left empty is unknown. All that is said of
    B-scans is in the order of the pixels, but for `missing` and `repeated`, which are numbers
    in the file, counted from 0.

    Parameters
    ----------
    positions_mm
        Place of each B-scan on the fundus; empty where unknown.
    quality
        The device's own quality of each B-scan, in its own unit.
    averaged
        Number of frames that each B-scan is the mean of.
    missing, repeated
        B-scans that are declared but not there, and those that are there more than once.
    reversed_axes
        Axes (``"bscan"``, ``"width"``) that were reversed when the file was read, so that
        B-scans run from inferior to superior and A-scans from left to right on the fundus.
    laterality_from
        Where in the file the laterality comes from, such as "header, ScanPosition".
    derived
        How the pixel size of an axis was derived where the file does not store it, by axis.
    left_out
        What the file holds and is not read, such as "1 colour fundus photograph".
    contradictions
        What does not agree within the file, one line each.
    """

    positions_mm: tuple[Place, ...] = ()
    quality: tuple[float | None, ...] = ()
    averaged: tuple[int | None, ...] = ()
    missing: tuple[int, ...] = ()
    repeated: tuple[int, ...] = ()
    reversed_axes: tuple[str, ...] = ()
    laterality_from: str = ""
    derived: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    contradictions: tuple[str, ...] = ()

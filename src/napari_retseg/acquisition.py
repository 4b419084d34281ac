"""How a scan was made, as far as its file says: positions, averaging, quality, what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

#: Start x, y and end x, y of a B-scan on the fundus, in mm; x to the right, y down, as the fundus
#: image shows them.
Place = tuple[float, float, float, float]

#: Patterns whose B-scans do not lie beside each other.
NOT_RASTERS = ("circle", "radial")
#: `Acquisition.laterality_from` of what a user entered.
BY_USER = "entered by the user"
#: The same of what only the name of the file says.
FROM_NAME = "file name"


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
        How what the file does not store was derived: the pixel size of an axis by its name, and
        ``"positions"``, ``"scan_pattern"``, ``"fundus"`` (the pixel size of the fundus image).
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


def find_direction(positions_mm: Sequence[Place]) -> tuple[int, int] | None:
    """Tell how the B-scans of a raster run.

    Returns
    -------
    tuple or None
        Direction of the B-scans (1: inferior to superior, -1: superior to inferior, 0: one B-scan)
        and of the A-scans (1: left to right on the fundus, -1: right to left). None where B-scans
        are not horizontal and parallel, or not in order.
    """
    places = np.asarray(positions_mm, float).reshape(-1, 4)
    if not len(places) or not np.isfinite(places).all():
        return None
    along = places[:, 2:] - places[:, :2]
    is_horizontal = np.abs(along[:, 0]) > np.abs(along[:, 1])
    sides = np.sign(along[:, 0])
    if not is_horizontal.all() or (sides != sides[0]).any():
        return None
    steps = np.sign(np.diff(places[:, 1] + places[:, 3]))
    if len(places) == 1:
        return 0, int(sides[0])
    if steps[0] == 0 or (steps != steps[0]).any():
        return None
    # y points down on the fundus image
    return int(-steps[0]), int(sides[0])

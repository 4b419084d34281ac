"""Two sets of labels of one scan: overlap, boundaries, and what is measured of both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import IGNORE, LabelSet
from napari_retseg.errors import InputError
from napari_retseg.layers.anatomy import is_lesion
from napari_retseg.layers.named import list_layers
from napari_retseg.measures import Centre, Measures, measure_labels
from napari_retseg.measures.spans import RETINA, is_raised
from napari_retseg.scan import Laterality, OctScan
from napari_retseg.scores import ScoreCounter

#: What is compared of all that is measured: not places, counts, or the spread within a sector.
COMPARED = (
    "CST",
    "mean thickness",
    "volume",
    "area",
    "area in the B-scan",
    "pixels",
    "largest pocket",
    "height",
)


@dataclass(frozen=True, slots=True)
class PairedNumber:
    """One number of an eye, from both sets of labels."""

    measure: str
    structure: str
    sector: str
    unit: str
    first: float
    second: float

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What it is: the same of all eyes that can be compared."""
        return self.measure, self.structure, self.sector, self.unit


@dataclass(frozen=True, eq=False)
class Eye:
    """The agreement on one scan.

    Attributes
    ----------
    name
        Of the scan.
    laterality
        OD or OS; None where it is unknown.
    counter
        Overlap and boundaries, of all its B-scans.
    numbers
        What is measured of both.
    has_scale
        Whether the axial pixel size is known, so that boundaries are in um.
    notes
        What the user should know.
    """

    name: str
    laterality: Laterality | None
    counter: ScoreCounter
    numbers: tuple[PairedNumber, ...]
    has_scale: bool
    notes: tuple[str, ...] = ()


def compare_labels(
    first: NDArray[np.uint8],
    second: NDArray[np.uint8],
    classes: LabelSet,
    scan: OctScan,
    *,
    name: str,
    centre: Centre = "fovea",
) -> Eye:
    """Compare two sets of labels of one scan.

    Pixels that are not annotated in either do not count. Both are measured on the same A-scans,
    and on the same ETDRS grid: a fovea is found in the first.

    Parameters
    ----------
    first, second
        Class values of the scan's shape. The first is the reference of boundaries.
    classes
        Their names.
    scan
        Its scale; the pixels do not matter.
    name
        Of the scan.
    centre
        Of the ETDRS grid.

    Raises
    ------
    InputError
        Where shapes differ, or labels contain a value that is no class.
    """
    for values in (first, second):
        if values.shape != scan.spatial_shape:
            raise InputError(
                f"{name}: labels of shape {first.shape} and {second.shape} do not fit each other "
                f"and a scan of shape {scan.spatial_shape}"
            )
        unknown = classes.unknown_values(values)
        if unknown:
            raise InputError(f"{name}: label values {unknown} have no class; name all classes")
    left_out = (first == IGNORE) | (second == IGNORE)
    both = [np.where(left_out, np.uint8(IGNORE), values) for values in (first, second)]
    counter = ScoreCounter(classes)
    axial_um = scan.spacing_um[-2] if scan.is_oct else None
    planes = (classes.to_indices(one).reshape(-1, *one.shape[-2:]) for one in both)
    for bscan, (one, other) in enumerate(zip(*planes, strict=True)):
        counter.compare(one, other, name=f"{name} B-scan {bscan}", group=name, um_per_px=axial_um)
    numbers, notes = _measure(both[0], both[1], classes, scan, centre)
    return Eye(name, scan.laterality, counter, numbers, axial_um is not None, notes)


def _measure(
    first: NDArray[np.uint8],
    second: NDArray[np.uint8],
    classes: LabelSet,
    scan: OctScan,
    centre: Centre,
) -> tuple[tuple[PairedNumber, ...], tuple[str, ...]]:
    if not scan.is_oct:
        return (), ("only overlap is compared: the scan is no OCT scan",)
    if not (list_layers(classes) or any(map(_is_measured, classes.names))):
        return (), ("only overlap is compared: no class is a retinal layer or a lesion",)
    one = measure_labels(first, classes, scan, centre=centre)
    place = _find_place(one) or centre
    other = measure_labels(second, classes, scan, centre=place)
    return tuple(_pair(one, other)), one.notes


def _is_measured(name: str) -> bool:
    return is_lesion(name) or is_raised(name) or name == RETINA


def _find_place(measures: Measures) -> tuple[float, float] | None:
    """Where the grid of the first lies: sectors are compared at one place."""
    try:
        found = [measures.find(axis, "centre of the grid").value for axis in ("B-scan", "A-scan")]
    except KeyError:
        return None
    bscan, ascan = found
    return None if bscan is None or ascan is None else (bscan, ascan)


def _pair(first: Measures, second: Measures) -> Iterator[PairedNumber]:
    others = {(m.measure, m.structure, m.sector, m.unit): m.value for m in second.numbers}
    for one in first.numbers:
        key = (one.measure, one.structure, one.sector, one.unit)
        other = others.get(key)
        if one.measure in COMPARED and one.value is not None and other is not None:
            yield PairedNumber(*key, one.value, other)

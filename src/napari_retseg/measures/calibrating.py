"""From labels of held-out patients, predicted and right ones, to the intervals of a model."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import IGNORE, LabelSet
from napari_retseg.measures.conformal import find_bound
from napari_retseg.measures.intervals import (
    LEVEL,
    Intervals,
    Region,
    find_error,
    find_region,
    name_measure,
)
from napari_retseg.measures.quantities import Measurement
from napari_retseg.measures.results import Centre, Measures, measure_labels
from napari_retseg.scan import OctScan

#: Measure, structure and region.
Key = tuple[str, str, Region]
#: Six digits are more than bounds deserve.
_DIGITS = 6


class Calibration:
    """Collects the errors of a model's numbers on patients that had no part in its training."""

    def __init__(self, classes: LabelSet) -> None:
        self._classes = classes
        self._errors: dict[Key, dict[str, list[float]]] = {}
        self.groups: set[str] = set()

    def add(
        self,
        group: str,
        labels: NDArray[np.uint8],
        truth: NDArray[np.uint8],
        scan: OctScan,
        is_doubtful: NDArray[np.bool_] | None = None,
    ) -> None:
        """Add a scan of a patient.

        Parameters
        ----------
        labels, truth
            Class values as predicted, and the right ones; of the scan's shape.
        is_doubtful
            A-scans that are left out of the prediction, ``(bscan, width)``.

        Raises
        ------
        InputError
            Where the scan cannot be measured.
        """
        self.groups.add(group)
        for part, said, right, doubtful in _take_parts(scan, labels, truth, is_doubtful):
            self._add(group, part, said, right, doubtful)

    def _add(
        self,
        group: str,
        scan: OctScan,
        labels: NDArray[np.uint8],
        truth: NDArray[np.uint8],
        is_doubtful: NDArray[np.bool_] | None,
    ) -> None:
        found, right = measure_both(labels, truth, self._classes, scan, is_doubtful)
        for one, wanted in match(found, right):
            error = find_error(one, wanted, scan, found.sectors)
            if error is not None:
                region = find_region(one.sector, scan.n_bscans)
                key = (name_measure(one), one.structure, region)
                self._errors.setdefault(key, {}).setdefault(group, []).append(error)

    def join(self, other: Calibration) -> None:
        """Add the errors of other patients."""
        self.groups |= other.groups
        for key, errors in other._errors.items():
            for group, values in errors.items():
                self._errors.setdefault(key, {}).setdefault(group, []).extend(values)

    def complete(self, other: Calibration) -> None:
        """Add the errors of what is not measured in these classes, such as all fluid together."""
        known = {structure for _, structure, _ in self._errors}
        for key, errors in other._errors.items():
            if key[1] not in known:
                self._errors[key] = errors

    def finish(self, *, weights_id: str, data: str, level: float = LEVEL) -> Intervals:
        """Return the intervals; numbers of which too few patients have one get none.

        Parameters
        ----------
        weights_id
            Of the model.
        data
            Which scans these were.
        """
        bounds: dict[str, dict[str, dict[Region, float]]] = {}
        for (measure, structure, region), errors in sorted(self._errors.items()):
            bound = find_bound(errors, level)
            if bound is not None:
                rounded = float(f"{bound:.{_DIGITS}g}")
                bounds.setdefault(measure, {}).setdefault(structure, {})[region] = rounded
        return Intervals(
            weights_id=weights_id,
            level=level,
            groups=len(self.groups),
            data=data,
            bounds=bounds,
        )


def measure_both(
    labels: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    classes: LabelSet,
    scan: OctScan,
    is_doubtful: NDArray[np.bool_] | None = None,
) -> tuple[Measures, Measures]:
    """Measure labels and the right ones with one ETDRS grid, where both are annotated.

    Returns
    -------
    tuple
        Of the labels, with the grid on their own fovea; of the right ones, with the same grid.
    """
    said = np.where(truth == IGNORE, truth, labels)
    found = measure_labels(said, classes, scan, is_doubtful=is_doubtful)
    centre: Centre = "fovea"
    if found.sectors is not None and found.grid is not None:
        centre = found.grid.numbers_of(found.sectors.centre_mm)
    return found, measure_labels(truth, classes, scan, centre=centre)


def match(found: Measures, right: Measures) -> Iterator[tuple[Measurement, Measurement]]:
    """Pair the numbers of two sets of labels."""
    known = {(one.measure, one.structure, one.sector): one for one in right.numbers}
    for one in found.numbers:
        wanted = known.get((one.measure, one.structure, one.sector))
        if wanted is not None and wanted.unit == one.unit:
            yield one, wanted


def _take_parts(
    scan: OctScan,
    labels: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    is_doubtful: NDArray[np.bool_] | None,
) -> Iterator[tuple[OctScan, NDArray[np.uint8], NDArray[np.uint8], NDArray[np.bool_] | None]]:
    """The scan, its middle B-scan, and both without a known scale."""
    parts = [(scan, labels, truth, is_doubtful)]
    if scan.is_volume and scan.n_bscans > 1:
        middle = _find_middle(truth)
        doubtful = None if is_doubtful is None else is_doubtful[middle : middle + 1]
        parts.append((_take_bscan(scan, middle), labels[middle], truth[middle], doubtful))
    for one, said, right, doubtful in parts:
        yield one, said, right, doubtful
        if any(size is not None for size in one.spacing_um):
            yield one.with_spacing((None,) * len(one.spacing_um)), said, right, doubtful


def _find_middle(truth: NDArray[np.uint8]) -> int:
    """The annotated B-scan that is nearest to the middle."""
    middle = len(truth) // 2
    known = [k for k, plane in enumerate(truth) if (plane != IGNORE).any()]
    return min(known, key=lambda k: abs(k - middle), default=middle)


def _take_bscan(scan: OctScan, index: int) -> OctScan:
    """Take a B-scan of a volume as a scan of its own, of known pixel size where that is known."""
    return OctScan(
        pixels=scan.read_bscan(index)[0],
        axes=("depth", "width"),
        spacing_um=scan.spacing_um[-2:],
        spacing_source=scan.spacing_source,
        laterality=scan.laterality,
    )

"""How far two sets of labels agree: as pandas tables with plots."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_retseg.agreement import Agreement, Cohort, compare_labels
from napari_retseg.agreement.cohort import AGREEMENT, BOUNDARIES, MEASURES, OVERLAP, Row
from napari_retseg.agreement.figures import draw_bland_altman
from napari_retseg.agreement.pairing import find_pairs, find_scan, read_pair
from napari_retseg.api.arguments import (
    ClassesLike,
    ImageLike,
    LabelsLike,
    as_classes,
    as_labels,
    as_path,
    describe,
    read_scan,
)
from napari_retseg.api.frames import import_pandas
from napari_retseg.api.measuring import check_centre, need_classes
from napari_retseg.errors import UsageError
from napari_retseg.measures import Centre
from napari_retseg.models.label_records import recall_classes
from napari_retseg.scan import OctScan

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_TEXTS = {"scan", "eye", "class", "boundary", "measure", "sector", "unit"}


@dataclass(frozen=True, eq=False)
class Comparison:
    """How far two sets of labels agree, as pandas tables.

    Attributes
    ----------
    overlap
        Dice and IoU of each class: over all scans (``scan`` is "all") and of each.
    boundaries
        Boundary error: ``mean`` and ``p95`` of the absolute error, and ``bias`` (positive where B
        lies deeper), in ``unit``.
    measures
        Thickness and volume of each scan: ``a``, ``b`` and ``difference`` (B - A).
    agreement
        Over all scans: bias, limits of agreement and ICC(2,1) of each measure, with intervals of
        95 %.
    notes
        What the user should know, by scan.
    """

    overlap: pd.DataFrame
    boundaries: pd.DataFrame
    measures: pd.DataFrame
    agreement: pd.DataFrame
    notes: dict[str, tuple[str, ...]]
    _agreements: list[Agreement] = field(repr=False)

    def plot(self, measure: str, name: str, sector: str = "scan") -> Figure:
        """Draw the Bland-Altman plot of a measure.

        Parameters
        ----------
        measure, name, sector
            A row of `agreement`: its ``measure``, ``class`` and ``sector``.

        Returns
        -------
        matplotlib.figure.Figure
            A notebook shows it; ``figure.savefig("plot.png")`` writes it.

        Raises
        ------
        UsageError
            Where there is no such row.
        """
        for one in self._agreements:
            if one.key[:3] == (measure, name, sector):
                return draw_bland_altman(one)
        raise UsageError(
            f"nothing is compared as {measure!r} of {name!r} in {sector!r}; the table agreement "
            "has what there is"
        )


def compare(
    a: LabelsLike,
    b: LabelsLike,
    *,
    scan: ImageLike | None = None,
    classes: ClassesLike | None = None,
    centre: Centre = "fovea",
    spacing_um: Sequence[float | None] | None = None,
) -> Comparison:
    """Compare two sets of labels: of two graders, of a model and a grader, or of two models.

    Pixels that are 255 ("not annotated") in either do not count. Sectors are at the same place in
    both. Where the pixel size is not known, numbers are in pixels.

    Parameters
    ----------
    a, b
        Two arrays of class values, two label files, or two folders of label files, which are
        paired by their names. `a` is the reference of boundaries.
    scan
        What :func:`read_scan` takes; of two folders, the folder of scans with the same names. By
        default the pixel size is that of the label files.
    classes
        Names of the classes 1, 2, ... or value to name. By default those that ``dataset.json`` or
        ``classes.json`` names, beside the labels or in the folder above.
    centre
        Of the ETDRS grid: "fovea" (found in `a`), "file" (of the file's own grid), or a B-scan and
        an A-scan, counted from 0.
    spacing_um
        Pixel size in um for each axis, of two arrays without a scan.

    Returns
    -------
    Comparison
        Its tables, and :meth:`Comparison.plot`.

    Raises
    ------
    InputError
        Where a file cannot be read, the labels do not fit each other, or the classes differ.
    UsageError
        Where an argument is something else, or pandas is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_retseg as rs
    >>> a = np.zeros((64, 96), np.uint8)
    >>> a[20:30], a[30:50] = 1, 2
    >>> b = np.zeros((64, 96), np.uint8)
    >>> b[22:30], b[30:50] = 1, 2
    >>> found = rs.compare(a, b, classes=["NFL", "RPE"], spacing_um=(4, 12))
    >>> boundary = found.boundaries.iloc[0]
    >>> boundary["boundary"], float(boundary["bias"]), boundary["unit"]
    ('inner boundary of NFL', 8.0, 'um')
    """
    import_pandas()
    place = check_centre(centre)
    if all(isinstance(one, str | os.PathLike) for one in (a, b)):
        if spacing_um is not None:
            raise UsageError("spacing_um is for arrays; of files, give the scan")
        cohort, notes = _compare_files(as_path(a, expected=""), b, scan, classes, place)
    else:
        cohort, notes = _compare_arrays(a, b, scan, classes, place, spacing_um)
    agreements = cohort.list_agreements()
    return Comparison(
        overlap=_make_frame(cohort.list_overlap(), OVERLAP),
        boundaries=_make_frame(cohort.list_boundaries(), BOUNDARIES),
        measures=_make_frame(cohort.measures, MEASURES),
        agreement=_make_frame([one.to_row() for one in agreements], AGREEMENT),
        notes=notes,
        _agreements=agreements,
    )


def _compare_arrays(
    a: Any,
    b: Any,
    scan: Any,
    classes: ClassesLike | None,
    centre: Centre,
    spacing_um: Sequence[float | None] | None,
) -> tuple[Cohort, dict[str, tuple[str, ...]]]:
    named = need_classes(classes)
    first = as_labels(a)
    second = as_labels(b, shape=first.shape)
    # of the pixels only the shape matters
    image = np.broadcast_to(np.uint8(0), first.shape) if scan is None else scan
    found = read_scan(image, spacing_um=spacing_um)
    eye = compare_labels(first, second, named, found, name="labels", centre=centre)
    cohort = Cohort(named)
    cohort.add(eye)
    return cohort, {eye.name: eye.notes}


def _compare_files(
    a: Path, b: Any, scan: Any, classes: ClassesLike | None, centre: Centre
) -> tuple[Cohort, dict[str, tuple[str, ...]]]:
    other = as_path(b, expected="a label file or a folder of label files")
    named = None if classes is None else as_classes(classes)
    pairs = find_pairs(a, other, classes=named, recall=recall_classes)
    is_one = len(pairs.found) == 1
    is_path = isinstance(scan, str | os.PathLike)
    if not (scan is None or is_path or is_one):
        raise UsageError(f"expected scan as the folder of the scans, got {describe(scan)}")
    cohort = Cohort(pairs.first)
    notes = {"": pairs.alone} if pairs.alone else {}
    for pair in pairs.found:
        own: OctScan | None = None
        if is_path:
            folder = as_path(scan, expected="a scan or a folder of scans")
            own = read_scan(find_scan(pair, folder, is_one=is_one))
        elif scan is not None:
            own = read_scan(scan)
        first, second, found = read_pair(pair, pairs, own)
        eye = compare_labels(first, second, pairs.first, found, name=pair.name, centre=centre)
        cohort.add(eye)
        notes[pair.name] = eye.notes
    return cohort, notes


def _make_frame(rows: Sequence[Row], columns: Sequence[str]) -> pd.DataFrame:
    table: pd.DataFrame = import_pandas().DataFrame(rows, columns=list(columns))
    for column in set(columns) - _TEXTS:
        table[column] = table[column].astype(float)
    return table

"""What changed between two visits of an eye: as a pandas table."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from napari_retseg.api.arguments import ClassesLike, ImageLike, LabelsLike, PathLike, read_scan
from napari_retseg.api.frames import import_pandas
from napari_retseg.api.measuring import check_centre, find_folder, read_with_classes
from napari_retseg.errors import UsageError
from napari_retseg.measures import Centre
from napari_retseg.models import read_info
from napari_retseg.models.label_records import Records
from napari_retseg.models.sureness import find_repeatability
from napari_retseg.visits import COLUMNS, Repeatability, Visit, find_change
from napari_retseg.visits.repeatability import ALL, OWN

if TYPE_CHECKING:
    import pandas as pd

    from napari_retseg.api.model import Model


def change(
    before: LabelsLike,
    after: LabelsLike,
    *,
    scans: tuple[ImageLike, ImageLike],
    classes: ClassesLike | None = None,
    model: Model | PathLike | None = None,
    centre: Centre = "fovea",
    repeatability_um: float | Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Find what changed between two visits of one eye.

    The second visit is laid over the first by the vessels of the SLO (of the en-face projection
    where a file has none) and the foveas. Both are measured where both are known, in the ETDRS
    grid of the first.

    Parameters
    ----------
    before, after
        Class values of the scans' shapes, as arrays or label files.
    scans
        The scan of the first and of the second visit: what :func:`read_scan` takes.
    classes
        As for :func:`measure`.
    model
        That predicted the labels of both visits, which nobody has changed or confirmed: what its
        numbers differ by in unchanged eyes decides then what is more than noise. Label files that
        ``predict`` wrote say it themselves.
    centre
        Of the ETDRS grid, in the first visit.
    repeatability_um
        Your own coefficient of repeatability of thickness: 1.96 standard deviations of the
        differences of repeated scans; or that of each layer by its name, and of each lesion in nl.
        By default that of the model, where it is known; else 20 um for the whole retina, from the
        literature, and none for others.

    Returns
    -------
    pandas.DataFrame
        A row for each layer or lesion and sector: ``measure``, ``class``, ``sector``, ``before``,
        ``after``, ``change``, ``unit``, ``repeatability`` (the coefficient of one number),
        ``smallest_change`` (of one of many numbers), ``is_change`` (None where neither is known),
        ``valid_fraction``. ``table.attrs`` has ``maps`` (differences in um at the A-scans of the
        first visit), ``registration`` and ``notes``.

    Raises
    ------
    InputError
        Where a file cannot be read, the eyes or patients differ, or the vessels do not match.
    UsageError
        Where an argument is something else, or pandas is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.ndimage import gaussian_filter
    >>> import napari_retseg as rs
    >>> noise = np.random.default_rng(0).normal(size=(49, 1, 128))
    >>> shade = 120 + 600 * gaussian_filter(noise, (1, 0, 2.5))
    >>> pixels = np.repeat(shade.clip(0, 255).astype(np.uint8), 110, axis=1)
    >>> scan = rs.read_scan(pixels, spacing_um=(120, 4, 47))
    >>> before = np.zeros(pixels.shape, np.uint8)
    >>> before[:, 20:80] = 1
    >>> after = before.copy()
    >>> after[:, 80:85] = 1
    >>> pair = (scan, scan)
    >>> table = rs.change(before, after, scans=pair, classes=["retina"], repeatability_um=4)
    >>> cst = table[table["sector"] == "C0"].iloc[0]
    >>> round(float(cst["change"]), 1), bool(cst["is_change"])
    (20.0, True)
    """
    pandas = import_pandas()
    place = check_centre(centre)
    if not isinstance(scans, tuple | list) or len(scans) != 2:
        raise UsageError("scans: give the scan of the first and of the second visit")
    folder = None if model is None else find_folder(model)
    if folder is not None and classes is None:
        classes = {one.value: one.name for one in read_info(folder).classes.classes}
    first, second = (
        _read_visit(name, labels, image, classes, folder)
        for name, labels, image in zip(("before", "after"), (before, after), scans, strict=True)
    )
    named = None if folder is None else str(folder)
    least = _as_repeatability(repeatability_um) or find_repeatability(first, second, model=named)
    found = find_change(first, second, centre=place, repeatability=least)
    rows = [one.to_row() for one in found.rows]
    table: pd.DataFrame = pandas.DataFrame(rows, columns=list(COLUMNS))
    numbers = ("before", "after", "change", "repeatability", "smallest_change", "valid_fraction")
    for column in numbers:
        table[column] = table[column].astype(float)
    # of booleans and None, pandas would make numbers
    table["is_change"] = table["is_change"].astype(object)
    table.attrs = {
        "maps": found.maps,
        "registration": found.registration,
        "repeatability": found.repeatability.source,
        "notes": list(found.notes),
    }
    return table


def _read_visit(
    name: str,
    labels: LabelsLike,
    image: ImageLike,
    classes: ClassesLike | None,
    model: Path | None,
) -> Visit:
    scan = read_scan(image)
    values, names = read_with_classes(labels, scan, classes)
    said_by: frozenset[str] = frozenset()
    if model is not None:
        said_by = frozenset([read_info(model).weights_id])
    elif isinstance(labels, str | os.PathLike):
        path = Path(labels)
        said_by = Records(path.parent).look_at(path, values).said_by
    return Visit(str(scan.source or name), scan, values, names, said_by=said_by)


def _as_repeatability(given: float | Mapping[str, float] | None) -> Repeatability | None:
    if given is None:
        return None
    named = given if isinstance(given, Mapping) else {ALL: given}
    try:
        values = {str(name): float(value) for name, value in named.items()}
    except (TypeError, ValueError) as error:
        raise UsageError("repeatability_um: expected µm, or layers with µm") from error
    if not values or not all(0 < one < 1000 for one in values.values()):
        raise UsageError("repeatability_um: expected µm from 0 to 1000")
    return Repeatability(values, OWN)

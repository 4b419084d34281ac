"""Thickness, ETDRS sectors and fluid of a scan: as a pandas table."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.api.arguments import (
    ClassesLike,
    ImageLike,
    LabelsLike,
    PathLike,
    as_classes,
    as_labels,
    as_path,
    describe,
    read_scan,
)
from napari_retseg.api.frames import import_pandas
from napari_retseg.classes import LabelSet
from napari_retseg.dataset.loading import name_classes
from napari_retseg.dataset.pair import name_values
from napari_retseg.errors import UsageError
from napari_retseg.io import read_labels
from napari_retseg.measures import COLUMNS, Centre, measure_labels
from napari_retseg.models import find_model, read_info
from napari_retseg.models.label_records import Records, name_recorded
from napari_retseg.models.sureness import find_sureness
from napari_retseg.scan import OctScan

if TYPE_CHECKING:
    import pandas as pd

    from napari_retseg.api.model import Model


def measure(
    labels: LabelsLike,
    scan: ImageLike,
    *,
    classes: ClassesLike | None = None,
    model: Model | PathLike | None = None,
    centre: Centre = "fovea",
    spacing_um: Sequence[float | None] | None = None,
) -> pd.DataFrame:
    """Measure the layers and lesions of a scan.

    Thickness of each layer, of the inner, outer and whole retina: mean, minimum, maximum, standard
    deviation and volume in each sector of the ETDRS grid, and in the whole scan. Area, volume,
    pockets, height and distance to the fovea of fluid and other lesions. Where the pixel size is
    not known, numbers are in pixels.

    Parameters
    ----------
    labels
        Class values of the scan's shape, as an array or a label file.
    scan
        What :func:`read_scan` takes.
    classes
        Names of the classes 1, 2, ... or value to name, as ``model.classes`` has them. By default
        those of `model`, or that ``dataset.json`` or ``classes.json`` beside a label file names, or
        of the model that predicted the file.
    model
        That predicted the labels; by default they are nobody's. Its numbers have intervals where it
        is calibrated. Leave it out once a person has confirmed the labels.
    centre
        Of the ETDRS grid: "fovea" (found on the inner retina), "file" (of the file's own grid), or
        a B-scan and an A-scan, counted from 0.
    spacing_um
        Pixel size in um for each axis, where the file has none.

    Returns
    -------
    pandas.DataFrame
        A row for each number: ``measure``, ``class``, ``sector``, ``value``, ``unit``, ``low``,
        ``high`` (its interval, NaN where it has none) and ``valid_fraction`` (the measured part of
        the sector, 0 to 1). ``table.attrs["notes"]`` says what to know about them.

    Raises
    ------
    InputError
        Where a file cannot be read, the labels do not fit, or nothing can be measured.
    UsageError
        Where an argument is something else, or pandas is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_retseg as rs
    >>> scan = rs.read_scan(np.zeros((61, 128, 256), np.uint8), spacing_um=(120, 4, 26))
    >>> labels = np.zeros((61, 128, 256), np.uint8)
    >>> labels[:, 20:95] = 1
    >>> table = rs.measure(labels, scan, classes=["retina"], centre=(30, 128))
    >>> cst = table[table["measure"] == "CST"].iloc[0]
    >>> round(float(cst["value"]), 3), cst["unit"]
    (300.0, 'um')

    Labels of a model have intervals:

    >>> table = rs.measure(labels * 7, scan, model="starter", centre=(30, 128))
    >>> row = table[table["class"] == "OS-RPE"].iloc[0]
    >>> bool(row["low"] < row["value"] < row["high"])
    True
    """
    pandas = import_pandas()
    found = read_scan(scan, spacing_um=spacing_um)
    place = check_centre(centre)
    folder = None if model is None else find_folder(model)
    if folder is not None and classes is None:
        classes = _list_classes(folder)
    values, names = read_with_classes(labels, found, classes)
    measures = measure_labels(values, names, found, centre=place)
    if folder is not None:
        weights = read_info(folder).weights_id
        measures = find_sureness([weights], model=str(folder)).widen(measures, found)
    rows = [one.to_row() for one in measures.numbers]
    table: pd.DataFrame = pandas.DataFrame(rows, columns=list(COLUMNS))
    for column in ("value", "low", "high", "valid_fraction"):
        table[column] = table[column].astype(float)
    table.attrs = {"eye": measures.eye, "notes": list(measures.notes)}
    return table


def find_folder(model: Model | PathLike) -> Path:
    """Return the bundle of a model, or of its name or folder."""
    # a loaded model knows its folder; its type would bring torch along
    place = getattr(model, "folder", model)
    if not isinstance(place, str | os.PathLike):
        raise UsageError(f"expected a model, its name or its folder; got {describe(model)}")
    return find_model(os.fspath(place))


def _list_classes(folder: Path) -> dict[int, str]:
    return {one.value: one.name for one in read_info(folder).classes.classes}


def read_with_classes(
    labels: LabelsLike, scan: OctScan, classes: ClassesLike | None
) -> tuple[NDArray[np.uint8], LabelSet]:
    """Return class values of the scan's shape, and the names of the classes."""
    if not isinstance(labels, str | os.PathLike):
        return as_labels(labels, shape=scan.spatial_shape), need_classes(classes)
    path = as_path(labels, expected="a label file")
    values = read_labels(path, scan=scan)
    if classes is not None:
        return values, as_classes(classes)
    named = name_classes(path.parent, [])
    if named.foreground:
        return values, named
    recorded = name_recorded(Records(path.parent).look_at(path, values).record)
    return values, name_values(values, path) if recorded is None else recorded[0]


def need_classes(classes: ClassesLike | None) -> LabelSet:
    """Return the classes of an array of labels, which has no names beside it.

    Raises
    ------
    UsageError
        Where there are none.
    """
    if classes is None:
        raise UsageError(
            "an array of labels needs the names of its classes, as in classes=model.classes or "
            "classes=['NFL', 'fluid']"
        )
    return as_classes(classes)


def check_centre(centre: Any) -> Centre:
    """Return the centre of the ETDRS grid.

    Raises
    ------
    UsageError
        Where it is none.
    """
    if isinstance(centre, str) and centre in ("fovea", "file"):
        named: Any = centre
        return named  # type: ignore[no-any-return]
    expected = "expected centre='fovea', centre='file', or a B-scan and an A-scan"
    try:
        bscan, ascan = (float(one) for one in centre)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{expected}; got {describe(centre)}") from error
    return bscan, ascan

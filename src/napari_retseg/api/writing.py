"""A dataset on disk from images and labels of any kind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

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
from napari_retseg.dataset import Case, Dataset, save_dataset
from napari_retseg.errors import InputError, UsageError
from napari_retseg.io import write_labels
from napari_retseg.io.scans import write_tiff_copy
from napari_retseg.io.suffixes import stem_of
from napari_retseg.scan import OctScan


def make_dataset(
    folder: PathLike,
    images: Sequence[ImageLike],
    labels: Sequence[LabelsLike],
    *,
    patients: Sequence[str],
    classes: ClassesLike,
    spacing_um: Sequence[float | None] | None = None,
) -> Dataset:
    """Write images and labels as a dataset, to train and to score on.

    Parameters
    ----------
    folder
        A new or empty folder.
    images
        Each one is what :func:`read_scan` takes: a path, an array of grey values or a scan.
    labels
        For each image its class values, as an array or a label file, of the image's shape
        without a channel axis. 0 is background, 255 is "not annotated".
    patients
        For each image the patient's name. Images of one patient are either trained on or held
        out, never both.
    classes
        Names of the classes 1, 2, ... or value to name.
    spacing_um
        Pixel size in um for each axis, where the files have none.

    Returns
    -------
    Dataset
        As written; `folder` names it from now on.

    Raises
    ------
    InputError
        Where the folder holds something, an image or label file cannot be read, a label is of
        another shape than its image, or holds a value without a class.
    UsageError
        Where the numbers of images, labels and patients differ, or one is something else.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import napari_retseg as rs
    >>> images = np.zeros((2, 64, 96), np.uint8)
    >>> folder = Path(tempfile.mkdtemp()) / "study"
    >>> study = rs.make_dataset(
    ...     folder, images, images, patients=["P1", "P2"], classes=["NFL", "fluid"]
    ... )
    >>> len(study.cases), study.labels.names
    (2, ('background', 'NFL', 'fluid'))
    """
    root = as_path(folder, expected="a folder for the dataset").absolute()
    _check_counts(images, labels, patients)
    names = as_classes(classes)
    scans = [read_scan(image, spacing_um=spacing_um) for image in images]
    planes = [
        as_labels(one, shape=scan.spatial_shape) for one, scan in zip(labels, scans, strict=True)
    ]
    for one in planes:
        names.to_indices(one)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise InputError(f"{root}: this folder is not empty; use a new one for the dataset")
    cases = tuple(
        _write_case(root.resolve(), number, scan, values, group=group)
        for number, (scan, values, group) in enumerate(zip(scans, planes, patients, strict=True))
    )
    dataset = Dataset(root=root.resolve(), name=root.name, labels=names, cases=cases)
    save_dataset(dataset)
    return dataset


def _check_counts(images: object, labels: object, patients: object) -> None:
    for name, value in (("images", images), ("labels", labels), ("patients", patients)):
        if isinstance(value, str) or not hasattr(value, "__len__"):
            raise UsageError(f"expected {name} as a list, got {describe(value)}")
    counts = [len(value) for value in (images, labels, patients)]  # type: ignore[arg-type]
    if len(set(counts)) > 1 or not counts[0]:
        raise UsageError(
            "expected as many labels and patients as images, and at least one; got {} images, "
            "{} labels and {} patients".format(*counts)
        )
    if not all(isinstance(one, str) and one.strip() for one in patients):  # type: ignore[attr-defined]
        raise UsageError("expected the names of patients as texts that are not empty")


def _write_case(
    root: Path, number: int, scan: OctScan, labels: NDArray[np.uint8], *, group: str
) -> Case:
    stem = "" if scan.source is None else f"-{stem_of(scan.source)}"
    image, label = (root / kind / f"{number:03d}{stem}.tif" for kind in ("images", "labels"))
    for path in (image, label):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_tiff_copy(image, scan)
    write_labels(label, labels, scan=scan)
    return Case(image=image, label=label, group=group)

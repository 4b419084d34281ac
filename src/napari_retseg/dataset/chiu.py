"""The Chiu 2015 dataset (diabetic macular edema, Duke University) from its MATLAB files.

Chiu et al., Biomed. Opt. Express 6(4):1172 (2015). A file holds ``images`` (496, 768, 61) of one
patient, and of grader 1 ``manualLayers1`` (8, 768, 61), the rows of eight boundaries, and
``manualFluid1`` (496, 768, 61), fluid regions by number. Eleven B-scans are annotated; the
boundaries of all others, and of columns outside the annotated field, are NaN.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from natsort import natsorted
from numpy.typing import NDArray

from napari_retseg.classes import BACKGROUND, IGNORE, RETINA
from napari_retseg.dataset.case import Case
from napari_retseg.dataset.collection import Dataset
from napari_retseg.errors import InputError
from napari_retseg.io import write_labels, write_scan
from napari_retseg.io.matfile import load_mat
from napari_retseg.scan import OctScan

N_BOUNDARIES = 8
_FLUID = next(c.value for c in RETINA.classes if c.name == "fluid")
_SUBJECT = re.compile(r"^subject_?(\d+)\.mat$", re.IGNORECASE)
_ABOUT = {
    "description": "Spectralis B-scans of eyes with diabetic macular edema. Seven retinal layers "
    "and fluid by grader 1. A-scans that were not annotated have the value 255.",
    "reference": "Chiu et al., Biomed. Opt. Express 6(4):1172, 2015",
    "modality": {"0": "OCT"},
}


def import_chiu(source: Path, folder: Path) -> Dataset:
    """Write every annotated B-scan and its labels as PNG, ``S01_B28`` the 28th of patient 1.

    Raises
    ------
    InputError
        Where there are no ``Subject_*.mat``, or one of them is not as the dataset's are.
    """
    files = [source] if source.is_file() else natsorted(source.iterdir())
    subjects = {int(found[1]): path for path in files if (found := _SUBJECT.match(path.name))}
    if not subjects:
        raise InputError(f"{source}: contains no Subject_01.mat, Subject_02.mat, ...")
    cases = []
    for number, path in sorted(subjects.items()):
        group = f"S{number:02d}"
        for index, image, labels in read_subject(path):
            name = f"{group}_B{index + 1:02d}.png"
            target = folder / "images" / name
            write_scan(target, OctScan(pixels=image, axes=("depth", "width")))
            write_labels(folder / "labels" / name, labels)
            cases.append(Case(image=target, label=folder / "labels" / name, group=group))
    return Dataset(
        root=folder, name="Chiu 2015 DME", labels=RETINA, cases=tuple(cases), about=_ABOUT
    )


def read_subject(path: Path) -> Iterator[tuple[int, NDArray[np.uint8], NDArray[np.uint8]]]:
    """Read the annotated B-scans of one patient.

    Yields
    ------
    index, image, labels
        Index from 0, and two arrays ``(depth, width)``.

    Raises
    ------
    InputError
        Where the file cannot be read, its arrays do not fit, or nothing is annotated.
    """
    mat = load_mat(path, ["images", "manualLayers1", "manualFluid1"])
    images, boundaries, fluid = (np.atleast_3d(mat[key]) for key in mat)
    if fluid.shape != images.shape or boundaries.shape != (N_BOUNDARIES, *images.shape[1:]):
        raise InputError(
            f"{path}: images {images.shape}, manualLayers1 {boundaries.shape} and manualFluid1 "
            f"{fluid.shape} do not fit together; (depth, width, bscan) and ({N_BOUNDARIES}, "
            "width, bscan) are needed"
        )
    annotated = np.flatnonzero(np.isfinite(boundaries).all(axis=0).any(axis=0)).tolist()
    if not annotated:
        raise InputError(f"{path}: none of its {images.shape[2]} B-scans is annotated")
    for index in annotated:
        labels = draw_labels(boundaries[..., index], fluid[..., index], depth=images.shape[0])
        yield index, _to_grey(images[..., index], path), labels


def draw_labels(
    boundaries: NDArray[np.floating[Any]], fluid: NDArray[Any], *, depth: int
) -> NDArray[np.uint8]:
    """Draw eight boundaries and a fluid mask as labels of :data:`napari_retseg.classes.RETINA`.

    MATLAB counts rows from 1. A pixel belongs to a layer if its centre lies below the layer's
    upper boundary, and not below its lower one. Above the first boundary and below the last
    one is background. Fluid takes precedence over layers.

    Parameters
    ----------
    boundaries
        Rows from 1, ``(8, width)``. Columns with a NaN are not annotated: 255.
    fluid
        Not 0 (and not NaN) where there is fluid, ``(depth, width)``.

    Returns
    -------
    ndarray of uint8
        Class values, ``(depth, width)``.
    """
    known = np.isfinite(boundaries).all(axis=0)
    rows = np.where(known, boundaries, 0.0)
    # a centre, row k from 0, is at k + 1: the first one below row y is k = floor(y)
    first = np.floor(np.maximum.accumulate(rows, axis=0))
    above = np.arange(depth)[:, np.newaxis, np.newaxis] >= first
    labels: NDArray[np.uint8] = above.sum(axis=1).astype(np.uint8)
    labels[labels == N_BOUNDARIES] = BACKGROUND
    labels[np.nan_to_num(fluid) > 0] = _FLUID
    labels[:, ~known] = IGNORE
    return labels


def _to_grey(image: NDArray[Any], path: Path) -> NDArray[np.uint8]:
    """Turn a B-scan to 8 bits, which some versions of the file store as float."""
    if image.dtype == np.uint8:
        return np.ascontiguousarray(image)
    if not np.isfinite(image).all() or image.min() < 0 or image.max() > 255:
        raise InputError(f"{path}: images contain values outside 0 to 255")
    grey: NDArray[np.uint8] = np.rint(image).astype(np.uint8)
    return grey

"""MATLAB files of the Chiu 2015 data set (diabetic macular edema, Duke University).

Chiu et al., Biomed. Opt. Express 6(4):1172 (2015). One file a patient: ``images`` (496, 768, 61)
are 61 B-scans; the layers and fluid of two graders lie beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.errors import InputError
from napari_retseg.io.grey import check_dtype
from napari_retseg.io.opening import check_file, reading
from napari_retseg.scan import OctScan


def read_chiu(path: Path) -> OctScan:
    """Read the B-scans of a file of the Chiu 2015 data set.

    Returns
    -------
    OctScan
        Axes (bscan, depth, width); the file holds no spacing.

    Raises
    ------
    InputError
        Where the file is missing, empty, cut off, of MATLAB 7.3, or without ``images``.
    """
    images = load_mat(path, ["images"])["images"]
    check_dtype(path, images.dtype)
    if images.ndim not in (2, 3):
        raise InputError(f"{path}: 'images' has shape {images.shape}; (depth, width, bscan) needed")
    volume = np.moveaxis(np.atleast_3d(images), -1, 0)
    if volume.dtype.kind == "f":
        volume = _narrow(volume)
    return OctScan(
        pixels=np.ascontiguousarray(volume),
        axes=("bscan", "depth", "width"),
        source=path,
        bscans_declared=volume.shape[0],
    )


def load_mat(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Load variables of a MATLAB file (version 4 to 7).

    Parameters
    ----------
    path
        The file.
    names
        The variables; each must be there.

    Raises
    ------
    InputError
        Where the file is missing, empty, cut off, of MATLAB 7.3, or lacks a variable.
    """
    # takes longer to import than all of the other formats, and few files need it
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    check_file(path)
    with reading(path, "a MATLAB file", MatReadError):
        try:
            found = loadmat(path, variable_names=list(names))
        except NotImplementedError as error:
            raise InputError(
                f"{path}: is a MATLAB 7.3 file; save it again in MATLAB with save(..., '-v7')"
            ) from error
    missing = [name for name in names if name not in found]
    if missing:
        raise InputError(
            f"{path}: has no variable '{missing[0]}'; only files of the Chiu 2015 data set are read"
        )
    return {name: np.asarray(found[name]) for name in names}


def _narrow(volume: NDArray[Any]) -> NDArray[Any]:
    """Doubles that hold 8-bit values become 8-bit, others 32-bit floats."""
    if volume.min() >= 0 and volume.max() <= 255 and np.array_equal(volume, np.rint(volume)):
        return volume.astype(np.uint8)
    return volume.astype(np.float32)

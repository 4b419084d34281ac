"""MATLAB files of the Chiu 2015 dataset (diabetic macular edema, Duke University).

Chiu et al., Biomed. Opt. Express 6(4):1172 (2015). One file a patient: ``images`` (496, 768, 61)
are 61 B-scans; the layers and fluid of two graders lie beside them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.errors import InputError
from napari_retseg.io.matfile import load_mat
from napari_retseg.scan import OctScan


def read_chiu(path: Path) -> OctScan:
    """Read the B-scans of a file of the Chiu 2015 dataset.

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
    if images.ndim not in (2, 3):
        raise InputError(
            f"{path}: 'images' has shape {images.shape}; shape (depth, width, bscan) needed"
        )
    volume = np.moveaxis(np.atleast_3d(images), -1, 0)
    if volume.dtype.kind == "f":
        volume = _narrow(volume)
    return OctScan(
        pixels=np.ascontiguousarray(volume),
        axes=("bscan", "depth", "width"),
        source=path,
        bscans_declared=volume.shape[0],
    )


def _narrow(volume: NDArray[Any]) -> NDArray[Any]:
    """Doubles that hold 8-bit values become 8-bit, others 32-bit floats."""
    if volume.min() >= 0 and volume.max() <= 255 and np.array_equal(volume, np.rint(volume)):
        return volume.astype(np.uint8)
    return volume.astype(np.float32)

"""En-face projection: the grey values between two surfaces, seen from the front."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_retseg.measures.thickness import Map
from napari_retseg.scan import OctScan


def project_slab(
    scan: OctScan,
    upper: NDArray[np.floating[Any]],
    lower: NDArray[np.floating[Any]],
    *,
    how: Literal["mean", "max"] = "mean",
) -> Map:
    """Project the pixels between two surfaces of a volume, B-scan by B-scan.

    Parameters
    ----------
    scan
        Of several channels the first is taken.
    upper, lower
        Rows, ``(bscan, width)``: pixels below `upper` and not below `lower` count.
    how
        Their mean or their largest.

    Returns
    -------
    ndarray of float32
        ``(bscan, width)``, NaN where no pixel lies between them.
    """
    depth, width = scan.spatial_shape[-2:]
    grid = np.arange(depth)[:, np.newaxis]
    found = np.full((scan.n_bscans, width), np.nan, np.float32)
    for bscan in range(scan.n_bscans):
        plane = scan.read_bscan(bscan)[0].astype(np.float32)
        inside = (grid > upper[bscan]) & ~(grid > lower[bscan]) & np.isfinite(lower[bscan])
        count = inside.sum(axis=0)
        if how == "mean":
            total = np.where(inside, plane, 0).sum(axis=0, dtype=np.float64)
            found[bscan] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        else:
            most = np.where(inside, plane, -np.inf).max(axis=0)
            found[bscan] = np.where(count > 0, most, np.nan)
    return found

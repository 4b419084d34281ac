"""Curves for a person to edit: smooth boundaries that draw the same labels, and back to labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_retseg.layers import LayerMap, labels_of_boundaries

#: A-scans over which the steps of a label map are smoothed, and rows by which a curve may then
#: lie beside the middle of its step: it draws the same labels.
_SIGMA, _MOST = 3.0, 0.49


def make_curves(found: LayerMap, *, depth: int) -> NDArray[np.float32]:
    """Make smooth curves of the boundaries of a label map.

    Returns
    -------
    ndarray of float32
        Rows ``(boundary, width)`` in the coordinates of pixel centres, which draw the same labels
        as `found`. Equal where a layer is absent, NaN in an A-scan without layers.
    """
    known = np.isfinite(found.rows[0])
    steps = np.where(known, found.rows + np.float32(0.5), 0).astype(np.float32)
    weight = ndimage.gaussian_filter1d(known.astype(np.float32), _SIGMA, mode="nearest")
    smooth = ndimage.gaussian_filter1d(steps, _SIGMA, axis=-1, mode="nearest")
    smooth /= np.maximum(weight, np.float32(1e-6))
    curves = np.clip(smooth, steps - np.float32(_MOST), steps + np.float32(_MOST))
    for k in range(1, len(curves)):
        curves[k] = np.where(steps[k] == steps[k - 1], curves[k - 1], curves[k])
    curves = np.clip(curves, -0.5, depth - 0.5)
    return np.where(known, curves, np.float32(np.nan))


def redraw(
    labels: NDArray[np.uint8],
    before: NDArray[np.float32],
    after: NDArray[np.float32],
    layers: Sequence[int],
    rest: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """Draw the layers again in those A-scans in which a boundary has moved.

    Parameters
    ----------
    labels
        Class values, ``(depth, width)``.
    before, after
        Rows, ``(boundary, width)``.
    layers
        Values of the layers, from above.
    rest
        What lies over the layers, ``(depth, width)``: see :class:`LayerMap`.

    Returns
    -------
    ndarray of uint8
        New labels; all other A-scans are the same.
    """
    drawn = labels.copy()
    moved = np.flatnonzero(((before != after) & np.isfinite(after)).any(axis=0))
    if moved.size:
        drawn[:, moved] = labels_of_boundaries(
            after[:, moved], layers, depth=len(labels), rest=rest[:, moved]
        )
    return drawn

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
#: Parts of a pixel that are told apart: half a pixel more or less is exactly that.
_PARTS = np.float32(64)


def make_curves(found: LayerMap, *, depth: int) -> NDArray[np.float32]:
    """Make smooth curves of the boundaries of a label map.

    Where a pocket of fluid hides a boundary, it goes straight on as far as that is in the pocket.

    Returns
    -------
    ndarray of float32
        Rows ``(boundary, width)`` in the coordinates of pixel centres, which draw the same labels
        as `found`. Equal where a layer is absent, NaN in an A-scan without layers.
    """
    known = np.isfinite(found.rows[0])
    lowest = np.where(known, found.rows + np.float32(0.5), 0).astype(np.float32)
    highest = np.where(known, found.highest_rows() + np.float32(0.5), 0).astype(np.float32)
    steps = _go_straight(lowest, highest, known)
    weight = ndimage.gaussian_filter1d(known.astype(np.float32), _SIGMA, mode="nearest")
    smooth = ndimage.gaussian_filter1d(steps, _SIGMA, axis=-1, mode="nearest")
    smooth /= np.maximum(weight, np.float32(1e-6))
    curves: NDArray[np.float32] = np.clip(
        smooth, highest - np.float32(_MOST), lowest + np.float32(_MOST)
    )
    np.maximum.accumulate(curves, axis=0, out=curves)
    for k in range(1, len(curves)):
        curves[k] = np.where(lowest[k] == lowest[k - 1], curves[k - 1], curves[k])
    np.clip(curves, -0.5, depth - 0.5, out=curves)
    return np.where(known, np.round(curves * _PARTS) / _PARTS, np.float32(np.nan))


def _go_straight(
    lowest: NDArray[np.float32], highest: NDArray[np.float32], known: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Rows that are known, and straight lines between them where a pocket hides a boundary."""
    steps, at = lowest.copy(), np.arange(len(known))
    for row, low, high in zip(steps, lowest, highest, strict=True):
        seen = known & (low == high)
        if seen.any() and not seen.all():
            row[:] = np.clip(np.interp(at, at[seen], low[seen]), high, low)
    return steps


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

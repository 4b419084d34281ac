"""How alike the surroundings of a boundary are on two B-scans, from grey values alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

#: Rows above and below a boundary that are compared.
HALF = 12
#: A-scans over which grey values are averaged along the boundary, and then the likeness; standard
#: deviations.
_ALONG, _AVERAGED = 6.0, 12.0


def flatten(
    grey: NDArray[np.float32], rows: NDArray[np.float32], reach: int
) -> NDArray[np.float32]:
    """Cut a strip along a boundary out of a B-scan.

    Parameters
    ----------
    grey
        Grey values, ``(depth, width)``.
    rows
        Of the boundary, ``(width,)``; where it is NaN, the row of the A-scans beside it counts.
    reach
        Rows above and below it.

    Returns
    -------
    ndarray of float32
        ``(2 * reach + 1, width)``, averaged along the boundary; the boundary lies in the middle.
    """
    width = grey.shape[1]
    columns = np.arange(width)
    known = np.isfinite(rows)
    if not known.any():
        return np.zeros((2 * reach + 1, width), np.float32)
    filled = np.interp(columns, columns[known], rows[known])
    at = filled + 0.5 + np.arange(-reach, reach + 1)[:, np.newaxis]
    places = np.stack([at, np.broadcast_to(columns, at.shape)])
    strip = ndimage.map_coordinates(grey, places, order=1, mode="nearest")
    smooth: NDArray[np.float32] = ndimage.gaussian_filter1d(strip, _ALONG, axis=1)
    return smooth


def compare(
    strip: NDArray[np.float32], pattern: NDArray[np.float32], reach: int
) -> NDArray[np.float32]:
    """Compare a pattern with a strip at each offset.

    Parameters
    ----------
    strip
        Of :func:`flatten` with ``reach + HALF`` rows on each side.
    pattern
        The same of another B-scan with ``HALF`` rows.
    reach
        The largest offset.

    Returns
    -------
    ndarray of float32
        Correlation of the grey values, -1 to 1, ``(2 * reach + 1, width)``, averaged over
        neighbouring A-scans.
    """
    weight = np.exp(-0.5 * (np.arange(-HALF, HALF + 1) / (HALF / 1.5)) ** 2).astype(np.float32)
    weight = (weight / weight.sum())[:, np.newaxis]
    wanted, spread = _centre(pattern, weight)
    found = np.empty((2 * reach + 1, strip.shape[1]), np.float32)
    for offset in range(2 * reach + 1):
        part, own_spread = _centre(strip[offset : offset + 2 * HALF + 1], weight)
        together = (part * wanted * weight).sum(axis=0)
        found[offset] = together / np.maximum(np.sqrt(spread * own_spread), 1e-6)
    averaged: NDArray[np.float32] = ndimage.gaussian_filter1d(found, _AVERAGED, axis=1)
    return averaged


def _centre(
    part: NDArray[np.float32], weight: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Take the weighted mean of each A-scan away; return its weighted variance, too."""
    centred = part - (part * weight).sum(axis=0)
    return centred, (centred**2 * weight).sum(axis=0)

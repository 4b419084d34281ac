"""Boundaries on the network's grid, brought to the scan's own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_retseg.nets.grid import Grid


def restore_curves(rows: NDArray[np.float32], grid: Grid) -> NDArray[np.float32]:
    """Bring boundaries to the scan's grid, linearly between A-scans.

    Parameters
    ----------
    rows
        On the network's input, ``(boundary, width)``; NaN where there is none.
    grid
        Of B-scans, ``(depth, width)``.

    Returns
    -------
    ndarray of float32
        Shape (boundary, width of the scan). NaN also where a crop has cut the scan.
    """
    depth, before, size = grid.shape[0], grid.fits()[0][0], grid.resampled[0]
    on_scan = (rows - before + 0.5) * (depth / size) - 0.5
    if grid.every > 1:
        on_scan = (rows - before) * grid.every
    places, is_cut = _place_columns(grid)
    columns = np.arange(rows.shape[1])
    absent = np.asarray(np.isnan(rows).any(axis=0))
    filled = np.where(absent, 0, on_scan)
    known = columns[~absent]
    found = np.full((len(rows), len(places)), np.nan, np.float32)
    if known.size:
        for row, curve in zip(filled, found, strict=True):
            curve[:] = np.interp(places, known, row[known])
    found[:, is_cut | absent[places.round().astype(int)]] = np.nan
    lowest = np.float32(depth - 0.5)
    return np.clip(found, np.float32(-0.5), lowest)


def restore_columns(marks: NDArray[np.bool_], grid: Grid) -> NDArray[np.bool_]:
    """Bring marks of A-scans ``(width,)`` to the scan's grid, from the nearest A-scan."""
    places, is_cut = _place_columns(grid)
    found: NDArray[np.bool_] = marks[places.round().astype(int)] & ~is_cut
    return found


def place_axes(grid: Grid) -> tuple[tuple[float, float], tuple[float, float]]:
    """Say where the network's rows and columns lie on the scan: scale and offset of each.

    Pixel i of the network's input lies at ``scale * i + offset`` of the scan.
    """
    found = []
    for n, (before, size, _) in zip(grid.shape, grid.fits(), strict=True):
        scale = float(grid.every) if grid.every > 1 else n / size
        first = 0.0 if grid.every > 1 else 0.5 * scale - 0.5
        found.append((scale, first - before * scale))
    rows, columns = found
    return rows, columns


def _place_columns(grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Place of the scan's A-scans on the network's input, and which of them a crop has cut."""
    width, (before, size, inputs) = grid.shape[1], grid.fits()[1]
    own = np.arange(width)
    on_resampled = own / grid.every if grid.every > 1 else (own + 0.5) * (size / width) - 0.5
    places = on_resampled.clip(0, size - 1) + before
    is_cut = (places < -0.5) | (places > inputs - 0.5)
    return places.clip(0, inputs - 1), is_cut

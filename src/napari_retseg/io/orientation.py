"""The order of B-scans and A-scans: one anatomical orientation, from the positions in the file.

Volumes come out with B-scans from inferior to superior, as Heidelberg and Zeiss store them, and
A-scans from left to right on the fundus. What runs the other way in its file is reversed, and that
is noted. Where a file has no positions, nothing is changed and the order is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.acquisition import NOT_RASTERS, find_direction
from napari_retseg.errors import InputError
from napari_retseg.io.lazy import PagedPixels
from napari_retseg.scan import BOUNDARIES, OctScan


class ReversedPixels(PagedPixels):
    """The same B-scans with the order of B-scans, or of A-scans, reversed."""

    def __init__(self, pixels: PagedPixels, *, bscans: bool, ascans: bool) -> None:
        self._pixels = pixels
        self._bscans = bscans
        self._ascans = ascans
        super().__init__(pixels.source, pixels.shape, pixels.dtype)

    def _read(self, leading: tuple[int, ...]) -> NDArray[Any]:
        if self._bscans:
            leading = (*leading[:-1], self.shape[-3] - 1 - leading[-1])
        plane: NDArray[Any] = self._pixels[leading]
        return plane[:, ::-1] if self._ascans else plane


def put_upright(scan: OctScan) -> OctScan:
    """Reverse B-scans that run from superior to inferior, and A-scans from right to left.

    Device boundaries, positions, quality and averaging are reversed with the pixels.
    """
    acquisition = scan.acquisition
    is_raster = scan.is_oct and scan.scan_pattern not in NOT_RASTERS
    found = find_direction(acquisition.positions_mm) if is_raster else None
    if found is None or (found[0] != -1 and found[1] != -1):
        return scan
    bscans, ascans = scan.is_volume and found[0] == -1, found[1] == -1
    places = acquisition.positions_mm
    if ascans:
        places = tuple((x1, y1, x0, y0) for x0, y0, x1, y1 in places)
    names = [name for name, is_so in (("bscan", bscans), ("width", ascans)) if is_so]
    turned = replace(
        acquisition,
        positions_mm=_reverse(places, bscans),
        quality=_reverse(acquisition.quality, bscans),
        averaged=_reverse(acquisition.averaged, bscans),
        reversed_axes=tuple(names),
    )
    metadata = dict(scan.metadata)
    if BOUNDARIES in metadata:
        metadata[BOUNDARIES] = {
            name: flip(rows, bscans=bscans, ascans=ascans)
            for name, rows in metadata[BOUNDARIES].items()
        }
    if isinstance(scan.pixels, PagedPixels):
        pixels: Any = ReversedPixels(scan.pixels, bscans=bscans, ascans=ascans)
    else:
        pixels = flip(scan.pixels, bscans=bscans, ascans=ascans, bscan_axis=-3)
    said = {"bscan": "B-scans", "width": "A-scans"}
    note = f"order of the {' and '.join(said[name] for name in names)} reversed, by their positions"
    return replace(
        scan, pixels=pixels, acquisition=turned, metadata=metadata, notes=(*scan.notes, note)
    )


def flip(values: NDArray[Any], *, bscans: bool, ascans: bool, bscan_axis: int = -2) -> NDArray[Any]:
    """Reverse an array along its B-scans, its A-scans (the last axis), or both."""
    axes = tuple(axis for axis, wanted in ((bscan_axis, bscans), (-1, ascans)) if wanted)
    return np.ascontiguousarray(np.flip(values, axes))


def to_file_order(labels: NDArray[Any], scan: OctScan) -> NDArray[Any]:
    """Bring labels of a scan, (bscan, depth, width), into the order of its file."""
    names = scan.acquisition.reversed_axes
    return flip(labels, bscans="bscan" in names, ascans="width" in names, bscan_axis=-3)


def boundaries_to_file_order(
    path: Path, boundaries: Mapping[str, NDArray[Any]], scan: OctScan
) -> dict[str, NDArray[Any]]:
    """Bring boundaries of a scan, (bscan, width) each, into the order of its file.

    Raises
    ------
    InputError
        Where there are none, or they do not fit the scan; naming `path`.
    """
    expected = scan.n_bscans, scan.spatial_shape[-1]
    if not boundaries:
        raise InputError(f"{path}: there are no boundaries to write")
    for name, rows in boundaries.items():
        if rows.shape != expected:
            raise InputError(
                f"{path}: boundary {name} of shape {rows.shape} does not fit a scan of {expected}"
            )
    names = scan.acquisition.reversed_axes
    return {
        name: flip(rows, bscans="bscan" in names, ascans="width" in names)
        for name, rows in boundaries.items()
    }


def _reverse(values: tuple[Any, ...], wanted: bool) -> tuple[Any, ...]:
    return values[::-1] if wanted else values

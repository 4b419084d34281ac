"""A folder of B-scans, in natural order, is a volume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.errors import InputError
from napari_retseg.io.grey import Values
from napari_retseg.io.paged import PagedPixels
from napari_retseg.io.raster import open_raster
from napari_retseg.io.suffixes import list_bscans, suffix_of
from napari_retseg.io.tiff import open_tiff
from napari_retseg.scan import OctScan


class FolderPixels(PagedPixels):
    """One file for each B-scan, decoded when it is read. Shape (bscan, depth, width)."""

    def __init__(self, folder: Path, planes: list[Any]) -> None:
        self._planes = planes
        super().__init__(folder, (len(planes), *planes[0].shape), planes[0].dtype)

    def _read(self, leading: tuple[int, ...]) -> NDArray[Any]:
        return np.asarray(self._planes[leading[0]])


def open_folder(folder: Path, values: Values) -> OctScan:
    """Open a folder of PNG, JPEG, BMP and single-page TIFF files as one volume.

    Returns
    -------
    OctScan
        Axes (bscan, depth, width); the B-scans in natural order (B2 before B10).

    Raises
    ------
    InputError
        Where there are none, or they differ in size or type.
    """
    files = list_bscans(folder)
    if not files:
        raise InputError(f"{folder}: no B-scans (PNG, JPEG, BMP, TIFF) in this folder")
    scans = [_open_bscan(file, values) for file in files]
    first = scans[0].pixels
    for file, scan in zip(files, scans, strict=True):
        found = scan.pixels
        if scan.is_volume or scan.n_channels > 1:
            raise InputError(f"{file}: is no single B-scan; read the file alone")
        if found.shape != first.shape:
            raise InputError(
                f"{folder}: B-scans of different sizes: {files[0].name} is {first.shape}, "
                f"{file.name} is {found.shape}; keep those of one volume in a folder"
            )
        if found.dtype != first.dtype:
            raise InputError(
                f"{folder}: B-scans of different types: {files[0].name} is {first.dtype}, "
                f"{file.name} is {found.dtype}; save them alike"
            )
    spacings = {scan.spacing_um for scan in scans}
    plane = spacings.pop() if len(spacings) == 1 else (None, None)
    return OctScan(
        pixels=FolderPixels(folder, [scan.pixels for scan in scans]),
        axes=("bscan", "depth", "width"),
        spacing_um=(None, *plane),
        spacing_source="file" if any(plane) else "unknown",
        source=folder,
        notes=tuple(dict.fromkeys(note for scan in scans for note in scan.notes)),
    )


def _open_bscan(file: Path, values: Values) -> OctScan:
    return (
        open_tiff(file, values)
        if suffix_of(file) in (".tif", ".tiff")
        else open_raster(file, values)
    )

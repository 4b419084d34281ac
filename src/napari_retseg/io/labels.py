"""Labels: class values of 8 bits, read from and written to files that others can read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.errors import InputError
from napari_retseg.io.file_errors import is_folder
from napari_retseg.io.file_layout import layout_of_labels
from napari_retseg.io.grid import Grid, bring_to_grid, grid_of
from napari_retseg.io.marks import MARK, check_mark, make_mark
from napari_retseg.io.save import save_planes
from napari_retseg.io.scans import iterate_planes, open_any, read_scan
from napari_retseg.io.suffixes import LABEL_SUFFIXES, stem_of, suffix_of
from napari_retseg.scan import OctScan


def read_labels(
    path: Path,
    *,
    shape: tuple[int, ...] | None = None,
    scan: OctScan | None = None,
    grid: Grid | None = None,
    image: Path | None = None,
) -> NDArray[np.uint8]:
    """Read class values from a file, or from a folder with one file a B-scan.

    Of a palette image the indices are taken. Whole numbers stored as float are accepted. NIfTI
    labels whose axes run otherwise than those of a NIfTI scan are turned to its grid.

    Parameters
    ----------
    path
        PNG, BMP, TIFF, NIfTI, NPY, NPZ, or a folder of images.
    shape
        The spatial shape of the scan that they belong to.
    scan
        The scan itself, in place of `shape` and `grid`.
    grid
        Where the scan's voxels lie; None: not known.
    image
        The scan's file, which is read only where the labels say which scan they belong to.

    Returns
    -------
    ndarray of uint8
        In the order of axes that `read_scan` gives to a scan of the same format.

    Raises
    ------
    InputError
        For colour images, fractions, values outside 0-255, channels, another shape, another grid,
        labels of another scan.
    """
    path = Path(path)
    if scan is not None:
        shape, grid = scan.spatial_shape, grid_of(scan)
    found = _open_labels(path, shape)
    if MARK in found.metadata:
        marked = scan if image is None else read_scan(image)
        if marked is not None:
            check_mark(path, found.metadata[MARK], marked)
    own = None if grid is None else grid_of(found)
    if shape is not None and own is None and found.spatial_shape != tuple(shape):
        raise InputError(
            f"{path}: labels of shape {found.spatial_shape} do not fit a scan of shape "
            f"{tuple(shape)}"
        )
    labels = np.empty(found.spatial_shape, np.uint8)
    planes = labels.reshape(-1, *labels.shape[-2:])
    for target, plane in zip(planes, iterate_planes(found.pixels), strict=True):
        target[...] = _to_values(path, plane)
    return bring_to_grid(path, labels, own, grid)


def read_label_planes(
    path: Path, *, shape: tuple[int, ...] | None = None
) -> tuple[tuple[int, ...], Iterator[NDArray[np.uint8]]]:
    """Read class values B-scan by B-scan, without holding the volume.

    Parameters
    ----------
    path
        As for :func:`read_labels`.
    shape
        Of the scan that they may belong to: labels of this shape are believed to hold it.

    Returns
    -------
    shape, planes
        As :func:`read_labels` reads the file without a scan.

    Raises
    ------
    InputError
        As :func:`read_labels`, also while the planes are read.
    """
    found = _open_labels(Path(path), shape)
    planes = (_to_values(path, plane) for plane in iterate_planes(found.pixels))
    return found.spatial_shape, planes


def _open_labels(path: Path, shape: tuple[int, ...] | None) -> OctScan:
    if not is_folder(path) and suffix_of(path) not in LABEL_SUFFIXES:
        known = " ".join(LABEL_SUFFIXES)
        raise InputError(
            f"{path}: labels cannot be saved as {suffix_of(path)!r}; use one of {known}"
        )
    found = open_any(path, "indices", expected=shape)
    if "channel" in found.axes:
        raise InputError(f"{path}: has {found.n_channels} channels, but labels have none")
    return found


def _to_values(path: Path, plane: NDArray[Any]) -> NDArray[np.uint8]:
    if plane.dtype == np.uint8:
        return plane
    if plane.dtype.kind == "f" and not np.array_equal(plane, np.rint(plane)):
        raise InputError(f"{path}: contains fractions or missing values; save class numbers")
    if plane.min() < 0 or plane.max() > 255:
        raise InputError(
            f"{path}: contains values from {plane.min():g} to {plane.max():g}; labels must "
            "be 0 to 255"
        )
    return plane.astype(np.uint8)


def write_labels(
    path: Path, labels: NDArray[np.uint8], *, scan: OctScan | None = None, mark: str | None = None
) -> Path:
    """Write class values, atomically.

    Parameters
    ----------
    path
        ``.png`` (one B-scan), ``.tif`` or ``.tiff`` (zlib), ``.nii`` or ``.nii.gz``, ``.npy``,
        ``.npz``.
    labels
        Class values of 8 bits, shape of the scan without its channels.
    scan
        Where axes, spacing and, for NIfTI, the grid come from.
    mark
        Which scan the labels belong to, as text (:mod:`napari_retseg.io.marks`), where `scan` does
        not have its grey values; empty: nobody knows.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    InputError
        Where labels and scan do not fit, the format cannot hold them, or the system refuses.
    """
    path = Path(path)
    if labels.dtype != np.uint8 or labels.ndim not in (2, 3):
        raise InputError(
            f"{path}: labels must be 8-bit with two or three axes, not {labels.dtype} of shape "
            f"{labels.shape}"
        )
    if scan is not None and labels.shape != scan.spatial_shape:
        raise InputError(
            f"{path}: labels of shape {labels.shape} do not fit a scan of shape "
            f"{scan.spatial_shape}"
        )
    if mark is None:
        mark = "" if scan is None else str(make_mark(scan))
    layout = layout_of_labels(labels.shape, scan, mark=mark)
    return save_planes(path, iterate_planes(labels), layout)


def label_path(scan: OctScan, folder: Path) -> Path:
    """Where the labels of a scan go: ``STEM.nii.gz``, ``STEM.png`` or ``STEM.tif``.

    NIfTI stays NIfTI, one B-scan becomes PNG, any other volume TIFF.

    Raises
    ------
    InputError
        Where the scan has no file, and so no name.
    """
    if scan.source is None:
        raise InputError("the scan has no file to name its labels after; save it first")
    if suffix_of(scan.source) in (".nii", ".nii.gz"):
        suffix = ".nii.gz"
    else:
        suffix = ".tif" if scan.is_volume else ".png"
    return Path(folder) / f"{stem_of(scan.source)}{suffix}"

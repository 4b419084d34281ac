"""`read_scan` and `write_scan`: the format is told by the suffix."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.errors import InputError, UsageError
from napari_retseg.io.bscan_folder import open_folder
from napari_retseg.io.chiu import read_chiu
from napari_retseg.io.devices import find_device_reader
from napari_retseg.io.file_errors import is_folder
from napari_retseg.io.file_layout import UNNAMED_AXES, layout_of_scan
from napari_retseg.io.grey import Values
from napari_retseg.io.nifti import read_nifti
from napari_retseg.io.numpyfiles import is_colour, read_npy, read_npz
from napari_retseg.io.orientation import put_upright
from napari_retseg.io.raster import open_raster
from napari_retseg.io.save import save_planes
from napari_retseg.io.suffixes import SCAN_SUFFIXES, suffix_of
from napari_retseg.io.surfaces_beside import attach_surfaces
from napari_retseg.io.tiff import open_tiff
from napari_retseg.scan import OctScan, check_spacing
from napari_retseg.trust import make_trust_sheet
from napari_retseg.volume_path import split_volume

_Shape = tuple[int, ...] | None
#: Pixel types that a TIFF cannot hold, and those that take their place.
_NEAREST = {"bool": "uint8", "float16": "float32", "int64": "float64", "uint64": "float64"}
_READERS: dict[str, Callable[[Path, Values, _Shape], OctScan]] = {
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".bmp"), lambda path, v, _: open_raster(path, v)),
    **dict.fromkeys((".tif", ".tiff"), lambda path, v, shape: open_tiff(path, v, expected=shape)),
    **dict.fromkeys((".nii", ".nii.gz"), lambda path, _, shape: read_nifti(path, expected=shape)),
    ".npy": lambda path, v, _: read_npy(path, v),
    ".npz": lambda path, v, shape: read_npz(path, v, expected=shape),
    ".mat": lambda path, _, __: read_chiu(path),
}


def read_scan(path: Path, *, spacing_um: tuple[float | None, ...] | None = None) -> OctScan:
    """Read a scan from a file, or from a folder of B-scans in natural order.

    Volumes stay on disk where the format allows it: `OctScan.read_bscan` then reads one B-scan.

    Parameters
    ----------
    path
        PNG, JPEG, BMP, TIFF, NIfTI, NPY, NPZ, MAT of the Chiu 2015 data, or a file of a device
        (docs/formats.md); ``file#2`` is the third of several volumes.
    spacing_um
        Pixel size in um for each spatial axis that the user knows better than the file.

    Returns
    -------
    OctScan
        Its notes say what the user should know: colour reduced to grey, implausible spacing.

    Raises
    ------
    InputError
        Where the file cannot be read, with the reason.
    UsageError
        Where `spacing_um` does not fit the axes.
    """
    path = Path(path)
    scan = open_any(path, "grey")
    if not scan.is_volume and not isinstance(scan.pixels, np.ndarray):
        # one B-scan is small: read it now, and find now that it is broken
        scan = replace(scan, pixels=np.asarray(scan.pixels))
    if scan.is_volume and scan.bscans_declared is None and not is_folder(path):
        # the header's shape is what the file declares; one that holds less is refused as cut off
        scan = replace(scan, bscans_declared=scan.n_bscans)
    if spacing_um is not None:
        scan = scan.with_spacing(_check_given(path, scan, spacing_um))
    return replace(scan, notes=(*scan.notes, *check_spacing(scan)))


def open_any(path: Path, values: Values, *, expected: tuple[int, ...] | None = None) -> OctScan:
    """Open a file or folder for its grey values, or for the class numbers that it holds.

    Parameters
    ----------
    path
        The file or folder.
    values
        What is wanted.
    expected
        A shape that the caller knows; a small file that unpacks to it is believed.

    Raises
    ------
    InputError
        Where the suffix is unknown or the file cannot be read.
    """
    file, volume = split_volume(path)
    device = find_device_reader(file)
    if device is not None:
        scan = attach_surfaces(replace(device.read(file, volume), source=path), path)
        source = "derived" if _is_derived(scan) else scan.spacing_source
        return replace(put_upright(scan), spacing_source=source)
    if volume is not None:
        raise InputError(f"{path}: files of this type hold one volume; leave out the #{volume}")
    scan = _open_plain(path, values, expected)
    return attach_surfaces(scan, path) if values == "grey" else scan


def _is_derived(scan: OctScan) -> bool:
    """Whether a pixel size of the B-scans is one that the file does not store."""
    plane = scan.spatial_axes[-2:]
    return scan.spacing_source == "file" and any(axis in scan.acquisition.derived for axis in plane)


def _open_plain(path: Path, values: Values, expected: _Shape) -> OctScan:
    """Open what is no device's."""
    if is_folder(path):
        return open_folder(path, values, expected=expected)
    reader = _READERS.get(suffix_of(path))
    if reader is None:
        known = " ".join(SCAN_SUFFIXES)
        raise InputError(f"{path}: unknown file type {suffix_of(path)!r}; use one of {known}")
    return reader(path, values, expected)


def describe_scan(scan: OctScan) -> dict[str, Any]:
    """Say what was read: plain values that JSON can hold, no pixels.

    Returns
    -------
    dict
        ``path``, ``axes``, ``shape``, ``dtype``, ``spacing_um`` and ``spacing_source``,
        ``laterality``, ``device``, ``scan_pattern``, ``patient_key``, ``bscans_declared``,
        ``bscans_read``, ``channels``, ``fundus_shape``, ``notes``, and the trust sheet as
        ``trust``; None where unknown.
    """
    return {
        "path": None if scan.source is None else str(scan.source),
        "axes": list(scan.axes),
        "shape": [int(n) for n in scan.pixels.shape],
        "dtype": str(scan.pixels.dtype),
        "spacing_um": [None if s is None else float(s) for s in scan.spacing_um],
        "spacing_source": scan.spacing_source,
        "laterality": scan.laterality,
        "device": scan.device,
        "scan_pattern": scan.scan_pattern,
        "patient_key": scan.patient_key,
        "bscans_declared": scan.bscans_declared,
        "bscans_read": scan.n_bscans,
        "channels": scan.n_channels,
        "fundus_shape": None if scan.fundus is None else [int(n) for n in scan.fundus.shape],
        "notes": list(scan.notes),
        "trust": make_trust_sheet(scan).to_json(),
    }


def write_scan(path: Path, scan: OctScan) -> Path:
    """Write a scan, atomically; reading it gives the same pixels and axes.

    Spacing is kept by TIFF and NPZ exactly, by NIfTI to seven digits, by PNG and NPY not at all.

    Parameters
    ----------
    path
        ``.tif``, ``.tiff``, ``.nii``, ``.nii.gz``, ``.png`` (one B-scan of 8 or 16 bits),
        ``.npy`` or ``.npz``.
    scan
        The scan.

    Raises
    ------
    InputError
        Where the format cannot hold the scan, or the system refuses to write.
    """
    path = Path(path)
    layout = layout_of_scan(scan)
    if suffix_of(path) in (".png", ".npy") and layout.axes != UNNAMED_AXES[len(layout.axes)]:
        names = ", ".join(layout.axes)
        raise InputError(f"{path}: this file type cannot store the axes {names}; use .tif or .npz")
    if suffix_of(path) == ".npy" and is_colour(layout.shape):
        raise InputError(f"{path}: shape {layout.shape} would be read as colour; use .tif or .npz")
    return save_planes(path, iterate_planes(scan.pixels), layout)


def write_tiff_copy(path: Path, scan: OctScan) -> Path:
    """Write any scan as TIFF; pixel types that it cannot hold become the nearest that it can.

    Raises
    ------
    InputError
        Where the system refuses to write.
    """
    nearest = _NEAREST.get(str(scan.pixels.dtype))
    if nearest is not None:
        scan = replace(scan, pixels=np.asarray(scan.pixels).astype(nearest))
    return write_scan(path, scan)


def iterate_planes(pixels: Any) -> Iterator[NDArray[Any]]:
    """Read the planes of an array-like, one at a time, in the order of its leading axes."""
    for place in itertools.product(*(range(n) for n in pixels.shape[:-2])):
        yield np.asarray(pixels[place])


def _check_given(
    path: Path, scan: OctScan, spacing_um: tuple[float | None, ...]
) -> tuple[float | None, ...]:
    names = ", ".join(scan.spatial_axes)
    if len(spacing_um) != len(scan.spatial_axes):
        raise UsageError(
            f"{path}: got {len(spacing_um)} pixel sizes, but {len(scan.spatial_axes)} are "
            f"needed ({names})"
        )
    if any(size is not None and not (math.isfinite(size) and size > 0) for size in spacing_um):
        raise UsageError(f"{path}: pixel sizes {spacing_um} must be positive, in µm ({names})")
    return tuple(None if size is None else float(size) for size in spacing_um)

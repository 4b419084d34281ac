"""Planes to files: the format is told by the suffix, the file appears whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from napari_retseg.errors import InputError
from napari_retseg.io.atomic import replace_atomically
from napari_retseg.io.file_layout import Layout
from napari_retseg.io.marks import PNG_KEY
from napari_retseg.io.nifti import write_nifti
from napari_retseg.io.numpyfiles import write_npy, write_npz
from napari_retseg.io.suffixes import WRITE_SUFFIXES, suffix_of
from napari_retseg.io.tiffwriter import write_tiff

_PNG_DTYPES = ("uint8", "uint16")
_TIFF_DTYPES = ("uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64")
_NIFTI_DTYPES = (*_TIFF_DTYPES, "int64", "uint64")


def save_planes(path: Path, planes: Iterable[NDArray[Any]], layout: Layout) -> Path:
    """Write planes, in the order of the leading axes, atomically.

    Parameters
    ----------
    path
        The file; its suffix tells the format.
    planes
        Arrays of shape ``layout.shape[-2:]``, taken one at a time.
    layout
        Shape, axes and scale.

    Raises
    ------
    InputError
        Where the format cannot hold them, or the system refuses to write.
    """
    check_target(path, layout)
    with replace_atomically(path) as temporary:
        _WRITERS[suffix_of(path)](temporary, planes, layout)
    return path


def check_target(path: Path, layout: Layout) -> None:
    """Refuse a format that cannot hold what is to be written.

    Raises
    ------
    InputError
        With what to choose instead.
    """
    suffix = suffix_of(path)
    if suffix not in WRITE_SUFFIXES:
        raise InputError(
            f"{path}: cannot write {suffix!r} files; use one of {' '.join(WRITE_SUFFIXES)}"
        )
    if suffix == ".png" and (len(layout.shape) != 2 or layout.dtype.name not in _PNG_DTYPES):
        raise InputError(
            f"{path}: a PNG can store one B-scan of 8 or 16 bits, not {layout.dtype} values of "
            f"shape {layout.shape}; use .tif"
        )
    if suffix in (".tif", ".tiff") and layout.dtype.name not in _TIFF_DTYPES:
        raise InputError(f"{path}: a TIFF file cannot store {layout.dtype} values; use .npy")
    if suffix.startswith(".nii") and layout.dtype.name not in _NIFTI_DTYPES:
        raise InputError(f"{path}: a NIfTI file cannot store {layout.dtype} values; use .npy")


def _write_png(target: Path, planes: Iterable[NDArray[Any]], layout: Layout) -> None:
    (plane,) = planes
    texts = PngInfo()
    if layout.mark:
        texts.add_text(PNG_KEY, layout.mark)
    Image.fromarray(np.ascontiguousarray(plane)).save(target, format="PNG", pnginfo=texts)


_WRITERS = {
    ".png": _write_png,
    **dict.fromkeys((".tif", ".tiff"), write_tiff),
    **dict.fromkeys((".nii", ".nii.gz"), write_nifti),
    ".npy": write_npy,
    ".npz": write_npz,
}

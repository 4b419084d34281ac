"""NPY and NPZ, never pickled.

Two axes are (depth, width), three (bscan, depth, width), four (channel, bscan, depth, width); a
last axis of 3 or 4 values behind an image of at least 16 x 16 is colour. NPZ files that this
package wrote hold their axes and spacing.
"""

from __future__ import annotations

import json
import tokenize
import zipfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from napari_retseg.errors import InputError
from napari_retseg.io.grey import Values, check_dtype, colour_note, reduce_rgb, refuse_colour
from napari_retseg.io.layout import UNNAMED_AXES, Layout
from napari_retseg.io.opening import check_file, reading
from napari_retseg.io.paged import PagedPixels, RawPixels
from napari_retseg.io.scale import to_um
from napari_retseg.io.spool import load_stream
from napari_retseg.scan import OctScan

#: Names under which the pixels of an NPZ are looked for, before the only array is taken.
_MEMBERS = ("pixels", "images", "image", "volume", "labels", "label", "arr_0")
_ABOUT = "about.json"
_LEAST_SIDE = 16


class ColourPixels(PagedPixels):
    """An array whose last axis is colour, as grey values."""

    def __init__(self, pixels: Any, source: Path) -> None:
        self._pixels = pixels
        super().__init__(source, pixels.shape[:-1], pixels.dtype)

    def _read(self, leading: tuple[int, ...]) -> NDArray[Any]:
        rows = [self._pixels[(*leading, row)] for row in range(self.shape[-2])]
        return reduce_rgb(np.stack(rows))


def is_colour(shape: tuple[int, ...]) -> bool:
    """Whether an array is read as colour: no volume is 3 or 4 wide and 16 high and deep."""
    return len(shape) > 2 and shape[-1] in (3, 4) and min(shape[-3:-1]) >= _LEAST_SIDE


def read_npy(path: Path, values: Values) -> OctScan:
    """Read an NPY file; three and more axes stay on disk.

    Raises
    ------
    InputError
        Where the file is missing, empty, cut off, something else, or holds objects.
    """
    check_file(path)
    with reading(path, "an NPY array", tokenize.TokenError), path.open("rb") as stream:
        shape, order, stored = _read_header(path, stream)
        offset = stream.tell()
    pixels = RawPixels(path, shape, stored=stored, offset=offset, order=order)
    return _make_scan(path, np.asarray(pixels) if len(shape) == 2 else pixels, values)


def read_npz(path: Path, values: Values) -> OctScan:
    """Read the pixels of an NPZ file.

    They are the array ``pixels``, ``images``, ``image``, ``volume``, ``labels``, ``label``,
    ``arr_0``, or the only array of two to four axes.

    Raises
    ------
    InputError
        Where the file is missing, empty, cut off, something else, holds objects, or several
        arrays of which none has such a name.
    """
    check_file(path)
    with reading(path, "an NPZ file", zipfile.BadZipFile, tokenize.TokenError):
        with zipfile.ZipFile(path) as archive:
            member = _choose(path, archive)
            about = json.loads(archive.read(_ABOUT)) if _ABOUT in archive.namelist() else None
        pixels = _read_member(path, member)
        if about is None:
            return _make_scan(path, pixels, values)
        spacing = tuple(about["spacing_um"])
        if any(size is not None and to_um(size, "um") is None for size in spacing):
            raise InputError(f"{path}: has a spacing of {spacing} um; write it again")
        return OctScan(
            pixels=pixels,
            axes=tuple(about["axes"]),
            spacing_um=spacing,
            spacing_source="file" if any(spacing) else "unknown",
            source=path,
            laterality=about["laterality"],
        )


def _read_header(path: Path, stream: IO[bytes]) -> tuple[tuple[int, ...], str, np.dtype[Any]]:
    version = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, is_fortran, stored = read(stream)
    check_dtype(path, stored)
    if len(shape) < 2:
        raise InputError(f"{path}: has shape {shape}; an image or a volume is needed")
    if 0 in shape:
        raise InputError(f"{path}: has no pixels (shape {shape})")
    return shape, "F" if is_fortran else "C", stored


def _choose(path: Path, archive: zipfile.ZipFile) -> str:
    members = [name for name in archive.namelist() if name.endswith(".npy")]
    for name in _MEMBERS:
        if f"{name}.npy" in members:
            return f"{name}.npy"
    if len(members) != 1:
        raise InputError(
            f"{path}: holds {len(members)} arrays ({', '.join(members[:5])}); "
            "name the one to read 'pixels'"
        )
    return members[0]


def _read_member(path: Path, member: str) -> Any:
    with zipfile.ZipFile(path) as archive, archive.open(member) as stream:
        shape, order, stored = _read_header(path, stream)
        again = partial(_read_member, member=member)
        return load_stream(stream, path, shape, stored=stored, order=order, again=again)


def _make_scan(path: Path, pixels: Any, values: Values) -> OctScan:
    notes = []
    if is_colour(pixels.shape):
        if values == "indices":
            raise refuse_colour(path, "colour")
        pixels = ColourPixels(pixels, path)
        notes.append(colour_note(f"colour (last axis of {pixels.shape[-1]})"))
    if pixels.ndim not in UNNAMED_AXES:
        raise InputError(
            f"{path}: has shape {pixels.shape}; save one volume (bscan, depth, width) a file"
        )
    if isinstance(pixels, np.ndarray):
        pixels = pixels.astype(check_dtype(path, pixels.dtype), copy=False)
    return OctScan(pixels=pixels, axes=UNNAMED_AXES[pixels.ndim], source=path, notes=tuple(notes))


def write_npy(target: Path, planes: Iterable[NDArray[Any]], layout: Layout) -> None:
    """Write planes, in the order of the leading axes, as NPY."""
    with target.open("wb") as stream:
        _write_array(stream, planes, layout)


def write_npz(target: Path, planes: Iterable[NDArray[Any]], layout: Layout) -> None:
    """Write planes as the array ``pixels`` of an NPZ, with axes and spacing beside it."""
    about = {
        "axes": layout.axes,
        "spacing_um": layout.spacing_um,
        "laterality": layout.laterality,
    }
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("pixels.npy", "w", force_zip64=True) as stream:
            _write_array(stream, planes, layout)
        archive.writestr(_ABOUT, json.dumps(about))


def _write_array(stream: IO[bytes], planes: Iterable[NDArray[Any]], layout: Layout) -> None:
    dtype = layout.dtype.newbyteorder("=")
    header = {
        "descr": npy.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": layout.shape,
    }
    npy.write_array_header_1_0(stream, header)
    for plane in planes:
        stream.write(np.ascontiguousarray(plane, dtype).tobytes())

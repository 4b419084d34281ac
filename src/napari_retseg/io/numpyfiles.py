"""NPY and NPZ, never pickled.

Two axes are (depth, width), three (bscan, depth, width), four (channel, bscan, depth, width); a
last axis of 3 or 4 values behind an image of at least 16 x 16 is colour. NPZ files that this
package wrote hold their axes and spacing.
"""

from __future__ import annotations

import io
import json
import tokenize
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from napari_retseg.errors import InputError
from napari_retseg.io.file_errors import check_file, reading
from napari_retseg.io.file_layout import UNNAMED_AXES, Layout
from napari_retseg.io.grey import Values, check_dtype, colour_note, reduce_rgb, refuse_colour
from napari_retseg.io.lazy import PagedPixels, RawPixels
from napari_retseg.io.limits import LARGEST_HEADER, check_shape
from napari_retseg.io.marks import MARK, NAME
from napari_retseg.io.scale import to_um
from napari_retseg.io.tempfile_pixels import load_stream
from napari_retseg.records import check_record, parse_json
from napari_retseg.regular import open_regular
from napari_retseg.scan import Axis, Laterality, OctScan
from napari_retseg.ziparchive import check_list

#: Names under which the pixels of an NPZ are looked for, before the only array is taken.
_MEMBERS = ("pixels", "images", "image", "volume", "labels", "label", "arr_0")
#: What comes before them where labels are read.
_LABEL_MEMBERS = ("labels", "label")
_ABOUT = "about.json"
#: Bytes of a header of NPY, and of the description beside the pixels.
_LARGEST_HEADER = 10_000
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


@dataclass(frozen=True)
class _About:
    """What this package writes beside the pixels of an NPZ."""

    axes: tuple[Axis, ...]
    spacing_um: tuple[float | None, ...]
    laterality: Laterality | None = None
    scan: str = ""


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


def read_npz(path: Path, values: Values, *, expected: tuple[int, ...] | None = None) -> OctScan:
    """Read the pixels of an NPZ file.

    They are the array ``pixels``, ``images``, ``image``, ``volume``, ``labels``, ``label``,
    ``arr_0`` (for labels ``labels`` and ``label`` first), or the only array.

    Raises
    ------
    InputError
        Where the file is missing, empty, cut off, something else, holds objects, or several
        arrays of which none has such a name.
    """
    check_file(path)
    with reading(path, "an NPZ file", zipfile.BadZipFile, tokenize.TokenError):
        with open_regular(path) as stream:
            check_list(stream, LARGEST_HEADER)
        with zipfile.ZipFile(path) as archive:
            member, others = _choose(path, archive, values)
            about = _read_about(path, archive)
        pixels = _read_member(path, member, expected)
        notes = (f"ignored: {', '.join(others[:5])}",) if others else ()
        if about is None:
            scan = _make_scan(path, pixels, values)
            return replace(scan, notes=(*scan.notes, *notes))
        if any(size is not None and to_um(size, "um") is None for size in about.spacing_um):
            raise InputError(
                f"{path}: has an invalid pixel size of {about.spacing_um} µm; save it again"
            )
        return OctScan(
            pixels=pixels,
            axes=about.axes,
            spacing_um=about.spacing_um,
            spacing_source="file" if any(about.spacing_um) else "unknown",
            source=path,
            laterality=about.laterality,
            notes=notes,
            metadata={MARK: about.scan} if about.scan else {},
        )


def _read_header(path: Path, stream: IO[bytes]) -> tuple[tuple[int, ...], str, np.dtype[Any]]:
    version = npy.read_magic(stream)
    length_bytes = {(1, 0): 2, (2, 0): 4, (3, 0): 4}.get(version)
    if length_bytes is None:
        raise InputError(f"{path}: NPY version {version} is not supported")
    length = stream.read(length_bytes)
    if int.from_bytes(length, "little") > _LARGEST_HEADER:
        raise InputError(f"{path}: has a header of {int.from_bytes(length, 'little'):,} bytes")
    header = io.BytesIO(length + stream.read(int.from_bytes(length, "little")))
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, is_fortran, stored = read(header)
    check_dtype(path, stored)
    if len(shape) < 2:
        raise InputError(f"{path}: has shape {shape}; an image or a volume is needed")
    if any(type(n) is not int or n < 1 for n in shape):
        raise InputError(f"{path}: has no pixels (shape {shape})")
    return shape, "F" if is_fortran else "C", stored


def _choose(path: Path, archive: zipfile.ZipFile, values: Values) -> tuple[str, list[str]]:
    """The member that holds the pixels, and the other arrays."""
    members = [name for name in archive.namelist() if name.endswith(".npy")]
    names = _MEMBERS if values == "grey" else (*_LABEL_MEMBERS, *_MEMBERS)
    found = [f"{name}.npy" for name in names if f"{name}.npy" in members]
    if not found and len(members) != 1:
        raise InputError(
            f"{path}: contains {len(members)} arrays ({', '.join(members[:5])}); name the one to "
            "read 'pixels'"
        )
    chosen = (found or members)[0]
    return chosen, [name for name in members if name != chosen]


def _read_about(path: Path, archive: zipfile.ZipFile) -> _About | None:
    if _ABOUT not in archive.namelist():
        return None
    with archive.open(_ABOUT) as stream:
        text = stream.read(_LARGEST_HEADER)
    source = f"{path}: its {_ABOUT}"
    return check_record(parse_json(text, source), _About, source)


def _read_member(path: Path, member: str, expected: tuple[int, ...] | None = None) -> Any:
    with zipfile.ZipFile(path) as archive, archive.open(member) as stream:
        shape, order, stored = _read_header(path, stream)
        held = min(archive.getinfo(member).compress_size, path.stat().st_size)
        check_shape(path, shape, stored.itemsize, held=held, expected=expected)
        again = partial(_read_member, member=member, expected=shape)
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
            f"{path}: has shape {pixels.shape}; save one volume (bscan, depth, width) per file"
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
        **({NAME: layout.mark} if layout.mark else {}),
    }
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("pixels.npy", "w", force_zip64=True) as stream:
            _write_array(stream, planes, layout)
        archive.writestr(_ABOUT, json.dumps(about))


def _write_array(stream: IO[bytes], planes: Iterable[NDArray[Any]], layout: Layout) -> None:
    dtype = layout.dtype.newbyteorder("=")
    header = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": layout.shape}
    npy.write_array_header_1_0(stream, header)
    for plane in planes:
        stream.write(np.ascontiguousarray(plane, dtype).tobytes())

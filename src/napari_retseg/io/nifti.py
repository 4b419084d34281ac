"""NIfTI: 2D, 3D, and 4D as channels; affine and header kept for the labels.

nibabel's array is (x, y, z[, channel]). Read, it is transposed: a volume is ("z", "y", "x"), an
image ("y", "x"), with a leading channel. Files that this package wrote from OCT name their axes
in `descrip` and read as OCT again. Both directions keep every voxel at its place in the file.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, cast, get_args

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from napari_retseg.errors import InputError
from napari_retseg.io.grey import check_dtype
from napari_retseg.io.layout import NIFTI_HEADER, Layout
from napari_retseg.io.opening import check_file, collecting, reading
from napari_retseg.io.paged import PagedPixels, RawPixels
from napari_retseg.io.scale import to_um
from napari_retseg.io.spool import load_stream
from napari_retseg.io.suffixes import suffix_of
from napari_retseg.scan import Axis, OctScan

_KIND = "a NIfTI file"
# nibabel has no types
_HEADER: Any = nib.Nifti1Header
_HEADER_BYTES = 348
_PLAIN_AXES: dict[int, tuple[Axis, ...]] = {2: ("y", "x"), 3: ("z", "y", "x")}
_MARK = re.compile(r"napari-retseg axes=(\S+) known=(\S*)")


def read_nifti(path: Path) -> OctScan:
    """Read a NIfTI file; ``.nii`` stays on disk, ``.nii.gz`` is decompressed once.

    Returns
    -------
    OctScan
        Spacing from the header, where it names its unit. Scaled values (scl_slope) are float.

    Raises
    ------
    InputError
        Where the file is missing, empty, cut off, something else, or has too many axes.
    """
    check_file(path)
    with (
        collecting("nibabel.global") as messages,
        reading(path, _KIND, ImageFileError, HeaderDataError),
    ):
        image: Any = nib.load(path)
        if not isinstance(image, nib.Nifti1Image):
            raise InputError(f"{path}: holds {type(image).__name__}; a NIfTI image is needed")
        header = image.header
        pixels = _open_pixels(path, image)
        axes = _name_axes(header, pixels.ndim)
        spacing, source = _spacing(header, axes)
        affine = np.array(image.affine, np.float64)
    notes = [f"nibabel says: {messages[0]}"] if messages else []
    if source == "unknown" and not _MARK.search(_describe(header)):
        notes.append("the header names no unit of length, so the spacing is unknown")
    return OctScan(
        pixels=pixels,
        axes=axes,
        spacing_um=spacing,
        spacing_source="file" if source == "file" else "unknown",
        source=path,
        affine=affine,
        notes=tuple(notes),
        metadata={NIFTI_HEADER: bytes(header.binaryblock)},
    )


def _read_pixels(path: Path) -> Any:
    return read_nifti(path).pixels


def _open_pixels(path: Path, image: Any) -> NDArray[Any] | PagedPixels:
    header, proxy = image.header, image.dataobj
    stored = header.get_data_dtype()
    check_dtype(path, stored)
    shape = header.get_data_shape()
    if not _marked_axes(header):
        shape = _file_shape(path, shape)
    shape = shape[::-1]
    slope, intercept = float(proxy.slope), float(proxy.inter)
    scale = None if (slope, intercept) == (1.0, 0.0) else (slope, intercept)
    offset = int(proxy.offset)
    if suffix_of(path) == ".nii":
        pixels = RawPixels(path, shape, stored=stored, offset=offset, scale=scale)
        return np.asarray(pixels) if len(shape) == 2 else pixels
    with gzip.open(path) as stream:
        stream.seek(offset)
        return load_stream(stream, path, shape, stored=stored, scale=scale, again=_read_pixels)


def _file_shape(path: Path, shape: tuple[int, ...]) -> tuple[int, ...]:
    """(x, y[, z[, channel]]) of a file that may have further axes of length 1."""
    found = list(shape)
    while len(found) > 3 and found[-1] == 1:
        found.pop()
    if len(found) == 5 and found[3] == 1:
        # vectors are kept on the fifth axis, behind one time
        found.pop(3)
    if not 2 <= len(found) <= 4 or 0 in found:
        raise InputError(f"{path}: has shape {shape}; 2D, 3D or 3D with channels is needed")
    return tuple(found)


def _describe(header: Any) -> str:
    return bytes(header["descrip"].item()).decode("latin-1")


def _marked_axes(header: Any) -> tuple[Axis, ...]:
    """The axes that this package wrote down; empty for other files."""
    mark = _MARK.search(_describe(header))
    named = tuple(mark[1].split(",")) if mark else ()
    fits = len(named) == len(header.get_data_shape()) and set(named) <= set(get_args(Axis))
    return cast("tuple[Axis, ...]", named) if fits else ()


def _name_axes(header: Any, ndim: int) -> tuple[Axis, ...]:
    if marked := _marked_axes(header):
        return marked
    return _PLAIN_AXES[ndim] if ndim < 4 else ("channel", *_PLAIN_AXES[3])


def _spacing(header: Any, axes: tuple[Axis, ...]) -> tuple[tuple[float | None, ...], str]:
    """Spacing in um for each axis but the channel, and where it came from."""
    spatial = [axis for axis in axes if axis != "channel"]
    unit = header.get_xyzt_units()[0].replace("unknown", "")
    # the shortest decimal of a 32-bit float is the number that was meant
    zooms = [float(str(np.float32(z))) for z in header["pixdim"][1 : 1 + len(spatial)]]
    spacing = [to_um(zoom, unit) for zoom in reversed(zooms)]
    if mark := _MARK.search(_describe(header)):
        known = mark[2].split(",")
        spacing = [s if a in known else None for s, a in zip(spacing, spatial, strict=True)]
    return tuple(spacing), "file" if any(spacing) else "unknown"


def write_nifti(target: Path, planes: Iterable[NDArray[Any]], layout: Layout) -> None:
    """Write planes, in the order of the leading axes, to ``.nii`` or ``.nii.gz``.

    With the header of the scan's own file, the grid (affine, codes, units) is that of the file
    to the bit; texts in it, which may name a patient, are left out.
    """
    header = _make_header(layout)
    if suffix_of(target) == ".nii.gz":
        with (
            target.open("wb") as raw,
            gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=4, mtime=0) as stream,
        ):
            _write_stream(stream, header, planes)
        return
    with target.open("wb") as stream:
        _write_stream(stream, header, planes)


def _write_stream(
    stream: IO[bytes] | gzip.GzipFile, header: Any, planes: Iterable[NDArray[Any]]
) -> None:
    dtype = header.get_data_dtype()
    header.write_to(stream)
    for plane in planes:
        stream.write(np.ascontiguousarray(plane, dtype).tobytes())


def _make_header(layout: Layout) -> Any:
    if layout.nifti_header is None:
        header = _new_header(layout)
    else:
        kind = _HEADER if len(layout.nifti_header) == _HEADER_BYTES else nib.Nifti2Header
        header = kind(layout.nifti_header)
        for text in ("descrip", "aux_file", "intent_name"):
            header[text] = b""
        if "db_name" in header.structarr.dtype.names:
            header["db_name"] = b""
        header.set_intent("none")
        header["cal_min"] = header["cal_max"] = 0
    shape = layout.shape[::-1]
    zooms = header["pixdim"].copy()
    header.set_data_dtype(layout.dtype.newbyteorder("="))
    header.set_data_shape(shape)
    header["pixdim"] = zooms
    header.set_slope_inter(1, 0)
    header["vox_offset"] = header.single_vox_offset
    header["magic"] = header.single_magic
    _mark_axes(header, layout)
    return header


def _new_header(layout: Layout) -> Any:
    """A header for a scan that was no NIfTI: millimetres, first voxel at the origin."""
    header: Any = _HEADER()
    sizes = [(s or 1000.0) / 1000 for s in reversed(layout.spacing_um)]
    header["pixdim"][1 : 1 + len(sizes)] = sizes
    if any(layout.spacing_um):
        header.set_xyzt_units("mm")
    affine = layout.affine
    if affine is None:
        affine = np.diag([*sizes, *(1.0,) * (4 - len(sizes))])
    header.set_sform(affine, code="scanner")
    header.set_qform(affine, code="scanner", strip_shears=True)
    header["pixdim"][1 : 1 + len(sizes)] = sizes
    return header


def _mark_axes(header: Any, layout: Layout) -> None:
    """Name the axes and the known spacings, unless another program's header says the same."""
    plain = _PLAIN_AXES.get(len(layout.axes))
    if layout.nifti_header is not None and layout.axes == plain:
        return
    spatial = [axis for axis in layout.axes if axis != "channel"]
    sizes = zip(spatial, layout.spacing_um, strict=True)
    known = ",".join(axis for axis, size in sizes if size is not None)
    header["descrip"] = f"napari-retseg axes={','.join(layout.axes)} known={known}".encode()

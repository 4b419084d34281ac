"""NIfTI: 2D, 3D, and 4D as channels; affine and header kept for the labels.

nibabel's array is (x, y, z[, channel]). Read, it is transposed: a volume is ("z", "y", "x"), an
image ("y", "x"), with a leading channel. Files that this package wrote from OCT name their axes
in `descrip` and read as OCT again. Both directions keep every voxel at its place in the file.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.errors import InputError
from napari_retseg.io.file_errors import reading
from napari_retseg.io.file_layout import NIFTI_HEADER, Layout
from napari_retseg.io.lazy import PagedPixels, RawPixels, scaled_dtype
from napari_retseg.io.limits import LARGEST_HEADER, check_shape
from napari_retseg.io.marks import MARK
from napari_retseg.io.niftiheader import (
    KIND,
    PLAIN_AXES,
    SIZES,
    NiftiFacts,
    header_kind,
    open_stream,
    read_facts,
)
from napari_retseg.io.suffixes import suffix_of
from napari_retseg.io.tempfile_pixels import load_stream
from napari_retseg.scan import OctScan


def read_nifti(path: Path, *, expected: tuple[int, ...] | None = None) -> OctScan:
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
    facts = read_facts(path)
    with reading(path, KIND):
        pixels = _open_pixels(path, facts, expected)
    return OctScan(
        pixels=pixels,
        axes=facts.axes,
        spacing_um=facts.spacing_um,
        spacing_source="file" if any(facts.spacing_um) else "unknown",
        source=path,
        affine=facts.affine,
        notes=facts.notes,
        metadata={NIFTI_HEADER: bytes(facts.header.binaryblock), **_read_mark(facts.header)},
    )


def _read_pixels(path: Path, expected: tuple[int, ...]) -> Any:
    return read_nifti(path, expected=expected).pixels


def _open_pixels(
    path: Path, facts: NiftiFacts, expected: tuple[int, ...] | None
) -> NDArray[Any] | PagedPixels:
    shape, stored, scale = facts.shape, facts.stored, facts.scale
    if suffix_of(path) == ".nii":
        pixels = RawPixels(path, shape, stored=stored, offset=facts.offset, scale=scale)
        return np.asarray(pixels) if len(shape) == 2 else pixels
    held = path.stat().st_size
    shown = scaled_dtype(stored) if scale else stored
    check_shape(path, shape[-2:], shown.itemsize, held=held, expected=shape[-2:])
    check_shape(path, shape, stored.itemsize, held=held, expected=expected)
    if facts.offset > LARGEST_HEADER:
        raise InputError(f"{path}: its header says that the values begin at byte {facts.offset:,}")
    again = partial(_read_pixels, expected=shape)
    with open_stream(path) as stream:
        stream.seek(facts.offset)
        return load_stream(stream, path, shape, stored=stored, scale=scale, again=again)


def write_nifti(target: Path, planes: Iterable[NDArray[Any]], layout: Layout) -> None:
    """Write planes, in the order of the leading axes, to ``.nii`` or ``.nii.gz``.

    With the header of the scan's own file, the grid (affine, codes, units) is that of the file
    to the bit; texts in it, which may name a patient, are left out.
    """
    header = _make_header(layout)
    with target.open("wb") as raw:
        if suffix_of(target) != ".nii.gz":
            _write_stream(raw, header, planes)
            return
        with gzip.GzipFile("", "wb", fileobj=raw, compresslevel=4, mtime=0) as stream:
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
        kind = header_kind(len(layout.nifti_header))
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
    if layout.mark:  # as much of it as there is room for
        header["intent_name"] = layout.mark.partition("-")[0].encode()
    return header


def _read_mark(header: Any) -> dict[str, str]:
    """Which scan the labels of a file belong to, if it says."""
    name = bytes(header["intent_name"].item()).decode("latin-1")
    return {MARK: f"{name}-"} if name else {}


def _new_header(layout: Layout) -> Any:
    """A header for a scan that was no NIfTI: millimetres, first voxel at the origin."""
    header: Any = header_kind(SIZES[0])()
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
    plain = PLAIN_AXES.get(len(layout.axes))
    if layout.nifti_header is not None and layout.axes == plain:
        return
    spatial = [axis for axis in layout.axes if axis != "channel"]
    sizes = zip(spatial, layout.spacing_um, strict=True)
    known = ",".join(axis for axis, size in sizes if size is not None)
    header["descrip"] = f"napari-retseg axes={','.join(layout.axes)} known={known}".encode()

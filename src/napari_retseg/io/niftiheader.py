"""What the header of a NIfTI file says, checked field by field.

The fields are those of nifti1.h and nifti2.h. nibabel reads extensions and images of other kinds
along with it, as large as a file claims; here only the header's own bytes are read.
"""

from __future__ import annotations

import gzip
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, cast, get_args

import numpy as np
from numpy.typing import NDArray

from napari_retseg.errors import InputError
from napari_retseg.io.file_errors import check_file, collecting, reading
from napari_retseg.io.grey import check_dtype
from napari_retseg.io.scale import to_um
from napari_retseg.io.suffixes import suffix_of
from napari_retseg.scan import Axis

KIND = "a NIfTI file"
#: Axes of an array without names, by their number.
PLAIN_AXES: dict[int, tuple[Axis, ...]] = {2: ("y", "x"), 3: ("z", "y", "x")}
#: What this package writes into `descrip`.
MARK = re.compile(r"napari-retseg axes=(\S+) known=(\S*)")

#: Bytes of a header, first and second version.
SIZES = (348, 540)
_FOUR_BYTES = 4
#: Largest difference of two grids in one file, as a share of a voxel.
_SAME_VOXEL = 0.1
_CIFTI = range(3000, 3100)


@dataclass(frozen=True)
class NiftiFacts:
    """What a header says.

    Parameters
    ----------
    header
        nibabel's.
    shape, axes
        Of the pixels as they are shown, the last axis first.
    stored, offset, scale
        Type of the values in the file, place of the first, slope and intercept.
    spacing_um
        For each axis but the channel.
    affine
        Voxel (x, y, z) to place; None where no code says what it means.
    notes
        What the user should know.
    """

    header: Any
    shape: tuple[int, ...]
    axes: tuple[Axis, ...]
    stored: np.dtype[Any]
    offset: int
    scale: tuple[float, float] | None
    spacing_um: tuple[float | None, ...]
    affine: NDArray[np.float64] | None
    notes: tuple[str, ...]


@contextmanager
def open_stream(path: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """Open a NIfTI file for its bytes, decompressed as they are read."""
    if suffix_of(path) == ".nii.gz":
        with gzip.open(path) as stream:
            yield stream
        return
    with path.open("rb") as plain:
        yield plain


def read_facts(path: Path) -> NiftiFacts:
    """Read the header of a NIfTI file.

    Raises
    ------
    InputError
        Where the file is missing, empty, something else, or its header makes no sense.
    """
    from nibabel.spatialimages import HeaderDataError

    check_file(path)
    with collecting("nibabel.global") as messages, reading(path, KIND, HeaderDataError):
        with open_stream(path) as stream:
            header, extended = _read_header(path, stream)
        facts = _facts(path, header)
    if extended:
        facts = _noted(facts, "the extensions of the header are not read")
    if not messages:
        return facts
    return _noted(facts, f"nibabel says: {messages[0]}")


def _noted(facts: NiftiFacts, *notes: str) -> NiftiFacts:
    return replace(facts, notes=(*notes, *facts.notes))


def header_kind(size: int) -> Any:
    """The type, by nibabel, of a header of so many bytes.

    nibabel has no types. It imports pydicom, too: only who meets NIfTI waits for both.
    """
    import nibabel as nib

    return dict(zip(SIZES, (nib.Nifti1Header, nib.Nifti2Header), strict=True))[size]


def parse_header(block: bytes) -> Any:
    """The header as nibabel holds it, from its bytes."""
    return header_kind(len(block))(block, check=False)


def _read_header(path: Path, stream: IO[bytes] | gzip.GzipFile) -> tuple[Any, bool]:
    """The header, and whether it has extensions."""
    start = stream.read(_FOUR_BYTES)
    found = [(int(np.frombuffer(start, f"{code}i4")[0]), code) for code in "<>"]
    size, order = next(((n, code) for n, code in found if n in SIZES), (0, ""))
    if not size:
        raise InputError(f"{path}: not a NIfTI file, or its header is damaged; export it again")
    block = start + stream.read(size - _FOUR_BYTES)
    if len(block) < size:
        raise InputError(f"{path}: truncated in its header; copy or export it again")
    header = header_kind(size)(block, endianness=order, check=False)
    # "if extension[0] is nonzero, extensions are present": nifti1.h
    extended = stream.read(1) not in (b"", b"\0")
    magic = bytes(header["magic"].item()).rstrip(b"\0\r\n\x1a")
    if magic in (b"ni1", b"ni2"):
        raise InputError(
            f"{path}: this is the header of a pair (.hdr and .img); save it as one .nii file"
        )
    if magic not in (b"n+1", b"n+2"):
        raise InputError(f"{path}: not a NIfTI file ({magic!r} in its header); export it again")
    return header, extended


def _facts(path: Path, header: Any) -> NiftiFacts:
    try:
        stored = header.get_data_dtype()
    except LookupError as error:
        code = int(header["datatype"])
        raise InputError(f"{path}: contains values of the unknown type {code}") from error
    check_dtype(path, stored)
    bits = int(header["bitpix"])
    if bits not in (0, stored.itemsize * 8):
        raise InputError(
            f"{path}: its header contradicts itself (values of {stored} and of {bits} bits); "
            "export it again"
        )
    if int(header["intent_code"]) in _CIFTI:
        raise InputError(f"{path}: contains CIFTI data; a NIfTI image is needed")
    shape = _read_shape(path, header)
    marked = _marked_axes(header, shape)
    if not marked:
        shape = _drop_ones(path, shape)
    axes = marked or (PLAIN_AXES[len(shape)] if len(shape) < 4 else ("channel", *PLAIN_AXES[3]))
    spacing = _spacing(header, axes)
    affine, notes = _read_affine(header, shape)
    return NiftiFacts(
        header=header,
        shape=shape[::-1],
        axes=axes,
        stored=stored,
        offset=_read_offset(path, header),
        scale=_read_scale(path, header),
        spacing_um=spacing,
        affine=affine,
        notes=(*notes, *_field_notes(header, shape, spacing)),
    )


def _read_shape(path: Path, header: Any) -> tuple[int, ...]:
    n_axes = int(header["dim"][0])
    if not 1 <= n_axes <= 7:
        raise InputError(f"{path}: has {n_axes} axes; 2D, 3D or 3D with channels is needed")
    shape = tuple(int(n) for n in header["dim"][1 : 1 + n_axes])
    if min(shape) < 1:
        raise InputError(f"{path}: has shape {shape}; every size must be at least 1")
    return shape


def _drop_ones(path: Path, shape: tuple[int, ...]) -> tuple[int, ...]:
    """(x, y[, z[, channel]]) of a file that may have further axes of length 1."""
    found = list(shape)
    while len(found) > 3 and found[-1] == 1:
        found.pop()
    if len(found) == 5 and found[3] == 1:
        # vectors are kept on the fifth axis, behind one time
        found.pop(3)
    if not 2 <= len(found) <= 4:
        raise InputError(f"{path}: has shape {shape}; 2D, 3D or 3D with channels is needed")
    return tuple(found)


def _read_offset(path: Path, header: Any) -> int:
    offset = float(header["vox_offset"])
    least = int(header.single_vox_offset)
    if offset == 0:
        return least
    if not math.isfinite(offset) or offset != int(offset) or offset < least:
        raise InputError(
            f"{path}: its header says that the values begin at byte {offset:g}; {least} is "
            "the smallest possible value"
        )
    return int(offset)


def _read_scale(path: Path, header: Any) -> tuple[float, float] | None:
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or math.isnan(slope):  # "if the slope field is nonzero": nifti1.h
        return None
    if not math.isfinite(slope) or not math.isfinite(intercept):
        raise InputError(
            f"{path}: the scaling of its values is not finite (slope {slope:g}, intercept "
            f"{intercept:g}); export it again"
        )
    return None if (slope, intercept) == (1.0, 0.0) else (slope, intercept)


def describe(header: Any) -> str:
    """The text of `descrip`."""
    return bytes(header["descrip"].item()).decode("latin-1")


def _marked_axes(header: Any, shape: tuple[int, ...]) -> tuple[Axis, ...]:
    """The axes that this package wrote down; empty for other files."""
    mark = MARK.search(describe(header))
    named = tuple(mark[1].split(",")) if mark else ()
    fits = len(named) == len(shape) and set(named) <= set(get_args(Axis))
    return cast("tuple[Axis, ...]", named) if fits else ()


def _spacing(header: Any, axes: tuple[Axis, ...]) -> tuple[float | None, ...]:
    """Spacing in um for each axis but the channel."""
    spatial = [axis for axis in axes if axis != "channel"]
    unit = _unit(header)
    # the shortest decimal of a 32-bit float is the number that was meant
    zooms = [float(str(np.float32(z))) for z in header["pixdim"][1 : 1 + len(spatial)]]
    spacing = [to_um(zoom, unit) for zoom in reversed(zooms)]
    if mark := MARK.search(describe(header)):
        known = mark[2].split(",")
        spacing = [s if a in known else None for s, a in zip(spacing, spatial, strict=True)]
    return tuple(spacing)


def _unit(header: Any) -> str:
    """The unit of length; empty where none is named, or one that nobody knows."""
    code = int(header["xyzt_units"]) & 0x07
    return {1: "m", 2: "mm", 3: "um"}.get(code, "")


def length_in_mm(header: Any) -> float | None:
    """Millimetres in the header's unit of length; None where it names none."""
    return {"m": 1000.0, "mm": 1.0, "um": 0.001}.get(_unit(header))


def _read_affine(
    header: Any, shape: tuple[int, ...]
) -> tuple[NDArray[np.float64] | None, tuple[str, ...]]:
    """The grid that the header names, sform before qform, and what is odd about it."""
    from nibabel.spatialimages import HeaderDataError

    found = []
    for name in ("sform", "qform"):
        if int(header[f"{name}_code"]) <= 0:
            continue
        try:
            affine = np.asarray(getattr(header, f"get_{name}")(), np.float64)
        except (HeaderDataError, ValueError, ArithmeticError):
            affine = np.full((4, 4), np.nan)
        found.append((name, affine))
    usable = [(name, affine) for name, affine in found if is_grid(affine)]
    notes = [
        f"the {name} of the header is not a valid grid and is ignored"
        for name, affine in found
        if not is_grid(affine)
    ]
    if not usable:
        return None, tuple(notes)
    if len(usable) == 2 and grids_differ(usable[0][1], usable[1][1], shape, limit=_SAME_VOXEL):
        notes.append("sform and qform of the header differ; the sform is used")
    return usable[0][1], tuple(notes)


def is_grid(affine: NDArray[np.float64]) -> bool:
    """Whether an affine maps voxels to places, and back."""
    if not np.isfinite(affine).all():
        return False
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    if min(sizes) <= 0:
        return False
    return bool(abs(np.linalg.det(affine[:3, :3] / sizes)) > 1e-4)


def grids_differ(
    one: NDArray[np.float64], other: NDArray[np.float64], shape: tuple[int, ...], *, limit: float
) -> bool:
    """Whether two affines put a corner of a grid apart by more than a share of a voxel."""
    lengths = (*shape, 1, 1)[:3]
    corners = np.array([(*c, 1) for c in np.ndindex(2, 2, 2)], float).T
    corners[:3] *= (np.array(lengths) - 1)[:, np.newaxis]
    apart = np.linalg.inv(one) @ (other @ corners) - corners
    return bool(np.abs(apart[:3]).max() > limit)


def _field_notes(
    header: Any, shape: tuple[int, ...], spacing: tuple[float | None, ...]
) -> Iterator[str]:
    if not any(spacing) and not MARK.search(describe(header)):
        yield "the header has no unit of length, so the pixel size is unknown"
    if len(shape) == 4 and not MARK.search(describe(header)):
        yield f"the {shape[3]} volumes of the fourth axis are read as channels"
    low, high = float(header["cal_min"]), float(header["cal_max"])
    if (low, high) != (0.0, 0.0):
        yield f"the display range in the header ({low:g} to {high:g}) is not applied"

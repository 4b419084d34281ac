"""What a caller gives (paths, text, arrays) as the values that the lower floors take."""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from napari_retseg.classes import IGNORE, LabelSet
from napari_retseg.config import Frozen
from napari_retseg.dataset import Dataset, load_dataset
from napari_retseg.errors import InputError, UsageError
from napari_retseg.failures import one_line
from napari_retseg.io import read_labels, scans
from napari_retseg.io.file_layout import UNNAMED_AXES
from napari_retseg.io.grey import colour_note, reduce_rgb
from napari_retseg.io.numpyfiles import is_colour
from napari_retseg.records import first_problem
from napari_retseg.scan import Axis, OctScan, check_finite, check_spacing
from napari_retseg.workspace import Workspace

PathLike: TypeAlias = str | os.PathLike[str]
#: A file or folder, an array, or a scan. Arrays are whatever numpy can read.
ImageLike: TypeAlias = PathLike | OctScan | Any
#: A file, or an array of class values.
LabelsLike: TypeAlias = PathLike | Any
#: A dataset's folder or ``dataset.json``, a workspace's folder, or one that is open.
DataLike: TypeAlias = PathLike | Dataset | Workspace
#: Names of the foreground, or value to name, or a label set.
ClassesLike: TypeAlias = LabelSet | Mapping[int, str] | Sequence[str]

_Config = TypeVar("_Config", bound=Frozen)
_IMAGE = "a path, an array or a scan"
_LABELS = "a path or an array of class values"


def as_path(value: object, *, expected: str) -> Path:
    """Return a path.

    Raises
    ------
    UsageError
        Where it is none; the message says what was `expected`.
    """
    if isinstance(value, str | os.PathLike) and os.fspath(value):
        return Path(os.fsdecode(value))
    raise UsageError(f"expected {expected}, got {describe(value)}")


def read_scan(
    image: ImageLike,
    *,
    spacing_um: Sequence[float | None] | None = None,
    axes: Sequence[str] | None = None,
) -> OctScan:
    """Read a scan from a file, a folder of B-scans or an array.

    Parameters
    ----------
    image
        A path (text or :class:`pathlib.Path`) to PNG, JPEG, BMP, TIFF, NIfTI, NPY, NPZ,
        a file of a device (Heidelberg ``.vol``, Topcon ``.fda`` and ``.fds``, Zeiss ``.img``,
        Bioptigen and Optovue ``.OCT``), or to a folder of B-scans in natural order. Or an array of
        grey values of any number type: ``(depth, width)``, ``(bscan, depth, width)`` or
        ``(channel, bscan, depth, width)``. Arrays of other libraries are taken where numpy can
        read them. An array is not copied. A scan is returned as it is.
    spacing_um
        Pixel size in um for each axis but the channel, in the order of the axes; None where it
        is not known. By default the file's.
    axes
        Names of an array's axes where they are others, for example ``("z", "y", "x")`` for a
        volume that is not OCT, or ``("channel", "depth", "width")``.

    Returns
    -------
    OctScan
        The pixels, their axes and scale. Its ``notes`` say what to know about it, for example
        that colour was reduced to grey. Volumes in files stay on the disk where the format
        allows it.

    Raises
    ------
    InputError
        Where a file is missing or cannot be read, or an array has another number of axes, no
        pixels, or values that are NaN or infinite.
    UsageError
        Where `image` is something else, or `spacing_um` or `axes` do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_retseg as rs
    >>> scan = rs.read_scan(np.zeros((5, 128, 256), np.uint8), spacing_um=(120, 3.9, 11.6))
    >>> scan.axes, scan.n_bscans, scan.spacing_um
    (('bscan', 'depth', 'width'), 5, (120.0, 3.9, 11.6))
    """
    if isinstance(image, OctScan):
        _refuse_axes(axes, "a scan has its own")
        return _with_spacing(image, spacing_um)
    if isinstance(image, str | os.PathLike):
        _refuse_axes(axes, "a file has its own")
        path = as_path(image, expected=_IMAGE)
        sizes = None if spacing_um is None else _to_sizes(spacing_um)
        return scans.read_scan(path, spacing_um=sizes)
    scan = _with_spacing(_scan_of_array(_to_array(image, expected=_IMAGE), axes), spacing_um)
    return replace(scan, notes=(*scan.notes, *check_spacing(scan)))


def as_labels(labels: LabelsLike, *, shape: tuple[int, ...] | None = None) -> NDArray[np.uint8]:
    """Return class values, 0 to 255.

    Parameters
    ----------
    shape
        The shape that they must have.

    Raises
    ------
    InputError
        Where a file cannot be read, or the values or the shape do not fit.
    UsageError
        Where it is neither a path nor an array.
    """
    if isinstance(labels, str | os.PathLike):
        return read_labels(as_path(labels, expected=_LABELS), shape=shape)
    array = _to_array(labels, expected=_LABELS)
    wanted = "(depth, width) or (bscan, depth, width)" if shape is None else str(shape)
    if array.ndim not in (2, 3) or array.shape != (shape or array.shape):
        raise InputError(f"expected labels of shape {wanted}, got {array.shape}")
    if array.dtype.kind == "f" and not np.array_equal(array, np.rint(array)):
        raise InputError("expected labels that are whole numbers, got fractions or NaN")
    if array.size and (array.min() < 0 or array.max() > IGNORE):
        raise InputError(
            f"expected labels from 0 to {IGNORE}, got {array.min():g} to {array.max():g}"
        )
    return array.astype(np.uint8)


def as_classes(classes: ClassesLike) -> LabelSet:
    """Return a label set.

    Raises
    ------
    UsageError
        Where names and values make none.
    """
    if isinstance(classes, LabelSet):
        return classes
    expected = "class names, as in ['layer', 'fluid'] or {1: 'layer', 2: 'fluid'}"
    if isinstance(classes, str) or not isinstance(classes, Mapping | Sequence):
        raise UsageError(f"expected {expected}, got {describe(classes)}")
    try:
        return LabelSet.from_names(classes)
    except ValidationError as error:
        raise UsageError(f"expected {expected}: {first_problem(error)}") from error
    except (TypeError, ValueError) as error:
        raise UsageError(f"expected {expected}: {one_line(error)}") from error


def as_dataset(data: DataLike) -> Dataset:
    """Return a dataset; of a workspace, its confirmed labels.

    Raises
    ------
    InputError
        Where there is none, or it cannot be read.
    UsageError
        Where it is something else.
    """
    if isinstance(data, Dataset):
        return data
    if isinstance(data, Workspace):
        return data.dataset()
    expected = "a dataset's folder (make_dataset writes one from arrays)"
    return load_dataset(as_path(data, expected=expected))


def as_bscans(bscans: int | Iterable[int] | None, n_bscans: int, name: str) -> list[int]:
    """Return the numbers of B-scans of the scan of a name; None: all.

    Raises
    ------
    InputError
        Where the scan has no such B-scan.
    UsageError
        Where they are no numbers.
    """
    if bscans is None:
        return list(range(n_bscans))
    try:
        chosen = [int(bscans)] if isinstance(bscans, int | np.integer) else [int(i) for i in bscans]
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"expected bscans as a number or a list of numbers, got {describe(bscans)}"
        ) from error
    outside = [i for i in chosen if not 0 <= i < n_bscans]
    if outside:
        raise InputError(f"{name}: has B-scans 0 to {n_bscans - 1}, not {outside[0]}")
    return chosen


def make_config(kind: type[_Config], options: Mapping[str, Any], *, what: str) -> _Config:
    """Make a configuration from keyword arguments.

    Raises
    ------
    UsageError
        Naming the option that does not exist, or has a value that it cannot have.
    """
    known = list(kind.model_fields)
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            raise UsageError(f"{what} has no option {name!r}; {hint}")
    try:
        return kind.model_validate(dict(options))
    except ValidationError as error:
        raise UsageError(f"{what}: {first_problem(error)}") from error


def describe(value: object) -> str:
    """Say what a value is, for a message about one that was not expected."""
    kind = type(value).__name__
    if value is None:
        return "None"
    if isinstance(value, str | os.PathLike):
        return "an empty text" if not os.fspath(value) else f"{str(value)!r}"
    if isinstance(value, list | tuple):
        inner = sorted({type(one).__name__ for one in value})
        return f"a {kind} of {' and '.join(inner)}" if inner else f"an empty {kind}"
    if isinstance(value, BaseModel | np.ndarray) or not isinstance(value, int | float):
        return f"an object of type {kind}"
    return f"the number {value}"


def _to_array(value: object, *, expected: str) -> NDArray[Any]:
    """Return what numpy reads of an array of any library."""
    if isinstance(value, list | tuple):
        raise UsageError(f"expected {expected}, got {describe(value)}; give one at a time")
    if not hasattr(value, "__array__") or np.isscalar(value):
        raise UsageError(f"expected {expected}, got {describe(value)}")
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:  # a tensor on a GPU, or with a gradient
        raise UsageError(
            f"expected {expected}, got {describe(value)} that numpy cannot read: {one_line(error)}"
        ) from error
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise UsageError(f"expected an array of numbers, got one of {array.dtype}")
    return array


def _scan_of_array(pixels: NDArray[Any], axes: Sequence[str] | None) -> OctScan:
    notes: tuple[str, ...] = ()
    if axes is None and is_colour(pixels.shape):
        notes = (colour_note(f"colour (last axis of {pixels.shape[-1]})"),)
        pixels = reduce_rgb(pixels)
    named = _name_axes(pixels, axes)
    if not pixels.size:
        raise InputError(f"expected an array with pixels, got one of shape {pixels.shape}")
    try:
        check_finite(pixels, "the array")
    except InputError as error:
        raise InputError(
            "expected an array without NaN and infinite values; replace them first, for example "
            "with numpy.nan_to_num"
        ) from error
    pixels = pixels.astype(np.uint8) if pixels.dtype.kind == "b" else pixels
    native = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    return OctScan(pixels=native, axes=named, notes=notes)


def _name_axes(pixels: NDArray[Any], axes: Sequence[str] | None) -> tuple[Axis, ...]:
    if axes is None:
        if pixels.ndim not in UNNAMED_AXES:
            known = ", ".join(f"({', '.join(names)})" for names in UNNAMED_AXES.values())
            raise InputError(f"expected an array of {known}; got shape {pixels.shape}")
        return UNNAMED_AXES[pixels.ndim]
    names: Any = tuple(axes)
    try:
        OctScan(pixels=pixels, axes=names)
    except ValueError as error:
        raise UsageError(f"axes: {error}; as in ('bscan', 'depth', 'width')") from error
    named: tuple[Axis, ...] = names
    return named


def _refuse_axes(axes: Sequence[str] | None, why: str) -> None:
    if axes is not None:
        raise UsageError(f"axes are for arrays; {why}")


def _with_spacing(scan: OctScan, spacing_um: Sequence[float | None] | None) -> OctScan:
    if spacing_um is None:
        return scan
    return scan.with_spacing(_to_sizes(spacing_um, axes=scan.spatial_axes))


def _to_sizes(
    spacing_um: Iterable[float | None], *, axes: tuple[str, ...] = ()
) -> tuple[float | None, ...]:
    """Return sizes in um; their number is checked where `axes` are known."""
    named = f"one for each axis ({', '.join(axes)})" if axes else "one for each axis"
    expected = f"expected spacing_um as positive numbers in um, {named}"
    try:
        sizes = tuple(None if one is None else float(one) for one in spacing_um)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{expected}; got {spacing_um!r}") from error
    is_short = axes and len(sizes) != len(axes)
    if is_short or any(one is not None and not (math.isfinite(one) and one > 0) for one in sizes):
        raise UsageError(f"{expected}; got {sizes}")
    return sizes

"""A folder of B-scans, in natural order, is a volume."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.errors import InputError
from napari_retseg.io.grey import Values
from napari_retseg.io.lazy import PagedPixels
from napari_retseg.io.limits import check_shape, held_bytes
from napari_retseg.io.raster import open_raster
from napari_retseg.io.suffixes import list_bscans, suffix_of
from napari_retseg.io.tiff import open_tiff
from napari_retseg.plural import list_first
from napari_retseg.scan import OctScan

_NUMBERED = re.compile(r"(.*?)(\d{1,9})")


class FolderPixels(PagedPixels):
    """One file for each B-scan, decoded when it is read. Shape (bscan, depth, width)."""

    def __init__(self, folder: Path, planes: list[Any]) -> None:
        self._planes = planes
        super().__init__(folder, (len(planes), *planes[0].shape), planes[0].dtype)

    def _read(self, leading: tuple[int, ...]) -> NDArray[Any]:
        return np.asarray(self._planes[leading[0]])


def open_folder(
    folder: Path, values: Values, *, expected: tuple[int, ...] | None = None
) -> OctScan:
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
    for one, other in itertools.pairwise(sorted(files, key=lambda file: file.stem)):
        if one.stem == other.stem:
            raise InputError(
                f"{folder}: {one.name} and {other.name} have the same name; keep one of them"
            )
    scans = [open_bscan(file, values) for file in files]
    first = scans[0].pixels
    for file, scan in zip(files, scans, strict=True):
        found = scan.pixels
        if scan.is_volume or scan.n_channels > 1:
            raise InputError(f"{file}: not a single B-scan; open this file alone")
        if found.shape != first.shape:
            raise InputError(
                f"{folder}: B-scans have different sizes: {files[0].name} is {first.shape}, "
                f"{file.name} is {found.shape}; keep only the B-scans of one volume in a folder"
            )
        if found.dtype != first.dtype:
            raise InputError(
                f"{folder}: B-scans have different data types: {files[0].name} is {first.dtype}, "
                f"{file.name} is {found.dtype}; save them with the same type"
            )
    held = sum(held_bytes(file) for file in files)
    shape = (len(files), *first.shape)
    check_shape(folder, shape, first.dtype.itemsize, held=held, expected=expected)
    spacings = {scan.spacing_um for scan in scans}
    plane = spacings.pop() if len(spacings) == 1 else (None, None)
    return OctScan(
        pixels=FolderPixels(folder, [scan.pixels for scan in scans]),
        axes=("bscan", "depth", "width"),
        spacing_um=(None, *plane),
        spacing_source="file" if any(plane) else "unknown",
        source=folder,
        notes=(*_merge_notes(scans), *_folder_notes(folder, files)),
    )


def _merge_notes(scans: list[OctScan]) -> Iterator[str]:
    """Each note once, with how many B-scans it is about where it is not all."""
    counts = Counter(note for scan in scans for note in scan.notes)
    for note, count in counts.items():
        yield note if count == len(scans) else f"{note} ({count} of {len(scans)} B-scans)"


def _folder_notes(folder: Path, files: list[Path]) -> Iterator[str]:
    """Numbers that are missing among the names, and files that are no B-scans."""
    found = [_NUMBERED.fullmatch(file.stem) for file in files]
    names = {match[1] for match in found if match}
    if len(names) == 1 and all(found):
        numbers = {int(match[2]) for match in found if match}
        missing = sorted(set(range(min(numbers), max(numbers))) - numbers, key=int)
        # more gaps than files are another way of counting
        if 0 < len(missing) < len(numbers):
            shown = list_first(missing, 5)
            yield f"the numbers in the B-scans' file names skip {shown}; are files missing?"
    left = (entry.name for entry in folder.iterdir() if entry not in files)
    others = sorted(name for name in left if not name.startswith("."))
    if others:
        yield f"{len(others)} other files left out: {list_first(others, 3)}"


def open_bscan(file: Path, values: Values) -> OctScan:
    """Open an image file by its suffix; its pixels are decoded on demand.

    Raises
    ------
    InputError
        Where it cannot be read.
    """
    return (
        open_tiff(file, values)
        if suffix_of(file) in (".tif", ".tiff")
        else open_raster(file, values)
    )

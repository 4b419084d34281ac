"""napari's writers: labels, boundaries and scans as files that others read.

Each is written in one piece or not at all, and never over the scan itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from napari.utils.notifications import show_warning
from numpy.typing import NDArray

from napari_retseg import io
from napari_retseg.classes import LabelSet
from napari_retseg.errors import InputError
from napari_retseg.io import boundary_csv
from napari_retseg.io.marks import make_mark
from napari_retseg.io.octexplorer_xml import write_surfaces
from napari_retseg.io.suffixes import suffix_of
from napari_retseg.io.surfaces_beside import check_replaceable
from napari_retseg.layers.named import find_named_boundaries
from napari_retseg.scan import OctScan
from napari_retseg.ui.layers import CLASSES, name_axes
from napari_retseg.ui.provenance import (
    PROVENANCE,
    find_grid,
    find_scan,
    measure_spacing,
    read_place,
)
from napari_retseg.volume_path import file_of


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a labels layer; one that lies on a scan keeps its grid and scale.

    Raises
    ------
    InputError
        Where a value does not fit into 8 bits, the format cannot hold the labels, the path is the
        scan's own, or the file cannot be written.
    """
    values, scan = _take_labels(path, data, attributes)
    return [str(io.write_labels(Path(path), values, scan=scan, mark=_find_mark(scan)))]


def write_boundaries(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write the boundaries of a labels layer as CSV or OCTExplorer XML, by the suffix.

    Raises
    ------
    InputError
        Where the labels are not those of retinal layers on a B-scan or a volume of them, the file
        is another program's or another scan's, or it cannot be written.
    """
    values, scan = _take_labels(path, data, attributes)
    named = attributes.get("metadata", {}).get(CLASSES)
    classes = LabelSet.from_names(named if isinstance(named, dict) else {})
    found = find_named_boundaries(values, classes)
    # only on the scan's own grid it is known which B-scan and A-scan of the file is which
    is_placed = find_grid(values, attributes) is not None
    if not found.rows or scan is None or not (scan.is_oct and is_placed):
        raise InputError(
            f"{path}: boundaries need labels of retinal layers on an OCT scan; save labels of a "
            "model, of a workspace or of the device"
        )
    if unknown := classes.unknown_values(values):
        raise InputError(f"{path}: label values {unknown} have no class; change them first")
    if suffix_of(Path(path)) == ".csv":
        boundary_csv.write_boundaries(Path(path), found.rows, scan)
    else:
        scan = _read_source(path, scan)
        check_replaceable(Path(path), scan)
        write_surfaces(Path(path), found.rows, scan)
    for note in found.list_notes():
        show_warning(note)
    return [path]


def write_image(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write an image layer as a scan; one that was not changed since it was read, as it was.

    Raises
    ------
    InputError
        Where it is no scan, the format cannot hold it, the path is the scan's own, or the file
        cannot be written.
    """
    keep_source(Path(path), attributes)
    pixels = _largest(data, attributes)
    is_colour = bool(attributes.get("rgb"))
    scan = None if is_colour else _describe(pixels, attributes, find_scan(data, attributes))
    if scan is None:
        raise InputError(f"{path}: only grey B-scans and volumes can be saved as scans")
    return [str(io.write_scan(Path(path), scan))]


def keep_source(path: Path, attributes: Mapping[str, Any]) -> None:
    """Refuse to write over the scan, or into the folder that is the scan.

    Raises
    ------
    InputError
        With what to do.
    """
    known = attributes.get("metadata", {}).get(PROVENANCE, {})
    if known.get("source") is None:
        return
    own, target = file_of(known["source"]).resolve(), path.resolve()
    if own == target or (own.is_dir() and own in target.parents):
        raise InputError(f"{path}: this file is the scan itself; choose another name")


def _take_labels(
    path: str, data: Any, attributes: Mapping[str, Any]
) -> tuple[NDArray[np.uint8], OctScan | None]:
    """Return a layer's labels, and what is known of the scan on whose pixels they lie."""
    keep_source(Path(path), attributes)
    labels = np.asarray(_largest(data, attributes))
    if labels.size and (labels.min() < 0 or labels.max() > np.iinfo(np.uint8).max):
        raise InputError(f"{path}: only label values from 0 to 255 can be saved")
    scan = _describe(labels, attributes, find_grid(labels, attributes))
    return labels.astype(np.uint8, copy=False), scan


def _read_source(path: str, known: OctScan) -> OctScan:
    """Read the scan again, whose grey values say to which one surfaces belong."""
    if known.source is None:
        raise InputError(
            f"{path}: these labels belong to no file of a scan; open the scan from its file, or "
            "save the boundaries as .csv"
        )
    found = io.read_scan(known.source)
    if found.spatial_shape != known.spatial_shape:
        raise InputError(f"{known.source}: the file has changed; open it again")
    return replace(found, spacing_um=known.spacing_um, spacing_source=known.spacing_source)


def _find_mark(scan: OctScan | None) -> str:
    """Say which file's scan the labels belong to; nothing where it cannot be read any more."""
    if scan is None or scan.source is None:
        return ""
    try:
        return str(make_mark(io.read_scan(scan.source)))
    except (InputError, OSError):
        return ""


def _largest(data: Any, attributes: Mapping[str, Any]) -> Any:
    """Return a layer's pixels, of several sizes those of full size."""
    return data[0] if attributes.get("multiscale") else data


def _describe(
    pixels: Any, attributes: Mapping[str, Any], known: Mapping[str, Any] | None
) -> OctScan | None:
    """Return a layer as a scan, with what is known of it or else the scale that it is shown at."""
    if known is not None:
        return OctScan(pixels=pixels, **known)
    axes = name_axes(pixels.ndim, attributes.get("axis_labels"))
    if axes is None:
        return None
    scan = OctScan(pixels=pixels, axes=axes)
    spacing = measure_spacing(read_place(pixels.ndim, attributes), len(scan.spatial_axes))
    return scan if spacing == scan.spacing_um else scan.with_spacing(spacing)

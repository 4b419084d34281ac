"""napari's writers: labels and scans as files that others read, each in one piece or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_retseg import io
from napari_retseg.errors import InputError
from napari_retseg.io.marks import make_mark
from napari_retseg.scan import OctScan
from napari_retseg.ui.layers import name_axes
from napari_retseg.ui.provenance import find_grid, find_scan, measure_spacing, read_place


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a labels layer; one that lies on a scan keeps its grid and scale.

    Raises
    ------
    InputError
        Where a value does not fit into 8 bits, the format cannot hold the labels, or the file
        cannot be written.
    """
    labels = np.asarray(_largest(data, attributes))
    if labels.size and (labels.min() < 0 or labels.max() > np.iinfo(np.uint8).max):
        raise InputError(f"{path}: only label values from 0 to 255 can be saved")
    scan = _describe(labels, attributes, find_grid(labels, attributes))
    values = labels.astype(np.uint8, copy=False)
    return [str(io.write_labels(Path(path), values, scan=scan, mark=_find_mark(scan)))]


def write_image(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write an image layer as a scan; one that was not changed since it was read, as it was.

    Raises
    ------
    InputError
        Where it is no scan, the format cannot hold it, or the file cannot be written.
    """
    pixels = _largest(data, attributes)
    is_colour = bool(attributes.get("rgb"))
    scan = None if is_colour else _describe(pixels, attributes, find_scan(data, attributes))
    if scan is None:
        raise InputError(f"{path}: only grey B-scans and volumes can be saved as scans")
    return [str(io.write_scan(Path(path), scan))]


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

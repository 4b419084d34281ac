"""napari's writers: labels and scans as files that others read, each in one piece or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg import io
from napari_retseg.errors import InputError
from napari_retseg.scan import OctScan
from napari_retseg.ui.layers import AXES, PROVENANCE


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a labels layer; a prediction keeps its scan's grid and scale.

    Raises
    ------
    InputError
        Where a value does not fit into 8 bits, the format cannot hold the labels, or the file
        cannot be written.
    """
    labels = np.asarray(data)
    if labels.size and (labels.min() < 0 or labels.max() > np.iinfo(np.uint8).max):
        raise InputError(f"{path}: label values must lie between 0 and 255 to be written")
    scan = _scan(labels, attributes)
    return [str(io.write_labels(Path(path), labels.astype(np.uint8, copy=False), scan=scan))]


def write_image(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write an image layer as a scan.

    Raises
    ------
    InputError
        Where it is no scan, the format cannot hold it, or the file cannot be written.
    """
    scan = _scan(data, attributes)
    if scan is None or attributes.get("rgb"):
        raise InputError(f"{path}: only grey B-scans and volumes are written as scans")
    return [str(io.write_scan(Path(path), scan))]


def _scan(pixels: NDArray[Any], attributes: Mapping[str, Any]) -> OctScan | None:
    """Return the layer as a scan with what its metadata knows, or its scale where that is in um."""
    known = attributes.get("metadata", {}).get(PROVENANCE)
    if isinstance(known, Mapping) and len(known["axes"]) == pixels.ndim:
        return OctScan(pixels=pixels, **known)
    if pixels.ndim not in AXES:
        return None
    scan = OctScan(pixels=pixels, axes=AXES[pixels.ndim])
    units = [str(unit) for unit in attributes.get("units") or ()]
    if len(units) == pixels.ndim and set(units) == {"micrometer"}:
        return scan.with_spacing(tuple(float(um) for um in attributes["scale"]))
    return scan

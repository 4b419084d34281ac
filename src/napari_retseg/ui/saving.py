"""Layers to files on the user's request: labels on the grid of their scan, scans with their scale.

Knows no Qt.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_retseg.classes import LabelSet
from napari_retseg.errors import InputError
from napari_retseg.io.suffixes import suffix_of
from napari_retseg.layers.named import has_boundaries
from napari_retseg.ui.layers import CLASSES, is_scan_layer, scan_of_layer
from napari_retseg.ui.provenance import (
    attributes_of,
    describe_grid,
    find_grid,
    find_scan,
    is_placed,
    place_of,
)
from napari_retseg.ui.writers import keep_source, write_boundaries, write_image, write_labels

if TYPE_CHECKING:
    from napari.layers import Image, Layer


@dataclass(frozen=True)
class Format:
    """A kind of file that a layer can be saved as.

    Attributes
    ----------
    suffix
        Empty for a folder with a file for each B-scan.
    is_one_bscan
        Whether only the B-scan in view is saved.
    """

    name: str
    suffix: str
    is_one_bscan: bool = False


TIFF = Format("TIFF", ".tif")
NIFTI = Format("NIfTI", ".nii.gz")
PNG = Format("PNG", ".png")
ONE_PNG = Format("PNG of the B-scan in view", ".png", is_one_bscan=True)
PNG_FOLDER = Format("PNG of each B-scan, in a folder", "")
BOUNDARY_CSV = Format("Boundaries as CSV", ".csv")
BOUNDARY_XML = Format("Boundaries as OCTExplorer XML", ".xml")
#: What labels of retinal layers can be saved as.
BOUNDARIES = (BOUNDARY_CSV, BOUNDARY_XML)


@dataclass(frozen=True)
class Snapshot:
    """What a layer is when it is saved: its pixels, and what writers are told of it."""

    data: Any
    attributes: dict[str, Any]
    is_labels: bool


def can_be_saved(layer: Layer) -> bool:
    """Whether a layer is labels, or an image that may be a scan."""
    from napari.layers import Labels

    is_grey = isinstance(layer, Labels) or (is_scan_layer(layer) and not layer.rgb)
    return is_grey and layer.ndim in (2, 3, 4)


def list_formats(layer: Layer) -> list[Format]:
    """Return the formats that a layer can be saved as, the one that fits its scan best first."""
    if layer.ndim == 4:  # with channels
        return [TIFF, NIFTI]
    return [*_list_pictures(layer), *(BOUNDARIES if _are_layers(layer) else ())]


def _are_layers(layer: Layer) -> bool:
    """Whether a layer is labels of retinal layers."""
    classes = layer.metadata.get(CLASSES)
    return isinstance(classes, dict) and has_boundaries(LabelSet.from_names(classes))


def _list_pictures(layer: Layer) -> list[Format]:
    if layer.ndim == 2:
        return [PNG, TIFF, NIFTI]
    known = find_grid(layer.data, attributes_of(layer)) or {}
    source = known.get("source")
    is_nifti = source is not None and suffix_of(source).startswith(".nii")
    first = [NIFTI, TIFF] if is_nifti else [TIFF, NIFTI]
    return [*first, ONE_PNG, PNG_FOLDER]


def take_snapshot(layer: Layer, layers: Iterable[Layer]) -> Snapshot:
    """Copy what is to be saved, so that it can be painted on meanwhile.

    Parameters
    ----------
    layers
        Those of the viewer: labels that napari has made know of no scan, but lie on one.
    """
    from napari.layers import Labels

    data, attributes, _ = layer.as_layer_data_tuple()
    if not isinstance(layer, Labels):
        return Snapshot(data, attributes, is_labels=False)
    labels = np.array(data[0] if layer.multiscale else data)
    if find_grid(labels, attributes) is None:
        scan = _find_scan_below(layer, layers)
        if scan is not None:
            attributes["metadata"] = describe_grid(scan_of_layer(scan))
    return Snapshot(labels, {**attributes, "multiscale": False}, is_labels=True)


def save_snapshot(snapshot: Snapshot, path: Path, what: Format, *, bscan: int = 0) -> Path:
    """Write a layer.

    Parameters
    ----------
    path
        A file, or for :data:`PNG_FOLDER` a folder that is empty or not there yet.
    bscan
        The B-scan in view.

    Raises
    ------
    InputError
        Where the format cannot hold it, `path` is the scan itself, or the system refuses.
    """
    path = complete_path(path, what)
    keep_source(path, snapshot.attributes)
    if what in BOUNDARIES:
        write_boundaries(str(path), snapshot.data, snapshot.attributes)
    elif what == PNG_FOLDER:
        _make_folder(path)
        for number in range(len(snapshot.data)):
            _write(path / f"{number:04d}.png", _take_bscan(snapshot, number))
    else:
        _write(path, _take_bscan(snapshot, bscan) if what.is_one_bscan else snapshot)
    return path


def _write(path: Path, snapshot: Snapshot) -> None:
    write = write_labels if snapshot.is_labels else write_image
    write(str(path), snapshot.data, snapshot.attributes)


def _take_bscan(snapshot: Snapshot, bscan: int) -> Snapshot:
    """Return one B-scan of a volume, with the scale of its two axes where they are a layer's."""
    attributes = snapshot.attributes
    plane = np.asarray(snapshot.data[bscan])
    placed = {name: attributes[name][-2:] for name in ("scale", "units")}
    return Snapshot(plane, placed, snapshot.is_labels)


def complete_path(path: Path, what: Format) -> Path:
    """Add the suffix of the format where another one, or none, was typed."""
    if what == PNG_FOLDER or suffix_of(path) == what.suffix:
        return path
    if what == TIFF and suffix_of(path) == ".tiff":
        return path
    if what == NIFTI and suffix_of(path) == ".nii":
        return path
    return path.with_name(path.name + what.suffix)


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
        is_empty = next(path.iterdir(), None) is None
    except OSError as error:
        raise InputError(
            f"{path}: cannot create this folder ({error.strerror or error}); choose another one"
        ) from error
    if not is_empty:
        raise InputError(f"{path}: this folder is not empty; choose an empty or a new one")


def _find_scan_below(labels: Layer, layers: Iterable[Layer]) -> Image | None:
    """Return the scan on whose pixels labels lie that know of none."""
    for layer in layers:
        if is_scan_layer(layer) and find_scan(layer.data, attributes_of(layer)) is not None:
            n, own = labels.ndim, place_of(labels)
            placed = {"scale": layer.scale[-n:], "units": [str(u) for u in layer.units[-n:]]}
            is_there = is_placed(own, placed) and not (own.is_moved or own.is_turned)
            if is_there and layer.data.shape[-n:] == labels.data.shape:
                return layer
    return None

"""Layers between the boundaries that a device has found, as labels."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import IGNORE, RETINA, LabelSet
from napari_retseg.scan import BOUNDARIES, OctScan

#: What stands in the place of a model's ``weights_id`` where a device found the layers.
DEVICE_ID = hashlib.sha256(b"boundaries of the device").hexdigest()
#: Names that devices, and boundaries made of labels (`layers.name_boundaries`), give to the lower
#: boundary of a layer (of the vitreous: ILM), by ours. A boundary of which it is not sure which
#: layers it parts is in none of them.
_NAMES: dict[str, tuple[str, ...]] = {
    "ILM": ("ILM", "inner boundary of NFL", "inner boundary of retina"),
    "RNFL": ("RNFL", "RNFL-GCL", "NFL / GCL-IPL"),
    "IPL": ("IPL", "IPL-INL", "GCL-IPL / INL"),
    "INL": ("INL", "INL-OPL", "INL / OPL"),
    "OPL": ("OPL", "OPL-HFL", "OPL / ONL-ISM"),
    "ISM": ("ISM", "BMEIS", "ONL-ISM / ISE"),
    "ISE": ("ISE", "IOS", "IS/OSJ", "ISE / OS-RPE"),
    "RPE": ("RPE", "IB_RPE"),
    "BM": ("BM", "OB_RPE", "outer boundary of OS-RPE", "outer boundary of retina"),
}
#: Boundaries above and below each class that can be told.
_BOUNDS: dict[str, tuple[str, str]] = {
    "retina": ("ILM", "BM"),  # first, so that its layers are kept
    "NFL": ("ILM", "RNFL"),
    "GCL-IPL": ("RNFL", "IPL"),
    "INL": ("IPL", "INL"),
    "OPL": ("INL", "OPL"),
    "ONL-ISM": ("OPL", "ISM"),
    "ISE": ("ISM", "ISE"),
    "OS-RPE": ("ISE", "BM"),
}

_WHOLE = LabelSet.from_names(["retina"])


def choose_device_classes(scan: OctScan) -> LabelSet | None:
    """Return classes for the layers that a device has found; None where it found none.

    Those of the retina as far as they can be told, and ``retina`` for what is left of it.
    """
    layers = find_device_classes(scan, RETINA)
    has_rest = bool(find_device_classes(scan, _WHOLE)) and len(layers) < len(_BOUNDS) - 1
    if not layers:
        return _WHOLE if has_rest else None
    return RETINA.extended(_WHOLE.names[1:]) if has_rest else RETINA


def find_device_classes(scan: OctScan, classes: LabelSet) -> list[str]:
    """List the classes that lie between two boundaries of the device, from above.

    Of an export with ILM and BM alone that is ``retina``, where `classes` has it.
    """
    known = _find_boundaries(scan)
    names = set(classes.names)
    return [
        name
        for name, (upper, lower) in _BOUNDS.items()
        if name in names and upper in known and lower in known
    ]


def find_device_curve(scan: OctScan, name: str) -> NDArray[np.float32] | None:
    """Return the rows ``(bscan, width)`` of a boundary of the device, such as "BM" or "RPE".

    None where it found none. That of the RPE is its upper one.
    """
    return _find_boundaries(scan).get(name)


def label_device_layers(scan: OctScan, bscan: int, classes: LabelSet) -> NDArray[np.uint8]:
    """Label a B-scan by the device's own boundaries.

    Parameters
    ----------
    scan
        With boundaries, (bscan, width) rows counted from 0: a pixel lies below a boundary when
        its row is greater.
    bscan
        Number of the B-scan.
    classes
        Their values are used, see `find_device_classes`.

    Returns
    -------
    ndarray of uint8
        Shape (depth, width). Pixels of the retina that no class takes, and A-scans in which the
        device found a boundary of a class no more, are 255: not annotated.
    """
    depth, width = scan.spatial_shape[-2:]
    known = {name: rows[bscan] for name, rows in _find_boundaries(scan).items()}
    labels = np.zeros((depth, width), np.uint8)
    below = {name: np.arange(depth)[:, np.newaxis] > row for name, row in known.items()}
    values = {c.name: c.value for c in classes.classes}
    found = find_device_classes(scan, classes)
    if {"ILM", "BM"} <= set(known):
        labels[below["ILM"] & ~below["BM"]] = IGNORE
    for name in found:
        upper, lower = _BOUNDS[name]
        labels[below[upper] & ~below[lower]] = values[name]
    used = {end for name in found for end in _BOUNDS[name]}
    unknown = np.zeros(width, bool)
    for name in used:
        unknown |= ~np.isfinite(known[name])
    labels[:, unknown] = IGNORE
    return labels


def _find_boundaries(scan: OctScan) -> Mapping[str, NDArray[np.float32]]:
    """Return the device's boundaries by our names."""
    given: Mapping[str, NDArray[np.float32]] = scan.metadata.get(BOUNDARIES, {})
    found = {}
    for name, theirs in _NAMES.items():
        rows = next((given[one] for one in theirs if one in given), None)
        if rows is not None and np.isfinite(rows).any():
            found[name] = rows
    return found

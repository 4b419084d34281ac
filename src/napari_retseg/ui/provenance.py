"""Which file a layer shows. Knows neither Qt nor napari.

A layer's metadata go along when it is duplicated, cropped, turned, scaled or computed with. So what
they say of a file counts only while the layer still is what was read from it: the same pixels in
the same place. All that asks for a layer's file asks here.
"""

from __future__ import annotations

import weakref
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from napari_retseg.io.scale import UNITS_UM
from napari_retseg.scan import OctScan
from napari_retseg.ui.placing import VIEWS, place_axes

#: Key of a layer's metadata under which lies what its scan knows but the pixels.
PROVENANCE = "retseg"
#: Key under which lies which pixels these were; see :class:`Pixels`.
PIXELS = "retseg_pixels"
#: Key under which lies the shape of the layer that was made.
SHAPE = "retseg_shape"

_NOT_PROVENANCE = ("pixels", "fundus")
_PLACES = ("scale", "translate", "rotate", "shear", "affine", "units")
_TOLERANCE = 1e-6


class Pixels:
    """Tells whether an array is the one that was read, and holds what it held.

    A copy for another layer is another array. Of pixels in memory three B-scans are compared, so
    that a change in place is seen, too.
    """

    def __init__(self, pixels: Any) -> None:
        self._pixels = weakref.ref(pixels)
        self._sums = _sum_up(pixels)

    def are(self, pixels: Any) -> bool:
        """Whether it is the same array, unchanged."""
        return self._pixels() is pixels and _sum_up(pixels) == self._sums

    def __reduce__(self) -> tuple[type[Pixels], tuple[Any]]:
        """In another process no array is the same."""
        return Pixels, (np.empty((1, 1)),)


def _sum_up(pixels: Any) -> tuple[int, ...]:
    """Checksums of the first, middle and last B-scan; none of pixels that stay in their file."""
    if not isinstance(pixels, np.ndarray):
        return ()
    planes = pixels.reshape(-1, *pixels.shape[-2:])
    chosen = sorted({0, len(planes) // 2, len(planes) - 1})
    return tuple(zlib.crc32(np.ascontiguousarray(planes[k]).data) for k in chosen)


@dataclass(frozen=True)
class Place:
    """Where a layer lies: its transforms as napari has them, in the order of its axes."""

    scale: tuple[float, ...]
    units: tuple[str, ...]
    is_moved: bool = False
    #: Turned, sheared, or transformed in another way.
    is_turned: bool = False


def describe_provenance(scan: OctScan) -> dict[str, Any]:
    """Return all that a scan knows but its pixels."""
    names = [field.name for field in fields(scan) if field.name not in _NOT_PROVENANCE]
    return {name: getattr(scan, name) for name in names}


def describe_origin(scan: OctScan) -> dict[str, Any]:
    """Return the metadata of the layer that shows a scan as it was read."""
    shape = tuple(scan.pixels.shape)
    return {PROVENANCE: describe_provenance(scan), SHAPE: shape, PIXELS: Pixels(scan.pixels)}


def describe_grid(scan: OctScan) -> dict[str, Any]:
    """Return the metadata of a layer of labels on a scan's pixels."""
    provenance = {**describe_provenance(scan), "axes": scan.spatial_axes}
    return {PROVENANCE: provenance, SHAPE: scan.spatial_shape}


def read_place(ndim: int, attributes: Mapping[str, Any]) -> Place:
    """Read a layer's transforms from the attributes that writers are given."""
    scale = attributes.get("scale")
    lengths = (1.0,) * ndim if scale is None else tuple(float(length) for length in scale)
    units = attributes.get("units")
    names = ("pixel",) * ndim if units is None else tuple(str(unit) for unit in units)
    if len(names) != ndim or len(lengths) != ndim:
        return Place((1.0,) * ndim, ("pixel",) * ndim, is_turned=True)
    is_turned = not (
        _is_zero(attributes.get("shear"))
        and _is_identity(attributes.get("rotate"))
        and _is_identity(attributes.get("affine"))
    )
    return Place(lengths, names, not _is_zero(attributes.get("translate")), is_turned)


def attributes_of(layer: Any) -> dict[str, Any]:
    """Return a layer's metadata and transforms, as writers are given them."""
    return {name: getattr(layer, name) for name in ("metadata", *_PLACES)}


def place_of(layer: Any) -> Place:
    """Read where a layer lies."""
    return read_place(layer.ndim, attributes_of(layer))


def find_scan(pixels: Any, attributes: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what is known of the scan that an image layer shows.

    None where the layer is another one's: by other readers, or made from a scan's layer.

    Parameters
    ----------
    pixels
        The layer's data.
    attributes
        Its attributes, as writers are given them.
    """
    known = _find_grid(pixels, attributes)
    mark = attributes.get("metadata", {}).get(PIXELS)
    return known if isinstance(mark, Pixels) and mark.are(pixels) else None


def find_grid(labels: Any, attributes: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what is known of the scan on whose pixels a labels layer lies.

    Labels are painted on, so that only their grid counts: one label for each pixel of the scan,
    seen where that pixel is seen.
    """
    return _find_grid(labels, attributes)


def _find_grid(pixels: Any, attributes: Mapping[str, Any]) -> Mapping[str, Any] | None:
    metadata = attributes.get("metadata", {})
    known, shape = metadata.get(PROVENANCE), metadata.get(SHAPE)
    if not isinstance(known, Mapping) or shape is None or np.shape(pixels) != shape:
        return None
    place = read_place(len(shape), attributes)
    is_own = any(
        is_placed(place, place_axes(known["axes"], known["spacing_um"], view)) for view in VIEWS
    )
    return known if is_own and not (place.is_moved or place.is_turned) else None


def is_placed(place: Place, placed: Mapping[str, Any]) -> bool:
    """Whether a layer has this scale and these units."""
    lengths = [_to_um(*pair) for pair in zip(placed["scale"], placed["units"], strict=True)]
    own = [_to_um(*pair) for pair in zip(place.scale, place.units, strict=True)]
    return len(own) == len(lengths) and all(
        a[1] == b[1] and abs(a[0] - b[0]) <= _TOLERANCE * abs(b[0])
        for a, b in zip(own, lengths, strict=True)
    )


def _to_um(length: float, unit: str) -> tuple[float, bool]:
    factor = UNITS_UM.get(unit)
    return (length, False) if factor is None else (length * factor, True)


def measure_spacing(place: Place, n_axes: int) -> tuple[float | None, ...]:
    """Return the size of a layer's pixels in um on its last axes; None where it is not known."""
    if place.is_turned:
        return (None,) * n_axes
    found = []
    for length, unit in list(zip(place.scale, place.units, strict=True))[-n_axes:]:
        um, is_length = _to_um(abs(length), unit)
        found.append(um if is_length and um > 0 else None)
    return tuple(found)


def _is_zero(values: Any) -> bool:
    return values is None or not np.any(np.abs(np.asarray(values, dtype=float)) > _TOLERANCE)


def _is_identity(matrix: Any) -> bool:
    if matrix is None:
        return True
    array = np.asarray(getattr(matrix, "affine_matrix", matrix), dtype=float)
    if array.ndim < 2:  # an angle, or one for each plane
        return _is_zero(array)
    return bool(np.allclose(array, np.eye(len(array)), atol=_TOLERANCE))

"""What a viewer of any supported version of napari looks with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer


def camera_of(viewer: ViewerModel) -> Any:
    """Return a viewer's camera; since napari 0.9 it belongs to the viewer's scene."""
    return getattr(viewer, "scene", viewer).camera


def grid_of(viewer: ViewerModel) -> Any:
    """Return how a viewer puts layers side by side; since napari 0.9 its canvas has it."""
    return getattr(viewer, "canvas", viewer).grid


@dataclass(frozen=True)
class Sight:
    """Where a viewer looks on a B-scan, and how large the B-scan is, in its units."""

    extent: tuple[float, ...]
    zoom: float
    center: tuple[float, ...]


def read_sight(viewer: ViewerModel, layer: Layer) -> Sight:
    """Return where a viewer looks on a layer."""
    camera = camera_of(viewer)
    return Sight(_measure(layer), float(camera.zoom), tuple(camera.center[-2:]))


def keep_sight(viewer: ViewerModel, layer: Layer, sight: Sight | None) -> None:
    """Look on a layer where another one of the same size was looked at."""
    if sight is None or viewer.dims.ndisplay != 2 or _measure(layer) != sight.extent:
        return
    camera = camera_of(viewer)
    camera.zoom = sight.zoom
    camera.center = (*camera.center[:-2], *sight.center)


def _measure(layer: Layer) -> tuple[float, ...]:
    shape, scale = layer.data.shape[-2:], layer.scale[-2:]
    return tuple(float(n * length) for n, length in zip(shape, scale, strict=True))

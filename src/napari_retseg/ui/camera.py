"""What a viewer of any supported version of napari looks with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.components import ViewerModel


def camera_of(viewer: ViewerModel) -> Any:
    """Return a viewer's camera; since napari 0.9 it belongs to the viewer's scene."""
    return getattr(viewer, "scene", viewer).camera


def grid_of(viewer: ViewerModel) -> Any:
    """Return how a viewer puts layers side by side; since napari 0.9 its canvas has it."""
    return getattr(viewer, "canvas", viewer).grid

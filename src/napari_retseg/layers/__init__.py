"""Layers of the retina: their order, and their boundaries in a label map."""

from napari_retseg.layers.anatomy import is_gapless, is_lesion, layer_order, name_boundaries
from napari_retseg.layers.boundaries import (
    HOLE,
    LayerMap,
    boundaries_of_labels,
    labels_of_boundaries,
)
from napari_retseg.layers.boundary_error import (
    BoundaryCounter,
    BoundaryError,
    BoundaryErrors,
    count_boundaries,
)

__all__ = [
    "HOLE",
    "BoundaryCounter",
    "BoundaryError",
    "BoundaryErrors",
    "LayerMap",
    "boundaries_of_labels",
    "count_boundaries",
    "is_gapless",
    "is_lesion",
    "labels_of_boundaries",
    "layer_order",
    "name_boundaries",
]

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
from napari_retseg.layers.merging import (
    find_common_classes,
    list_missing_classes,
    list_unknown_classes,
    translate_classes,
    translate_indices,
)

__all__ = [
    "HOLE",
    "BoundaryCounter",
    "BoundaryError",
    "BoundaryErrors",
    "LayerMap",
    "boundaries_of_labels",
    "count_boundaries",
    "find_common_classes",
    "is_gapless",
    "is_lesion",
    "labels_of_boundaries",
    "layer_order",
    "list_missing_classes",
    "list_unknown_classes",
    "name_boundaries",
    "translate_classes",
    "translate_indices",
]

"""Whether two labels layers can be compared, and by which classes. Knows no Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_retseg.classes import IGNORE, LabelSet
from napari_retseg.ui.layers import CLASSES, are_turned

if TYPE_CHECKING:
    from napari.layers import Labels


def find_fault(reference: Labels, predicted: Labels) -> str:
    """Say why two layers cannot be compared; empty where they can."""
    for layer in (reference, predicted):
        if not isinstance(layer.data, np.ndarray) or layer.ndim not in (2, 3):
            return (
                f"{layer.name}: only labels layers in memory with two or three axes can be "
                "compared."
            )
    if reference is predicted:
        return "Choose two different layers."
    if reference.data.shape != predicted.data.shape:
        return (
            f"{reference.name} and {predicted.name} have different shapes ({reference.data.shape} "
            f"and {predicted.data.shape}); choose labels of the same scan."
        )
    if are_turned(reference, predicted):
        return (
            f"{reference.name} and {predicted.name} have different orientations; choose labels "
            "with the same orientation."
        )
    return ""


def classes_of(layer: Labels) -> LabelSet:
    """Return a layer's classes: those that it was made with, or one for each value in it."""
    named = layer.metadata.get(CLASSES)
    if isinstance(named, dict):
        return LabelSet.from_names({int(k): str(v) for k, v in named.items()})
    middle = layer.data if layer.ndim == 2 else layer.data[len(layer.data) // 2]
    values = [int(v) for v in np.unique(middle) if 0 < v < IGNORE]
    return LabelSet.from_names({0: "background", **{v: f"class {v}" for v in values or [1]}})

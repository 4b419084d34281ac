"""The boundaries of a scan's labels by name, as they are written to files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import LabelSet
from napari_retseg.layers.anatomy import layer_order, name_boundaries
from napari_retseg.layers.boundaries import boundaries_of_labels
from napari_retseg.plural import count_noun

#: A class that is all layers together.
_WHOLE = "retina"


@dataclass(frozen=True, slots=True)
class NamedBoundaries:
    """The boundaries of labels.

    Attributes
    ----------
    rows
        By name from above, each (bscan, width), NaN where there is none; empty where no class is
        a layer.
    n_out_of_order
        Number of A-scans whose layers are out of order. Their boundaries are those that fit the
        labels best.
    n_ascans
        Number of all A-scans.
    """

    rows: dict[str, NDArray[np.float32]]
    n_out_of_order: int = 0
    n_ascans: int = 0

    def list_notes(self) -> list[str]:
        """What the user should know."""
        if not self.n_out_of_order:
            return []
        return [
            f"the layers of {self.n_out_of_order} of {count_noun(self.n_ascans, 'A-scan')} are "
            "out of order; their boundaries are those that fit the labels best"
        ]


def list_layers(classes: LabelSet) -> list[int]:
    """Values of the classes that are layers, from the vitreous to the sclera."""
    return [classes.classes[index].value for index in layer_order(classes)]


def has_boundaries(classes: LabelSet) -> bool:
    """Whether labels of these classes have boundaries that can be named."""
    return bool(list_layers(classes)) or _WHOLE in classes.names


def find_named_boundaries(labels: NDArray[np.uint8], classes: LabelSet) -> NamedBoundaries:
    """Find the boundaries of the layers among the classes; else those of a class ``retina``.

    Parameters
    ----------
    labels
        Class values, (bscan, depth, width) or (depth, width).
    classes
        All classes in `labels`.
    """
    called = {c.value: c.name for c in classes.classes}
    layers = list_layers(classes) or [value for value in called if called[value] == _WHOLE]
    if not layers:
        return NamedBoundaries({})
    volume = labels.reshape(-1, *labels.shape[-2:])
    found = boundaries_of_labels(volume, layers)
    rows = found.annotated_rows().swapaxes(0, 1)
    return NamedBoundaries(
        dict(zip(name_boundaries([called[value] for value in layers]), rows, strict=True)),
        n_out_of_order=int((~found.is_ordered).sum()),
        n_ascans=int(found.is_ordered.size),
    )

"""The boundaries of a B-scan as curves to edit, with the parts of a pixel that labels forget."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import LabelSet
from napari_retseg.decode.curves import make_curves, redraw
from napari_retseg.layers import boundaries_of_labels, layer_order, name_boundaries

#: Sheets that are remembered: some steps back and forth on some B-scans.
_MEMORY = 48


@dataclass(frozen=True)
class Sheet:
    """Curves of a B-scan, and what they were made of.

    Attributes
    ----------
    labels
        Class values as they are seen, ``(depth, width)``.
    rows
        Boundaries of the layers, ``(boundary, width)``, in the coordinates of pixel centres.
    rest
        What lies over the layers: see :class:`napari_retseg.layers.LayerMap`.
    """

    labels: NDArray[np.uint8]
    rows: NDArray[np.float32]
    rest: NDArray[np.uint8]


class Sheets:
    """Makes the sheets of a scan, and remembers them: after an undo its curves are as they were.

    Parameters
    ----------
    classes
        Of the scan.
    """

    def __init__(self, classes: LabelSet) -> None:
        layers = [classes.classes[k] for k in layer_order(classes)]
        self.layers: Sequence[int] = [layer.value for layer in layers]
        self.layer_names = [layer.name for layer in layers]
        self.names = name_boundaries(self.layer_names) if layers else []
        #: Of each boundary: that of the layer below it.
        self.colors = [layer.color for layer in (*layers, *layers[-1:])]
        self._memory: OrderedDict[bytes, Sheet] = OrderedDict()

    def make(self, labels: NDArray[np.uint8]) -> Sheet:
        """Make the sheet of a B-scan's labels, ``(depth, width)``."""
        key = _hash(labels)
        found = self._memory.get(key)
        if found is None:
            taken = boundaries_of_labels(labels, self.layers)
            rows = make_curves(taken, depth=len(labels))
            found = Sheet(labels.copy(), rows, taken.rest)
        self._keep(key, found)
        return found

    def change(self, sheet: Sheet, rows: NDArray[np.float32]) -> Sheet:
        """Return the sheet with other boundaries, and remember that these labels have them."""
        labels = redraw(sheet.labels, sheet.rows, rows, self.layers, sheet.rest)
        # taken apart again: a boundary that was lifted over fluid leaves other rest behind
        changed = Sheet(labels, rows, boundaries_of_labels(labels, self.layers).rest)
        self._keep(_hash(labels), changed)
        return changed

    def _keep(self, key: bytes, sheet: Sheet) -> None:
        self._memory[key] = sheet
        self._memory.move_to_end(key)
        while len(self._memory) > _MEMORY:
            self._memory.popitem(last=False)


def _hash(labels: NDArray[np.uint8]) -> bytes:
    return hashlib.blake2b(labels.tobytes()).digest()

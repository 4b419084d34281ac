"""What was corrected on a B-scan: the offset of each boundary, pockets added and taken out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_retseg.classes import IGNORE
from napari_retseg.layers import LayerMap, boundaries_of_labels

#: A-scans over which offsets are smoothed, as a standard deviation.
_SMOOTHING = 2.0
#: A pocket was added where less than this share of it was there before, and taken out where less
#: than this share is left.
_THERE_BEFORE, _LEFT = 0.5, 0.1
#: Pockets with fewer pixels are not carried over.
SMALLEST_POCKET = 20


@dataclass(frozen=True)
class Correction:
    """One B-scan as it was predicted and as it was confirmed.

    Attributes
    ----------
    grey
        Grey values, ``(depth, width)``, float32.
    prediction, labels
        Class values of the same shape.
    layers
        Values of the layers from the vitreous to the sclera.
    lesions
        Values of the classes that lie between them.
    """

    grey: NDArray[np.float32]
    prediction: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    layers: Sequence[int]
    lesions: Sequence[int]

    @cached_property
    def confirmed(self) -> LayerMap:
        """The labels as boundaries."""
        return boundaries_of_labels(self.labels, self.layers)

    @cached_property
    def rows(self) -> NDArray[np.float32]:
        """Rows of the confirmed boundaries, ``(boundary, width)``; NaN where they are not seen."""
        return np.where(self.confirmed.is_ordered, self.confirmed.visible_rows(), np.nan)

    @cached_property
    def offsets(self) -> NDArray[np.float32]:
        """How far each boundary was moved, in rows, positive where it lies deeper now; smoothed.

        ``(boundary, width)``, NaN where nothing was annotated or predicted.
        """
        predicted = boundaries_of_labels(self.prediction, self.layers)
        before = np.where(predicted.is_ordered, predicted.visible_rows(), np.nan)
        return smooth_known(self.rows - before, _SMOOTHING)

    def pockets_added(self, value: int) -> list[NDArray[np.bool_]]:
        """Pockets of a class that the prediction did not have."""
        return _find_unshared(self.labels == value, self.prediction == value, _THERE_BEFORE)

    def pockets_removed(self, value: int) -> list[NDArray[np.bool_]]:
        """Pockets of a class that are there no longer; where nothing is annotated none is."""
        return _find_unshared(
            self.prediction == value, (self.labels == value) | (self.labels == IGNORE), _LEFT
        )


def smooth_known(values: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Smooth along the last axis with a Gaussian; what is NaN has no say, and stays NaN."""
    known = np.isfinite(values)
    weight = ndimage.gaussian_filter1d(known.astype(np.float32), sigma, axis=-1)
    total = ndimage.gaussian_filter1d(np.where(known, values, 0), sigma, axis=-1)
    return np.where(known, total / np.maximum(weight, 1e-6), np.nan).astype(np.float32)


def split_pockets(mask: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """The connected parts of a mask that are large enough to be carried."""
    parts, n = ndimage.label(mask)
    sizes = np.bincount(parts.ravel(), minlength=n + 1)
    return [parts == k for k in range(1, n + 1) if sizes[k] >= SMALLEST_POCKET]


def _find_unshared(
    mask: NDArray[np.bool_], other: NDArray[np.bool_], most: float
) -> list[NDArray[np.bool_]]:
    found = split_pockets(mask)
    return [pocket for pocket in found if other[pocket].mean() < most]

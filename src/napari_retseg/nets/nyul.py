"""Standard landmarks of the grey-value histogram, learnt from training images.

Nyúl & Udupa, Magnetic Resonance in Medicine 42(6):1072, 1999; Nyúl, Udupa & Zhang, IEEE
Transactions on Medical Imaging 19(2):143, 2000. The landmarks are percentiles of all pixels; the
standard scale runs from 0 (1st percentile) to 1 (99th).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.errors import InputError
from napari_retseg.nets.greylevels import GreyLevels, ImageLevels

#: Percentiles that the landmarks lie at, in %.
PERCENTILES = (1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 99)
_SHARES = tuple(percent / 100 for percent in PERCENTILES)


def learn_landmarks(images: Iterable[NDArray[Any]]) -> tuple[float, ...]:
    """Learn the standard landmarks of one channel.

    The percentiles of each image are mapped linearly so that the first becomes 0 and the last 1;
    the landmarks are their means over the images. Images without contrast do not count.

    Parameters
    ----------
    images
        Grey values of one channel, of any shape and number type.

    Returns
    -------
    tuple of float
        As many as :data:`PERCENTILES`, ascending from 0 to 1.

    Raises
    ------
    InputError
        Where no image has contrast.
    """
    return average_percentiles(find_percentiles(ImageLevels(image)) for image in images)


def find_percentiles(levels: GreyLevels) -> NDArray[np.float64]:
    """Return the grey values of an image at :data:`PERCENTILES`."""
    return levels.quantiles(_SHARES)


def average_percentiles(images: Iterable[NDArray[np.float64]]) -> tuple[float, ...]:
    """Learn the standard landmarks as in :func:`learn_landmarks`, from images' percentiles."""
    total = np.zeros(len(PERCENTILES))
    n = 0
    for own in images:
        if own[-1] > own[0]:
            total += (own - own[0]) / (own[-1] - own[0])
            n += 1
    if not n:
        raise InputError(
            "no training image has enough contrast for --normalise nyul; choose another "
            "normalisation"
        )
    return tuple(float(value) for value in total / n)


@dataclass(frozen=True, slots=True)
class LandmarkMap:
    """Piecewise linear map from an image's own landmarks to the standard ones.

    The first and the last piece go on beyond the landmarks.
    """

    own: tuple[float, ...]
    standard: tuple[float, ...]

    def apply(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map grey values; without two different landmarks there is no contrast: zeros."""
        if len(self.own) < 2:
            return np.zeros_like(values)
        own = np.asarray(self.own, np.float32)
        standard = np.asarray(self.standard, np.float32)
        slopes = np.diff(standard) / np.diff(own)
        piece = np.searchsorted(own[1:-1], values, side="right")
        mapped: NDArray[np.float32] = standard[piece] + (values - own[piece]) * slopes[piece]
        return mapped


def match_landmarks(levels: GreyLevels, standard: tuple[float, ...]) -> LandmarkMap:
    """Find the map of an image to the standard landmarks.

    Percentiles that share one grey value (a black margin) take the mean of their landmarks.
    """
    quantiles = find_percentiles(levels).astype(np.float32)
    own, group = np.unique(quantiles, return_inverse=True)
    means = np.bincount(group, weights=standard) / np.bincount(group)
    return LandmarkMap(tuple(map(float, own)), tuple(map(float, means)))

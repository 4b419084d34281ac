"""From grey values to the network's range of values, each channel for itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_retseg.config import Normalisation
from napari_retseg.errors import ModelError
from napari_retseg.nets.greylevels import (
    GreyLevels,
    ImageLevels,
    is_countable,
    replace_not_finite,
    to_float,
)
from napari_retseg.nets.nyul import PERCENTILES, LandmarkMap, match_landmarks
from napari_retseg.plural import count_noun

#: Share of the darkest and of the brightest pixels that percentile normalisation clips, in %.
CLIPPED_PERCENT = 0.5
#: Mean and standard deviation of ImageNet's red, green and blue, and of a grey image, for 0-1.
IMAGENET_RGB = ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))
IMAGENET_GREY = (0.449, 0.226)


class GreyMap(Protocol):
    """A map of grey values that statistics have settled."""

    def apply(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map finite values; the array may be changed."""


@dataclass(frozen=True, slots=True)
class LinearMap:
    """Subtract `offset` and divide by `span`, then clip to 0-1 if asked; span 0 gives zeros."""

    offset: float
    span: float
    clipped: bool = False

    def apply(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map the values in place."""
        if np.float32(self.span) <= 0:
            values[...] = 0
            return values
        values -= np.float32(self.offset)
        values /= np.float32(self.span)
        return np.clip(values, 0.0, 1.0, out=values) if self.clipped else values


def normalise(
    pixels: NDArray[Any], kind: Normalisation, *, landmarks: tuple[float, ...] = ()
) -> NDArray[np.float32]:
    """Normalise a B-scan or a volume by its own statistics, each channel for itself.

    Parameters
    ----------
    pixels
        Grey values, shape ``(channel, *spatial)``, any number type. Values that are not finite
        count as the darkest.
    kind
        ``none`` keeps the values. ``min-max`` maps them to 0-1. ``percentile`` maps the 0.5th
        and 99.5th percentiles to 0 and 1 and clips. ``z-score`` gives mean 0 and standard
        deviation 1. ``z-score-0-1`` brings z-scores to 0-1: from the same pixels this is
        min-max. ``imagenet`` brings values to 0-1 (bytes by 255, unsigned 16 bits by 65535, other
        numbers by min-max), then subtracts ImageNet's mean and divides by its standard
        deviation: those of red, green and blue for three channels, else 0.449 and 0.226.
        ``nyul`` maps percentiles to standard landmarks (:mod:`napari_retseg.nets.nyul`).
        Without contrast all but ``none`` give zeros.
    landmarks
        Of ``nyul``: those of one channel, or of all channels one after the other.

    Returns
    -------
    ndarray
        float32, of the same shape.
    """
    if kind == "none":
        return apply_maps(pixels, None)
    levels = [ImageLevels(channel) for channel in pixels]
    return apply_maps(pixels, plan_maps(levels, kind, dtype=pixels.dtype, landmarks=landmarks))


def plan_maps(
    levels: Sequence[GreyLevels],
    kind: Normalisation,
    *,
    dtype: np.dtype[Any],
    landmarks: tuple[float, ...] = (),
) -> tuple[GreyMap, ...]:
    """Settle the maps of all channels from their grey levels; `kind` is not ``none``.

    Raises
    ------
    ModelError
        Where nyul has no landmarks, or not those of so many channels.
    """
    if kind == "nyul":
        standard = _landmarks_of_channels(landmarks, len(levels))
        return tuple(match_landmarks(*pair) for pair in zip(levels, standard, strict=True))
    if kind == "imagenet":
        moments = IMAGENET_RGB if len(levels) == 3 else (IMAGENET_GREY,) * len(levels)
        pairs = zip(levels, moments, strict=True)
        return tuple(_map_to_imagenet(one, dtype, *pair) for one, pair in pairs)
    return tuple(_map_linearly(one, kind) for one in levels)


def _map_linearly(levels: GreyLevels, kind: Normalisation) -> LinearMap:
    if kind == "z-score":
        return LinearMap(levels.mean, levels.std)
    if kind == "percentile":
        low, high = levels.quantiles((CLIPPED_PERCENT / 100, 1 - CLIPPED_PERCENT / 100))
        return LinearMap(float(low), float(high - low), clipped=True)
    # z-score-0-1 too: a shift and a gain before it do not change what min-max gives
    return LinearMap(levels.low, levels.high - levels.low)


def _map_to_imagenet(
    levels: GreyLevels, dtype: np.dtype[Any], mean: float, std: float
) -> LinearMap:
    if levels.high <= levels.low:
        return LinearMap(levels.low, 0.0)
    low, high = levels.low, levels.high
    if dtype.kind == "u" and is_countable(dtype):
        low, high = 0.0, float(np.iinfo(dtype).max)
    return LinearMap(low + mean * (high - low), std * (high - low))


def _landmarks_of_channels(
    landmarks: tuple[float, ...], n_channels: int
) -> list[tuple[float, ...]]:
    n = len(PERCENTILES)
    if len(landmarks) == n:
        return [landmarks] * n_channels
    if len(landmarks) != n * n_channels:
        raise ModelError(
            f"nyul normalisation of {count_noun(n_channels, 'channel')} needs {n} landmarks for "
            f"each, but the model has {len(landmarks)}; train the model again"
        )
    return [landmarks[k * n : (k + 1) * n] for k in range(n_channels)]


def apply_maps(
    pixels: NDArray[Any],
    maps: Sequence[GreyMap] | None,
    *,
    darkest: Sequence[float] | None = None,
) -> NDArray[np.float32]:
    """Map the grey values of ``(channel, *spatial)`` to new float32 values.

    Parameters
    ----------
    maps
        One for each channel; None keeps the values.
    darkest
        What values that are not finite count as, for each channel; None: the image's own.
    """
    values = to_float(pixels)
    for k, channel in enumerate(values):
        if pixels.dtype.kind not in "bui":
            values[k] = replace_not_finite(channel, darkest[k] if darkest is not None else None)
        if maps is None:
            continue
        one = maps[k]
        if pixels.dtype == np.uint8 and isinstance(one, LandmarkMap):
            # a table of all grey values is thirty times faster than to search each pixel's piece
            values[k] = one.apply(np.arange(256, dtype=np.float32))[pixels[k]]
        else:
            values[k] = one.apply(channel)
    return values

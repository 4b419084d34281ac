"""From reflectivity to grey values: blur, roll-off, speckle, noise, scale and 8 bits.

Reflectivity is written on a fourth-root scale (that of a Spectralis display); its fourth power is
the linear signal, in which light adds up and speckle multiplies.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.special import gammaincinv, ndtr

from napari_retseg.simulate.config import ImagingConfig, draw, draw_scale
from napari_retseg.simulate.field import Map

_REACH, _STEPS = 4.5, 2048
_SMALLEST = 1e-7


@dataclass(frozen=True)
class Optics:
    """What was drawn from an `ImagingConfig` for one volume; sizes in pixels."""

    config: ImagingConfig
    looks: float
    speckle_px: tuple[float, float]
    blur_px: tuple[float, float]
    noise: float
    rolloff_db: float
    haze: float
    penetration_um: float
    layer_contrast: float
    range_db: float
    gamma: float
    black: float
    white: float


def draw_optics(
    rng: np.random.Generator, config: ImagingConfig, *, axial_um: float, lateral_um: float
) -> Optics:
    """Draw a device's state for one volume."""
    pixel = (axial_um, lateral_um)
    return Optics(
        config=config,
        looks=draw_scale(rng, config.looks),
        speckle_px=_draw_size(rng, config.speckle_um, pixel),
        blur_px=_draw_size(rng, config.blur_um, pixel),
        noise=draw(rng, config.noise),
        rolloff_db=draw(rng, config.rolloff),
        haze=draw(rng, config.haze),
        penetration_um=draw(rng, config.penetration_um),
        layer_contrast=draw(rng, config.layer_contrast),
        range_db=draw(rng, config.range_db),
        gamma=draw(rng, config.gamma),
        black=draw(rng, config.black),
        white=draw(rng, config.white),
    )


def _draw_size(
    rng: np.random.Generator,
    limits_um: tuple[tuple[float, float], tuple[float, float]],
    pixel_um: tuple[float, float],
) -> tuple[float, float]:
    return draw(rng, limits_um[0]) / pixel_um[0], draw(rng, limits_um[1]) / pixel_um[1]


def detect(rng: np.random.Generator, signal: Map, optics: Optics) -> NDArray[np.uint8]:
    """Turn one B-scan's linear signal into 8-bit grey values, shape ``(depth, width)``."""
    signal = gaussian_filter(signal, optics.blur_px, truncate=3)
    rows = np.linspace(0, 1, len(signal), dtype=np.float32)[:, None]
    signal += np.float32(optics.haze**4) * np.exp(-rows / 0.6)
    signal *= 10 ** (-np.float32(optics.rolloff_db / 10) * rows)
    signal *= speckle(rng, signal.shape, looks=optics.looks, size_px=optics.speckle_px)
    floor = speckle(rng, signal.shape, looks=optics.looks, size_px=(0, 0))
    signal += np.float32(optics.noise**4) * floor
    return _display(signal, optics)


def _display(signal: Map, optics: Optics) -> NDArray[np.uint8]:
    if optics.config.scale == "root":
        grey = np.sqrt(np.sqrt(signal))
    else:
        grey = 1 + np.log10(np.maximum(signal, _SMALLEST)) * np.float32(10 / optics.range_db)
    grey = (grey - np.float32(optics.black)) / np.float32(optics.white - optics.black)
    grey = np.clip(grey, 0, 1) ** np.float32(optics.gamma)
    pixels: NDArray[np.uint8] = np.rint(grey * 255).astype(np.uint8)
    return pixels


def speckle(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    *,
    looks: float,
    size_px: tuple[float, float],
) -> Map:
    """Draw correlated speckle with mean 1: an average of `looks` independent patterns.

    The intensity of fully developed speckle is exponential, the mean of N patterns has a gamma
    distribution of shape N (Goodman, Speckle Phenomena in Optics, 2007). A correlated normal
    field is mapped to that distribution by its quantiles.

    Parameters
    ----------
    looks
        Number of patterns averaged; 1 for a single frame.
    size_px
        Standard deviation of the correlation in depth and width; 0: uncorrelated.
    """
    field = rng.standard_normal(shape, dtype=np.float32)
    if max(size_px) > 0:
        field = gaussian_filter(field, size_px, truncate=3)
        field /= field.std()
    steps = (field + np.float32(_REACH)) * np.float32((_STEPS - 1) / (2 * _REACH))
    return np.take(_quantiles(looks), steps.astype(np.int16), mode="clip")


@cache
def _quantiles(looks: float) -> Map:
    """Gamma values with mean 1 at evenly spaced normal ones."""
    normal = np.linspace(-_REACH, _REACH, _STEPS)
    values = np.asarray(gammaincinv(looks, ndtr(normal)) / looks)
    return values.astype(np.float32)

"""From reflectivity to grey values: blur, speckle, noise, the display's scale, 8 bits, JPEG.

Bands are drawn as greys, the fourth root of the signal. The point spread acts on the amplitude,
the square root of the signal: with it the middle of a displayed edge lies about where graders draw
their line. Speckle multiplies the signal, and noise adds to it.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.special import gammaincinv, ndtr

from napari_retseg.simulate.field import Map
from napari_retseg.simulate.parameters import Optics

_TRUNCATE = 2.5
_SMALLEST = 1e-7
_DARK = 30
#: Span in standard deviations and length of the tables of speckle.
_REACH, _STEPS = 4.5, 2048

#: The luminance table of ITU-T T.81, annex K, for quality 50.
_TABLE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    dtype=np.float32,
)


def blur(grey: Map, optics: Optics, *, axial_um: float, lateral_um: float) -> Map:
    """Spread the amplitude; the result is the signal (intensity)."""
    wider = 2.0 if optics.defocus else 1.0
    size = (wider * optics.blur_depth_um / axial_um, wider * optics.blur_width_um / lateral_um)
    amplitude = np.square(grey)
    return np.square(gaussian_filter(amplitude, size, truncate=_TRUNCATE))


def expose(rng: np.random.Generator, signal: Map, optics: Optics) -> Map:
    """Add haze, speckle and noise, and take some of the noise off again."""
    grain = (optics.speckle_depth, optics.speckle_width)
    looks = _steps(optics.looks)
    if optics.haze > 0:
        rows = np.linspace(0, 1, len(signal), dtype=np.float32)[:, None]
        signal = signal + np.float32(optics.haze**4) * np.exp(-rows / np.float32(0.5))
    signal = signal * speckle(rng, signal.shape, looks=looks, size_px=grain)
    floor = np.float32(optics.noise**4)
    size = (optics.noise_size, optics.noise_size)
    signal += floor * speckle(rng, signal.shape, looks=looks, size_px=size)
    return signal - np.float32(optics.subtracted) * floor


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


def _steps(looks: float) -> float:
    """Round the number of looks to 24 steps a decade, whose tables are kept."""
    return float(10 ** (np.rint(24 * np.log10(looks)) / 24))


def display(signal: Map, optics: Optics) -> Map:
    """Show the signal on the device's scale, between its black and its white, as 0 to 1."""
    if optics.scale == "log":
        grey = 1 + np.log10(np.maximum(signal, _SMALLEST)) * np.float32(10 / optics.range_db)
        np.maximum(grey, 0, out=grey)
    else:
        grey = np.sqrt(np.maximum(signal, 0))
        if optics.scale == "root":
            grey = np.sqrt(grey)
    sample = grey[::3, ::5]
    dark, white = (float(v) for v in np.percentile(sample, (_DARK, 99.7)))
    # nobody looks at a scan whose vitreous is brighter than half of its white
    black = min(max(optics.black * dark, 2 * dark - white), 0.6 * white)
    span = np.float32(max((white - black) * optics.white, 1e-3))
    shown: Map = np.clip((grey - np.float32(black)) / span, 0, 1)
    return shown ** np.float32(optics.gamma)


def quantise(grey: Map, optics: Optics) -> NDArray[np.uint8]:
    """Round to 8 bits, or to fewer levels and through JPEG where the draw says so."""
    if optics.coarse:
        steps = np.float32(optics.levels - 1)
        grey = np.rint(grey * steps) / steps
    if optics.jpeg:
        grey = compress(grey * np.float32(255), quality=optics.quality) / np.float32(255)
    pixels: NDArray[np.uint8] = np.rint(np.clip(grey, 0, 1) * 255).astype(np.uint8)
    return pixels


def compress(grey: Map, *, quality: float) -> Map:
    """What JPEG makes of grey values from 0 to 255 (ITU-T T.81: 8 x 8 cosines, quantised)."""
    scale = 50 / quality if quality < 50 else 2 - quality / 50
    table = np.clip(np.floor(_TABLE * np.float32(scale) + np.float32(0.5)), 1, 255)
    depth, width = grey.shape
    padded = np.pad(grey, ((0, -depth % 8), (0, -width % 8)), mode="edge") - np.float32(128)
    blocks = padded.reshape(padded.shape[0] // 8, 8, padded.shape[1] // 8, 8).swapaxes(1, 2)
    basis = _cosines()
    kept = np.rint(basis @ blocks @ basis.T / table) * table
    restored: Map = (basis.T @ kept @ basis).swapaxes(1, 2).reshape(padded.shape)
    return restored[:depth, :width] + np.float32(128)


def _cosines() -> Map:
    """Orthonormal basis of the discrete cosine transform of 8 values."""
    k, n = np.arange(8)[:, None], np.arange(8)
    basis = np.cos(np.pi * (2 * n + 1) * k / 16) * np.where(k == 0, np.sqrt(1 / 8), 0.5)
    return basis.astype(np.float32)

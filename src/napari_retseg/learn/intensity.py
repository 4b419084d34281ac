"""Random changes of grey values: tone, speckle, blur, shadows, weak signal, cut-outs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from napari_retseg.config import AugmentConfig
from napari_retseg.learn.noise import LARGEST_GRAIN, make_grainy_noise

Floats = NDArray[np.float32]

#: Vessels of a sample with shadows, at most.
MOST_VESSELS = 3
#: Half the width of a vessel's shadow, in pixels.
VESSEL_HALF_WIDTH = (1.5, 5.0)
#: Part of the depth over which a shadow sets in.
SHADOW_ONSET = 0.04
#: Part of the signal that overlapping shadows take at most.
DARKEST_SHADOW = 0.9
#: Part of the width over which a weak stretch sets in, on either side.
STRETCH_EDGE = 0.05
#: Edges of a cut-out, parts of each axis.
CUTOUT_SIZE = (0.1, 0.3)
#: Speckle of dark tissue over that of bright tissue, to which 1 is added there.
DARK_SPECKLE = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class ShadowDraw:
    """Shadows of vessels, each field ``(n, MOST_VESSELS)``.

    Attributes
    ----------
    column
        Middle, part of the width.
    slope
        How far the middle runs over all slices of a volume, part of the width.
    half_width
        Pixels.
    top
        Part of the depth above the shadow.
    strength
        Part of the signal that it takes; 0 where there is no vessel.
    """

    column: Floats
    slope: Floats
    half_width: Floats
    top: Floats
    strength: Floats


@dataclass(frozen=True, slots=True, eq=False)
class GreyDraw:
    """Changes of grey values of n samples; None where a change is off.

    Grey values are in units of each sample's own range (per channel).

    Attributes
    ----------
    shadow
        Of vessels.
    stretch
        ``(n, 3)``, a weak stretch of A-scans: its middle and half its width, parts of the width,
        and the part of the signal that is left; 1 where there is none.
    blur
        ``(n,)``, sigma in pixels of the plane; 0 where there is none.
    gamma, contrast, brightness
        ``(n,)``, exponent, factor of the distance from the mean, offset.
    speckle, grain
        ``(n,)``, standard deviation, and how many pixels of a row are correlated.
    cutout
        ``(n, 3, 2)``, first and last position of a box along slices, depth and width, parts of
        each axis; the same number where there is none.
    seed
        ``(n,)``, int64, of the speckle.
    """

    shadow: ShadowDraw | None
    stretch: Floats | None
    blur: Floats | None
    gamma: Floats | None
    contrast: Floats | None
    brightness: Floats | None
    speckle: Floats | None
    grain: Floats | None
    cutout: Floats | None
    seed: NDArray[np.int64]

    @property
    def tones(self) -> bool:
        """Whether a change is on that depends on a sample's own range."""
        changes = (self.shadow, self.stretch, self.gamma, self.contrast, self.brightness)
        return any(change is not None for change in (*changes, self.speckle))


def draw_grey(config: AugmentConfig, n: int, rng: np.random.Generator) -> GreyDraw:
    """Draw changes of grey values for `n` samples."""

    def around(center: float, half_range: float) -> Floats | None:
        return _uniform(rng, center - half_range, center + half_range, n) if half_range else None

    gamma = around(0, config.gamma)
    return GreyDraw(
        gamma=None if gamma is None else np.exp(gamma),
        contrast=around(1, config.contrast),
        brightness=around(0, config.brightness),
        speckle=_uniform(rng, 0, config.speckle, n) if config.speckle else None,
        grain=_uniform(rng, 1, LARGEST_GRAIN, n) if config.speckle else None,
        blur=_draw_blur(config.blur, n, rng) if config.blur else None,
        shadow=_draw_shadow(config.vessel_shadow, n, rng) if config.vessel_shadow else None,
        stretch=_draw_stretch(config.low_signal, n, rng) if config.low_signal else None,
        cutout=_draw_cutout(config.cutout, n, rng) if config.cutout else None,
        seed=rng.integers(2**31, size=n),
    )


def _uniform(rng: np.random.Generator, low: float, high: float, *shape: int) -> Floats:
    return rng.uniform(low, high, shape).astype(np.float32)


def _draw_blur(largest: float, n: int, rng: np.random.Generator) -> Floats:
    return np.where(rng.random(n) < 0.5, _uniform(rng, 0, largest, n), np.float32(0))


def _draw_shadow(share: float, n: int, rng: np.random.Generator) -> ShadowDraw:
    n_vessels = np.where(rng.random(n) < share, rng.integers(1, MOST_VESSELS + 1, n), 0)
    present = np.arange(MOST_VESSELS) < n_vessels[:, None]
    shape = present.shape
    return ShadowDraw(
        column=_uniform(rng, 0, 1, *shape),
        slope=_uniform(rng, -0.3, 0.3, *shape),
        half_width=_uniform(rng, *VESSEL_HALF_WIDTH, *shape),
        top=_uniform(rng, 0.1, 0.6, *shape),
        strength=np.where(present, _uniform(rng, 0.3, 0.8, *shape), np.float32(0)),
    )


def _draw_stretch(share: float, n: int, rng: np.random.Generator) -> Floats:
    weak = rng.random(n) < share
    left = np.where(weak, _uniform(rng, 0.2, 0.6, n), np.float32(1))
    return np.stack([_uniform(rng, 0, 1, n), _uniform(rng, 0.05, 0.25, n), left], axis=1)


def _draw_cutout(share: float, n: int, rng: np.random.Generator) -> Floats:
    size = _uniform(rng, *CUTOUT_SIZE, n, 3) * (rng.random((n, 1)) < share)
    first = rng.random((n, 3)) * (1 - size)
    return np.stack([first, first + size], axis=-1).astype(np.float32)


def change_grey(images: torch.Tensor, draw: GreyDraw) -> torch.Tensor:
    """Change images ``(n, channel, [z,] depth, width)`` as drawn; never in place.

    The order is that of the light: what dims the signal, the optics, the display's tones, the
    speckle; a cut-out takes the place of all that.
    """
    if not (draw.tones or draw.blur is not None or draw.cutout is not None):
        return images
    # in 2D, one slice
    volume = images if images.ndim == 5 else images[:, :, None]
    axes = (2, 3, 4)
    if draw.tones:
        low = volume.amin(axes, keepdim=True)
        span = (volume.amax(axes, keepdim=True) - low).clamp_min_(1e-6)
        grey = _attenuate((volume - low).div_(span), draw)
        grey = _tone(_blur(grey, draw.blur), draw)
        volume = _add_speckle(grey, draw).mul_(span).add_(low)
    else:
        volume = _blur(volume, draw.blur)
    if draw.cutout is not None:
        volume = _cut_out(volume, draw.cutout)
    return volume.reshape(images.shape)


def _attenuate(grey: torch.Tensor, draw: GreyDraw) -> torch.Tensor:
    """Dim A-scans below vessels and in weak stretches, in place."""
    n_slices, depth, width = grey.shape[-3:]
    if draw.shadow is not None and draw.shadow.strength.any():
        samples = np.flatnonzero(draw.shadow.strength.any(axis=1))
        light = _make_shadow(draw.shadow, samples, (n_slices, depth, width), grey.device)
        chosen = torch.from_numpy(samples).to(grey.device)
        grey.index_copy_(0, chosen, grey[chosen].mul_(light[:, None]))
    if draw.stretch is not None and (draw.stretch[:, 2] != 1).any():
        grey.mul_(_make_stretch(draw.stretch, width, grey.device)[:, None, None, None])
    return grey


def _make_shadow(
    draw: ShadowDraw, samples: NDArray[np.intp], shape: tuple[int, int, int], device: torch.device
) -> torch.Tensor:
    """Make the light that is left below vessels, ``(samples, z, depth, width)``."""
    n_slices, depth, width = shape
    column, slope, half_width, top, strength = (
        values[samples, :, None, None]
        for values in (draw.column, draw.slope, draw.half_width, draw.top, draw.strength)
    )
    run = (np.arange(n_slices) + 0.5)[:, None] / n_slices - 0.5
    distance = np.arange(width) + 0.5 - (column + slope * run) * width
    lateral = 0.5 + 0.5 * np.cos(np.pi * np.clip(distance / half_width, -1, 1))
    below = (np.arange(depth)[None] + 0.5) / depth - top[:, :, 0]
    onset = np.clip(below / SHADOW_ONSET, 0, 1) * strength[:, :, 0]
    rows = _to_device(onset.swapaxes(1, 2)[:, None], device)
    shade = rows @ _to_device(lateral.swapaxes(1, 2), device)
    return shade.clamp_(max=DARKEST_SHADOW).neg_().add_(1)


def _make_stretch(stretch: Floats, width: int, device: torch.device) -> torch.Tensor:
    """Make the part of each A-scan's signal that is left, ``(n, width)``."""
    middle, half_width, left = (values[:, None] for values in stretch.T)
    distance = np.abs((np.arange(width) + 0.5) / width - middle)
    inside = np.clip((half_width - distance) / STRETCH_EDGE + 0.5, 0, 1)
    return _to_device(1 - (1 - left) * inside**2 * (3 - 2 * inside), device)


def _blur(grey: torch.Tensor, sigma: Floats | None) -> torch.Tensor:
    """Blur the samples with a sigma in the plane, each with its own Gaussian."""
    if sigma is None or not sigma.any():
        return grey
    samples = np.flatnonzero(sigma)
    weights = _to_device(gaussian_weights(sigma[samples]), grey.device)
    chosen = torch.from_numpy(samples).to(grey.device)
    planes = grey[chosen].flatten(1, 2)
    for axis in (2, 3):
        planes = _convolve(planes, weights, axis)
    return grey.index_copy(0, chosen, planes.view(len(samples), *grey.shape[1:]))


def gaussian_weights(sigma: Floats) -> NDArray[np.float64]:
    """Weights ``(n, radius + 1)`` of the middle and of each distance from it; both sides sum to 1.

    Each Gaussian ends at its own 3 sigma, so that it does not depend on the others' sigma.
    """
    radius = np.ceil(3 * sigma)[:, None]
    distance = np.arange(int(radius.max()) + 1)
    weights = np.exp(-0.5 * (distance / sigma[:, None].astype(np.float64)) ** 2)
    weights = np.where(distance <= radius, weights, 0)
    normed: NDArray[np.float64] = weights / (2 * weights.sum(1) - weights[:, 0])[:, None]
    return normed


def _convolve(planes: torch.Tensor, weights: torch.Tensor, axis: int) -> torch.Tensor:
    """Convolve ``(n, plane, depth, width)`` along an axis, each sample with its symmetric weights.

    Sums of shifted planes: on a CPU several times faster than grouped convolutions.
    """
    length, radius = planes.shape[axis], weights.shape[1] - 1
    room = (radius, radius, 0, 0) if axis == 3 else (0, 0, radius, radius)
    padded = F.pad(planes, room, mode="replicate")
    weights = weights[:, :, None, None, None]
    result = planes * weights[:, 0]
    for k in range(1, radius + 1):
        both = padded.narrow(axis, radius - k, length) + padded.narrow(axis, radius + k, length)
        result.addcmul_(both, weights[:, k])
    return result


def _tone(grey: torch.Tensor, draw: GreyDraw) -> torch.Tensor:
    """Change gamma, contrast around the mean and brightness."""

    def spread(values: Floats) -> torch.Tensor:
        return _to_device(values, grey.device).view(-1, 1, 1, 1, 1)

    if draw.gamma is not None:
        grey = grey.pow_(spread(draw.gamma))
    if draw.contrast is not None:
        contrast = spread(draw.contrast)
        offset = grey.mean((2, 3, 4), keepdim=True) * (1 - contrast)
        grey = grey.mul_(contrast).add_(offset)
    if draw.brightness is not None:
        grey = grey.add_(spread(draw.brightness))
    return grey


def _add_speckle(grey: torch.Tensor, draw: GreyDraw) -> torch.Tensor:
    """Add noise that grows with brightness, in place."""
    if draw.speckle is None or draw.grain is None:
        return grey
    seeds = torch.from_numpy(draw.seed.astype(np.int32)).to(grey.device)
    grain, strength = (_to_device(values, grey.device) for values in (draw.grain, draw.speckle))
    noise = make_grainy_noise(tuple(grey.shape[1:]), seeds, grain, strength)
    return grey.addcmul_(noise, grey.clamp(0, 1).add_(DARK_SPECKLE))


def _cut_out(volume: torch.Tensor, cutout: Floats) -> torch.Tensor:
    """Fill each sample's box with its mean grey."""
    samples = np.flatnonzero(cutout[:, -1, 1] > cutout[:, -1, 0])
    if not len(samples):
        return volume
    volume = volume.clone()
    for sample in samples:
        pixels = volume[sample]
        lengths = np.array(pixels.shape[1:])
        first, last = np.rint(cutout[sample].T * lengths).astype(int)
        first = np.minimum(first, lengths - 1)
        z, depth, width = map(slice, first, np.maximum(last, first + 1))
        pixels[:, z, depth, width] = pixels.mean((1, 2, 3), keepdim=True)
    return volume


def _to_device(values: NDArray[np.floating], device: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).to(device)

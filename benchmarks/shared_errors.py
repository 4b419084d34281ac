"""Simulated volumes whose predictions have errors that neighbouring B-scans share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_retseg.layers import boundaries_of_labels, labels_of_boundaries
from napari_retseg.simulate import SimulatedDevice, draw_volume, make_device_config

LAYERS = tuple(range(1, 8))
FLUID = 8
BETWEEN_UM = 60.0
#: Rows by which a prediction differs everywhere from the truth, a standard deviation.
_JITTER = 0.35


@dataclass(frozen=True)
class Planted:
    """A volume with the truth, and a prediction with errors.

    Attributes
    ----------
    pixels, truth, prediction
        ``(bscan, depth, width)``, uint8.
    is_wrong
        B-scans in which an error was planted, ``(bscan,)``.
    """

    pixels: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    prediction: NDArray[np.uint8]
    is_wrong: NDArray[np.bool_]


def plant(
    seed: int,
    *,
    device: SimulatedDevice = "A",
    size: tuple[int, int] = (384, 384),
    n_bscans: int = 31,
    n_boundaries: int = 3,
    reach: tuple[float, float] = (0.08, 0.25),
) -> Planted:
    """Draw a volume and plant errors: moved boundaries, pockets that are missed or invented.

    A boundary is moved over `reach` (least and most) of the width to either side of a place.
    """
    rng = np.random.default_rng(seed)
    config = make_device_config(device, size=size, n_bscans=n_bscans, bscan_um=BETWEEN_UM)
    volume = draw_volume(config, seed)
    truth = volume.labels
    found = boundaries_of_labels(truth, LAYERS)
    offsets = np.zeros(found.rows.shape, np.float32)
    for _ in range(n_boundaries):
        where = rng.integers(len(LAYERS) + 1)
        offsets[:, where] += _draw_bump(rng, n_bscans, size[1], reach)
    is_wrong = (np.abs(offsets) >= 0.5).any(axis=(1, 2))
    jitter = ndimage.gaussian_filter(rng.standard_normal(offsets.shape), (0.7, 0, 8))
    jitter *= _JITTER / jitter.std()
    rows = np.maximum.accumulate(np.rint(found.rows + offsets + jitter), axis=1)
    rest = found.rest.copy()
    is_wrong |= _miss_pockets(rng, rest)
    is_wrong |= _invent_pocket(rng, rest, found.rows)
    drawn = labels_of_boundaries(rows, LAYERS, depth=size[0], rest=rest)
    drawn = np.where(found.is_ordered[:, np.newaxis], drawn, truth)
    return Planted(volume.pixels, truth, drawn, is_wrong)


def _draw_bump(
    rng: np.random.Generator, n_bscans: int, width: int, reach: tuple[float, float]
) -> NDArray[np.float32]:
    """Offsets that are flat in the middle and rise smoothly, over some B-scans and A-scans."""
    size = rng.uniform(3, 12) * rng.choice([-1, 1])
    rises = [
        _rise(n_bscans, rng.uniform(0, n_bscans), rng.uniform(2, 7)),
        _rise(width, rng.uniform(0, width), rng.uniform(*reach) * width),
    ]
    bump: NDArray[np.float32] = (size * np.outer(*rises)).astype(np.float32)
    return bump


def _rise(n: int, middle: float, half: float) -> NDArray[np.float64]:
    away = np.abs(np.arange(n) - middle) / half
    rise: NDArray[np.float64] = np.clip(2 - 2 * away, 0, 1)
    return rise


def _miss_pockets(rng: np.random.Generator, rest: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Take out up to two pockets, on all B-scans where they are."""
    is_changed = np.zeros(len(rest), bool)
    parts, n = ndimage.label(rest == FLUID, np.ones((3, 3, 3)))
    sizes = np.bincount(parts.ravel(), minlength=n + 1)
    large = [k for k in range(1, n + 1) if sizes[k] >= 200]
    for k in rng.permutation(large)[:2]:
        is_changed |= (parts == k).any(axis=(1, 2))
        rest[parts == k] = 0
    return is_changed


def _invent_pocket(
    rng: np.random.Generator, rest: NDArray[np.uint8], rows: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Put an ellipsoid of fluid into the outer nuclear layer, if there is none near."""
    n, width = len(rest), rest.shape[-1]
    bscan, column = rng.integers(n), int(rng.integers(width // 6, 5 * width // 6))
    top, bottom = rows[bscan, 4, column], rows[bscan, 5, column]
    if not bottom - top > 10:
        return np.zeros(n, bool)
    b = np.arange(n)[:, np.newaxis, np.newaxis]
    y, x = np.arange(rest.shape[1])[:, np.newaxis], np.arange(width)
    middle = rows[:, 4:6].mean(axis=1)[:, np.newaxis]
    half = max((bottom - top) / 3, 4)
    away = ((b - bscan) / 4) ** 2 + ((y - middle) / half) ** 2 + ((x - column) / (3 * half)) ** 2
    ball = away < 1
    if (rest[ndimage.binary_dilation(ball, iterations=3)] > 0).any():
        return np.zeros(n, bool)
    rest[ball] = FLUID
    is_changed: NDArray[np.bool_] = ball.any(axis=(1, 2))
    return is_changed

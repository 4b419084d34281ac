"""What goes wrong in an image: blank corners, mirrored and jumping retina, glare, blinks, lines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_retseg.simulate.field import Map
from napari_retseg.simulate.parameters import ScanParameters

#: Share of the image's height above it that is still seen, folded back.
_FOLDED = 0.35
_GREYS = {"black": 0.0, "white": 1.0}


def draw_jitter(drawn: ScanParameters, width: int, index: int) -> Map:
    """How far each A-scan jumps in depth, in um, shape ``(width,)``."""
    rng = drawn.stream("jitter", index)
    if not drawn.artefacts.jitter:
        return np.zeros(width, dtype=np.float32)
    jumps = rng.normal(0, drawn.artefacts.jitter_um, width)
    steps = np.where(rng.random(width) < 0.004, rng.normal(0, 25, width), 0)
    # an eye that has moved comes back
    drift = np.cumsum(steps)
    jitter: Map = jumps + drift - np.linspace(drift[0], drift[-1], width)
    return jitter.astype(np.float32)


def count_mirrored_rows(drawn: ScanParameters) -> int:
    """Rows above the image that fold back into it."""
    if not drawn.artefacts.mirror:
        return 0
    return int(_FOLDED * drawn.depth)


def mirror(signal: Map, rows: int) -> Map:
    """Fold the first rows back: a spectrometer cannot tell a depth from its negative."""
    folded = signal[rows:].copy()
    folded[:rows] += signal[:rows][::-1]
    return folded


def add_artefacts(signal: Map, drawn: ScanParameters, index: int) -> None:
    """Glare, blinks and lines, in place."""
    rng = drawn.stream("disturb", index)
    artefacts = drawn.artefacts
    depth, width = signal.shape
    if artefacts.glare:
        for _ in range(int(rng.integers(1, 4))):
            first, size = int(rng.integers(width)), int(rng.integers(1, max(2, width // 60)))
            signal[:, first : first + size] *= np.float32(rng.uniform(2, 8))
            signal[:, first : first + size] += np.float32(rng.uniform(0.15, 0.4) ** 4)
    if artefacts.blink:
        first, size = int(rng.integers(width)), int(rng.uniform(0.02, 0.2) * width)
        signal[:, first : first + size] *= np.float32(rng.uniform(0.0, 0.05))
    if artefacts.lines:
        for row in rng.integers(depth, size=int(rng.integers(1, 5))):
            signal[int(row)] += np.float32(rng.uniform(0.2, 0.5) ** 4)


def blank_corners(grey: Map, labels: NDArray[np.uint8], drawn: ScanParameters, index: int) -> None:
    """Blank the corners that registration leaves, and columns at the sides, in place."""
    artefacts = drawn.artefacts
    fixed, rng = drawn.stream("blank"), drawn.stream("blank of one", index)
    level = np.float32(_GREYS.get(artefacts.corner_grey, fixed.uniform(0.05, 0.6)))
    depth, width = grey.shape
    if artefacts.corners:
        aside = (np.arange(width, dtype=np.float32) - width / 2) * drawn.lateral_um / drawn.axial_um
        # registration turns every B-scan a little differently
        slope = (artefacts.corner_slope + 0.1 * rng.normal(0, 0.09)) * aside
        # corners lie where there is no retina, or hardly any
        limit = 0.14 * depth
        slope *= min(1.0, limit / max(float(np.abs(slope).max()), 1e-6))
        top = artefacts.corner_top * depth + slope + rng.normal(0, 0.01) * depth
        bottom = depth - artefacts.corner_bottom * depth + slope
        rows = np.arange(depth, dtype=np.float32)[:, None]
        _erase(grey, labels, (rows < top) | (rows > bottom), level)
    if artefacts.bars:
        columns = np.arange(width)
        left, right = (int(rng.uniform(0, 0.05) * width) for _ in range(2))
        side = (columns < left) | (columns >= width - right)
        _erase(grey, labels, np.broadcast_to(side, grey.shape), level)


def _erase(
    grey: Map, labels: NDArray[np.uint8], where: NDArray[np.bool_], level: np.float32
) -> None:
    grey[where] = level
    labels[where] = 0

"""Below Bruch's membrane: dark vessels in brighter stroma, the sclera, and how light fades."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_retseg.simulate.field import Map
from napari_retseg.simulate.gaze import Sight
from napari_retseg.simulate.parameters import ScanParameters

_CELL_UM = 12.0
_DEEPEST_UM = 900.0
_PLANES_UM = 150.0
_GAP = 3


class Choroid:
    """Brightness below Bruch's membrane, over that of the choroid's band, B-scan by B-scan."""

    def __init__(self, drawn: ScanParameters, sight: Sight) -> None:
        rng = drawn.stream("choroid")
        self._drawn = drawn
        self._sight = sight
        self._small, self._large = rng.uniform(1.0, 2.2), rng.uniform(2.5, 5.5)
        self._contrast = np.float32(rng.uniform(0.03, 0.3))
        self._fading_um = rng.uniform(0.4, 1.6) * drawn.anatomy.choroid_um + 50
        self._choroid_um = drawn.anatomy.choroid_um * (0.35 if drawn.anatomy.myopic else 1.0)
        self._sclera = rng.uniform(0.0, 0.5)
        self._plane = lru_cache(maxsize=4)(self._draw_plane)

    def texture(self, y_um: float, x_um: Map) -> Map:
        """Brightness at depths of `_CELL_UM` below Bruch's membrane, shape ``(cells, width)``."""
        place = y_um / _PLANES_UM
        first = int(np.floor(place))
        share = np.float32(place - first)
        pattern = (1 - share) * self._plane(first) + share * self._plane(first + 1)
        pattern /= np.float32(np.hypot(1 - share, share))
        cells = (x_um - self._sight.grid.x_um[0]) / np.float32(_CELL_UM)
        left = np.minimum(cells.astype(np.intp), pattern.shape[1] - 2)
        aside = cells - left
        pattern = pattern[:, left] * (1 - aside) + pattern[:, left + 1] * aside
        depth = np.arange(len(pattern), dtype=np.float32)[:, None] * np.float32(_CELL_UM)
        inside = 1 / (1 + np.exp(np.clip((depth - self._choroid_um) / 12, -30, 30)))
        vessels = 1 + self._contrast * np.tanh(1.5 * pattern)
        fading = np.exp(-depth / np.float32(self._fading_um))
        texture: Map = fading * (vessels * inside + self._sclera * (1 - inside))
        return texture.astype(np.float32)

    def _draw_plane(self, number: int) -> Map:
        """Pattern with mean 0 and variance 1: small vessels above, large ones below."""
        rng = self._drawn.stream("choroid plane", number + 10_000)
        grid = self._sight.grid
        shape = (int(_DEEPEST_UM / _CELL_UM), int(np.ptp(grid.x_um) / _CELL_UM) + _GAP)
        parts = []
        for size in (self._small, self._large):
            noise = rng.standard_normal(shape, dtype=np.float32)
            part = gaussian_filter(noise, (size, 1.3 * size), truncate=2.5)
            parts.append(part / part.std())
        depth = np.arange(shape[0], dtype=np.float32)[:, None] * np.float32(_CELL_UM)
        share = np.exp(-depth / 90)
        plane: Map = share * parts[0] + (1 - share) * parts[1]
        return plane


def apply_texture(
    grey: Map, below: NDArray[np.bool_], texture: Map, *, bruch_px: Map, axial_um: float
) -> None:
    """Multiply the pixels below Bruch's membrane with the texture, in place."""
    rows, columns = np.nonzero(below)
    depth = (rows + np.float32(0.5) - bruch_px[columns]) * np.float32(axial_um / _CELL_UM)
    depth = np.clip(depth, 0, len(texture) - 1.001)
    upper = depth.astype(np.intp)
    share = depth - upper
    grey[rows, columns] *= (
        texture[upper, columns] * (1 - share) + texture[upper + 1, columns] * share
    )

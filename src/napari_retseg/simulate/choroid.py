"""The choroid: dark vessels in brighter stroma, fading with depth, coherent over B-scans."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_retseg.simulate.field import Grid, Map

_VESSEL_UM = (15.0, 42.0)
_COHERENCE_UM = 160.0
_CONTRAST = 0.13


class Choroid:
    """Brightness below Bruch's membrane over that of the choroid's band, B-scan by B-scan.

    Parameters
    ----------
    rng
        For the first pattern.
    grid
        Where the A-scans are.
    penetration_um
        Depth at which the brightness has fallen to 1/e.
    """

    def __init__(self, rng: np.random.Generator, grid: Grid, *, penetration_um: float) -> None:
        between_um = float(np.ptp(grid.y_um[:2]))
        lateral_um = float(grid.x_um[1] - grid.x_um[0])
        depth_um = np.arange(grid.depth, dtype=np.float32)[:, None] * np.float32(grid.axial_um)
        self._kept = np.float32(np.exp(-between_um / _COHERENCE_UM))
        self._size_px = (_VESSEL_UM[0] / grid.axial_um, _VESSEL_UM[1] / lateral_um)
        self._shape = (grid.depth, grid.shape[1])
        self._fading = np.exp(-depth_um / np.float32(penetration_um))
        self._pattern = self._draw_pattern(rng)

    def next_texture(self, rng: np.random.Generator) -> Map:
        """Draw the next B-scan's, shape ``(depth, width + 2 * margin)``, first row at the top.

        The pattern is a first-order autoregressive process across the B-scans.
        """
        fresh = self._draw_pattern(rng)
        self._pattern = self._kept * self._pattern + np.sqrt(1 - self._kept**2) * fresh
        texture: Map = self._fading * (1 + np.float32(_CONTRAST) * np.tanh(1.5 * self._pattern))
        return texture

    def _draw_pattern(self, rng: np.random.Generator) -> Map:
        noise = rng.standard_normal(self._shape, dtype=np.float32)
        pattern: Map = gaussian_filter(noise, self._size_px, truncate=3)
        pattern /= pattern.std()
        return pattern

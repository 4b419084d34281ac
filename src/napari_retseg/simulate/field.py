"""Smooth random fields over the retina, and the grid on which they are evaluated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float32]


@dataclass(frozen=True)
class Grid:
    """Where the A-scans are, in um from the centre of the field.

    Parameters
    ----------
    y_um
        Position of each B-scan, shape ``(bscan, 1)``.
    x_um
        Position of each A-scan along a B-scan, shape ``(width + 2 * margin,)``; the margin on
        either side is what lateral motion may bring into view.
    axial_um
        Pixel size in depth.
    depth, width
        Size of a B-scan in pixels.
    margin
        A-scans beyond each end of a B-scan.
    """

    y_um: Map
    x_um: Map
    axial_um: float
    depth: int
    width: int
    margin: int

    @classmethod
    def build(
        cls,
        spacing_um: tuple[float, float, float],
        *,
        n_bscans: int,
        depth: int,
        width: int,
        margin: int,
    ) -> Grid:
        """Lay out a volume; `spacing_um` is between B-scans, in depth and along a B-scan."""
        between, axial, lateral = spacing_um
        y_um = (np.arange(n_bscans) - (n_bscans - 1) / 2) * between
        columns = width + 2 * margin
        x_um = (np.arange(columns) - (columns - 1) / 2) * lateral
        return cls(
            y_um=y_um.astype(np.float32)[:, None],
            x_um=x_um.astype(np.float32),
            axial_um=axial,
            depth=depth,
            width=width,
            margin=margin,
        )

    @property
    def shape(self) -> tuple[int, int]:
        """B-scans and A-scans, margins included."""
        return len(self.y_um), len(self.x_um)

    @property
    def depth_um(self) -> float:
        """Height of the field."""
        return self.depth * self.axial_um

    def distance(self, y_um: float, x_um: float) -> Map:
        """Distance of every A-scan from a point, in um."""
        distance: Map = np.hypot(self.y_um - np.float32(y_um), self.x_um - np.float32(x_um))
        return distance


def random_field(rng: np.random.Generator, grid: Grid, *, length_um: float) -> Map:
    """Draw a smooth Gaussian field with mean 0 and variance 1.

    A sum of plane waves with Gaussian wave vectors has (in the limit) a Gaussian correlation
    ``exp(-d^2 / (2 length^2))`` at any distance, sampling and size (Rahimi and Recht, Random
    features for large-scale kernel machines, NIPS 2007).

    Returns
    -------
    ndarray
        Shape ``grid.shape``, float32.
    """
    n_waves = 40
    waves = rng.normal(scale=1 / length_um, size=(2, n_waves)).astype(np.float32)
    phases = rng.uniform(0, 2 * np.pi, size=n_waves).astype(np.float32)
    field = np.zeros(grid.shape, dtype=np.float32)
    for wave_y, wave_x, phase in zip(*waves, phases, strict=True):
        field += np.cos(grid.y_um * wave_y + grid.x_um * wave_x + phase)
    return field * np.float32(np.sqrt(2 / n_waves))

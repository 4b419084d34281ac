"""One B-scan of a scene, in pixels, as painters and cameras see it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_retseg.simulate.field import Map
from napari_retseg.simulate.strata import NAMES


@dataclass(frozen=True)
class View:
    """Where things are in one B-scan.

    Parameters
    ----------
    index
        Of the B-scan.
    y_um, x_um
        Its position, and that of its A-scans.
    axial_um, lateral_um
        Size of its pixels.
    depth
        Rows.
    edges_px
        Where the bands begin, ``(len(BANDS) - 1, width)``.
    columns
        Of the scene's grid.
    """

    index: int
    y_um: float
    x_um: Map
    axial_um: float
    lateral_um: float
    depth: int
    edges_px: Map
    columns: slice

    @property
    def width(self) -> int:
        """A-scans."""
        return len(self.x_um)

    def edge_px(self, name: str) -> Map:
        """Row at which a band begins."""
        beginning: Map = self.edges_px[NAMES.index(name) - 1]
        return beginning

    def columns_near(self, x_um: float, reach_um: float) -> slice:
        """A-scans within a distance."""
        first, last = np.searchsorted(self.x_um, (x_um - reach_um, x_um + reach_um))
        return slice(int(first), int(last))

    def rows_near(self, first: float, last: float) -> slice:
        """Rows between two depths, at least one row."""
        top = int(np.clip(np.floor(first), 0, self.depth - 1))
        return slice(top, int(np.clip(np.ceil(last) + 1, top + 1, self.depth)))

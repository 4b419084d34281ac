"""Optical bands: the layers as light sees them, each with its label and its brightness.

Some labelled layers hold several bands (the outer segments are dark, the pigment epithelium that
shares their label is bright), so a B-scan is first drawn in bands and labels follow from them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import RETINA
from napari_retseg.simulate.field import Grid, Map, random_field

FLUID = RETINA.names.index("fluid")

#: Brightness of fluid in the retina and of the vitreous on the reflectivity scale.
FLUID_GREY = 0.13
_VITREOUS = 0.04
_CHOROID = 0.46
_ELM_UM, _MYOID_UM = 8.0, 24.0
_MIDDLE = 0.45
_TEXTURE_LENGTH_UM = 300.0


@dataclass(frozen=True)
class Band:
    """One band: its name, the class value of its pixels and its grey on a fourth-root scale.

    Greys are about those of a Spectralis, which shows the fourth root of the signal: nerve fibres
    bright, plexiform layers brighter than nuclear ones, ellipsoid zone and pigment epithelium
    brightest.
    """

    name: str
    label: int
    grey: float


BANDS = (
    Band("vitreous", 0, _VITREOUS),
    Band("nerve fibres", 1, 0.60),
    Band("ganglion cells", 2, 0.46),
    Band("inner plexiform", 2, 0.51),
    Band("inner nuclear", 3, 0.36),
    Band("outer plexiform", 4, 0.45),
    Band("outer nuclear", 5, 0.27),
    Band("external limiting membrane", 5, 0.37),
    Band("myoid zone", 5, 0.29),
    Band("ellipsoid zone", 6, 0.66),
    Band("interdigitation zone", 6, 0.48),
    Band("subretinal fluid", FLUID, FLUID_GREY),
    Band("outer segments", 7, 0.45),
    Band("pigment epithelium", 7, 0.72),
    Band("choroid", 0, _CHOROID),
)

#: Class value of each band.
BAND_LABELS: NDArray[np.uint8] = np.array([band.label for band in BANDS], dtype=np.uint8)
CHOROID = len(BANDS) - 1
SUBRETINAL = next(k for k, band in enumerate(BANDS) if band.label == FLUID)
_CLEAR = [k for k, band in enumerate(BANDS) if band.grey <= FLUID_GREY]


def split_bands(surfaces: Map) -> Map:
    """Depths at which each band but the first begins, shape ``(len(BANDS) - 1, ...)``.

    Parameters
    ----------
    surfaces
        Depths of the nine surfaces in um (see `stack_surfaces`), shape ``(9, ...)``.
    """
    ilm, gcl, inl, opl, onl, ise, ise_end, segments, bruch = surfaces
    onl_um = ise - onl
    limiting = ise - np.minimum(_MYOID_UM + _ELM_UM, 0.4 * onl_um)
    myoid = ise - np.minimum(_MYOID_UM, 0.3 * onl_um)
    return np.stack(
        [
            ilm,
            gcl,
            gcl + 0.45 * (inl - gcl),
            inl,
            opl,
            onl,
            limiting,
            myoid,
            ise,
            ise + 0.55 * (ise_end - ise),
            ise_end,
            segments,
            segments + 0.4 * (bruch - segments),
            bruch,
        ]
    )


def draw_bands(edges_px: Map, depth: int) -> NDArray[np.uint8]:
    """Index of the band at each pixel of a B-scan; a pixel belongs to where its centre lies.

    Parameters
    ----------
    edges_px
        Where the bands begin, in pixels from the top of the image, shape ``(n, width)``.
    depth
        Pixels.

    Returns
    -------
    ndarray
        Shape ``(depth, width)``.
    """
    centres = (np.arange(depth, dtype=np.float32) + 0.5)[:, None]
    bands = np.zeros((depth, edges_px.shape[1]), dtype=np.uint8)
    for edge in edges_px:
        bands += centres >= edge
    return bands


def draw_greys(
    rng: np.random.Generator, grid: Grid, *, contrast: float, spread: float = 0.06
) -> Map:
    """Draw the brightness of each band at each A-scan, shape ``(len(BANDS), *grid.shape)``.

    Parameters
    ----------
    contrast
        Contrast between the layers over the norm.
    spread
        Standard deviation over volumes, and of the slow changes along a layer, relative.
    """
    norm = np.array([band.grey for band in BANDS])
    greys = _MIDDLE + (norm - _MIDDLE) * contrast
    greys[_CLEAR] = norm[_CLEAR]
    greys *= np.clip(rng.normal(1, spread, len(BANDS)), 1 - 2 * spread, 1 + 2 * spread)
    maps = np.empty((len(BANDS), *grid.shape), dtype=np.float32)
    for band, grey in zip(maps, greys, strict=True):
        band[:] = grey * (1 + spread * random_field(rng, grid, length_um=_TEXTURE_LENGTH_UM))
    return np.clip(maps, 0.01, 1.0)

"""The stack of bands from the vitreous to the choroid: heights, labels and edges.

Some labelled layers hold several bands: the gap below the ellipsoid zone shares its label, and so
do the interdigitation zone and the pigment epithelium. Where a grader draws a line follows the
reference set (Chiu et al., Biomed. Opt. Express 6:1172, 2015): mostly a little below the edge that
the tissue makes, see `LineRanges`; a strip looks like the one layer and is labelled as the other.
The ISE ends where the bright double band of interdigitation zone and pigment epithelium begins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import RETINA_AND_LESIONS
from napari_retseg.simulate.field import Map, random_field
from napari_retseg.simulate.fluid import Fluid
from napari_retseg.simulate.gaze import Sight
from napari_retseg.simulate.parameters import ScanParameters
from napari_retseg.simulate.retina import GCL_IPL, INL, ISE, NFL, ONL_ISM, OPL, OS_RPE

SUB_RPE, IRF, SRF = map(RETINA_AND_LESIONS.names.index, ("sub-RPE", "IRF", "SRF"))

#: Bands from above with the value of their pixels in `classes.RETINA_AND_LESIONS`.
BANDS: tuple[tuple[str, int], ...] = (
    ("vitreous", 0),
    ("surface", 0),
    ("nfl", 1),
    ("gcl in nfl", 1),
    ("gcl", 2),
    ("ipl", 2),
    ("inl in ipl", 2),
    ("inl", 3),
    ("inner fluid", IRF),
    ("inl below fluid", 3),
    ("opl", 4),
    ("henle in opl", 4),
    ("henle", 5),
    ("outer fluid", IRF),
    ("onl", 5),
    ("elm", 5),
    ("myoid", 5),
    ("onset", 6),
    ("ez", 6),
    ("gap", 6),
    ("subretinal fluid", SRF),
    ("iz", 7),
    ("rpe", 7),
    ("bruch", 7),
    ("below rpe", SUB_RPE),
    ("choroid", 0),
)
#: Strips that look like a neighbour.
LOOKS_LIKE = {"gcl in nfl": "gcl", "inl in ipl": "inl", "henle in opl": "henle"}
NAMES = tuple(name for name, _ in BANDS)
BAND_LABELS: NDArray[np.uint8] = np.array([label for _, label in BANDS], dtype=np.uint8)
FLUID_BANDS = tuple(k for k, label in enumerate(BAND_LABELS) if label in (IRF, SRF))


@dataclass(frozen=True)
class Strata:
    """Bands of every A-scan.

    Parameters
    ----------
    heights_um
        Of the bands between vitreous and choroid, shape ``(len(BANDS) - 2, *grid.shape)``.
    edges_um
        Depth at which each band but the first begins, ``(len(BANDS) - 1, *grid.shape)``.
    """

    heights_um: Map
    edges_um: Map

    def edge(self, name: str) -> Map:
        """Depth at which a band begins."""
        beginning: Map = self.edges_um[NAMES.index(name) - 1]
        return beginning


def stack_heights(
    drawn: ScanParameters, sight: Sight, thickness: Map, *, fluid: Fluid, raised_um: Map
) -> Map:
    """Heights of the bands between vitreous and choroid, see `Strata`.

    Parameters
    ----------
    thickness
        Seven layers in um after disease.
    fluid
        Heights of fluid.
    raised_um
        Of the pigment epithelium over Bruch's membrane.
    """
    rng = drawn.stream("strata")
    grid = sight.grid
    # no fluid where there are no layers
    held = thickness[ONL_ISM] > 0
    inner, outer, below = (
        np.where(held, height, 0)
        for height in (fluid.inner_um, fluid.outer_um, fluid.subretinal_um)
    )
    gcl = np.clip(rng.uniform(0.35, 0.6) + 0.06 * random_field(rng, grid, length_um=600), 0.2, 0.8)
    split = np.clip(rng.uniform(0.25, 0.75) + 0.1 * random_field(rng, grid, length_um=200), 0, 1)
    onl = thickness[ONL_ISM]
    henle = np.where(outer > 0, rng.uniform(0.0, 0.25), rng.uniform(0.15, 0.55)) * onl
    myoid = np.minimum(rng.uniform(6, 20), 0.25 * onl)
    elm = np.minimum(rng.uniform(4, 8), 0.12 * onl)
    ez = np.clip(rng.uniform(0.35, 0.65) + 0.05 * random_field(rng, grid, length_um=500), 0.25, 0.8)
    iz = rng.uniform(0.0, 0.45)
    lines = drawn.lines
    surface = np.full(grid.shape, lines.nfl_um)
    below_nfl = np.minimum(lines.gcl_ipl_um, 0.3 * thickness[NFL])
    below_ipl = np.minimum(lines.inl_um, 0.3 * thickness[GCL_IPL])
    below_opl = np.minimum(lines.onl_ism_um, 0.3 * thickness[OPL])
    onset = np.minimum(lines.ise_um, 0.2 * thickness[ISE])
    bruch = np.minimum(lines.bruch_um, 0.3 * thickness[OS_RPE])
    return np.stack(
        [
            surface,
            thickness[NFL] - below_nfl,
            below_nfl,
            gcl * (thickness[GCL_IPL] - below_ipl),
            (1 - gcl) * (thickness[GCL_IPL] - below_ipl),
            below_ipl,
            split * thickness[INL],
            inner,
            (1 - split) * thickness[INL],
            thickness[OPL] - below_opl,
            below_opl,
            henle,
            outer,
            onl - henle - myoid - elm,
            elm,
            myoid,
            onset,
            ez * thickness[ISE] - onset,
            (1 - ez) * thickness[ISE],
            below,
            iz * thickness[OS_RPE],
            (1 - iz) * thickness[OS_RPE] - bruch,
            bruch,
            np.where(held, raised_um, 0),
        ]
    ).astype(np.float32)


def build_strata(heights_um: Map, bruch_um: Map) -> Strata:
    """Put the bands on Bruch's membrane."""
    above = np.cumsum(heights_um[::-1], axis=0)[::-1]
    edges = np.concatenate([bruch_um[None] - above, bruch_um[None]]).astype(np.float32)
    return Strata(heights_um=heights_um, edges_um=edges)


def is_fluid(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Mark the pixels of fluid, in the retina and below it."""
    found: NDArray[np.bool_] = (labels == IRF) | (labels == SRF)
    return found


def rasterise(edges_px: Map, depth: int) -> NDArray[np.uint8]:
    """Index of the band at each pixel of a B-scan; a pixel belongs to where its centre lies.

    Parameters
    ----------
    edges_px
        Where the bands begin, in pixels from the top, shape ``(n, width)``, never decreasing.
    """
    first = np.clip(np.ceil(edges_px - 0.5), 0, depth).astype(np.intp)
    columns = np.broadcast_to(np.arange(edges_px.shape[1]), first.shape)
    steps = np.zeros((depth + 1, edges_px.shape[1]), dtype=np.uint8)
    np.add.at(steps, (first, columns), np.uint8(1))
    bands: NDArray[np.uint8] = np.cumsum(steps[:depth], axis=0, dtype=np.uint8)
    return bands

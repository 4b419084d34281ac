"""The healthy macula: thickness maps of seven layers, and how the retina lies in the scan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_retseg.simulate.config import AnatomyConfig, draw
from napari_retseg.simulate.field import Grid, Map, random_field

#: Indices of the layers in thickness maps (class values less one).
NFL, GCL_IPL, INL, OPL, ONL_ISM, ISE, OS_RPE = range(7)

_LAYER_LENGTH_UM = 700.0
_SHAPE_LENGTH_UM = 2500.0
_SHAPE_UM = 8.0
_ROOM = 0.94


@dataclass(frozen=True)
class Eye:
    """A healthy eye as this scan sees it.

    Parameters
    ----------
    thickness_um
        Thickness of the layers, shape ``(7, *grid.shape)``.
    shape_um
        Depth of Bruch's membrane apart from a constant, shape ``grid.shape``.
    fovea_um
        Position of the foveola (across B-scans, along them).
    right
        Whether it is a right eye: the optic disc lies to the right of the fovea.
    """

    thickness_um: Map
    shape_um: Map
    fovea_um: tuple[float, float]
    right: bool


def draw_eye(rng: np.random.Generator, grid: Grid, config: AnatomyConfig) -> Eye:
    """Draw an eye and evaluate it on the grid."""
    right = bool(rng.random() < 0.5)
    reach_y = min(abs(float(grid.y_um[0, 0])), abs(config.fovea_offset_um[1])) / 2
    fovea = (draw(rng, (-reach_y, reach_y)), draw(rng, config.fovea_offset_um))
    norm = norm_thickness(
        grid,
        fovea_um=fovea,
        right=right,
        pit_depth=draw(rng, config.pit_depth),
        pit_radius=draw(rng, config.pit_radius),
    )
    for layer in range(len(norm)):
        undulation = random_field(rng, grid, length_um=_LAYER_LENGTH_UM) * config.undulation
        norm[layer] *= draw(rng, config.thickness_scale) * (1 + np.clip(undulation, -0.4, 0.4))
    shape = _draw_shape(rng, grid, config)
    return Eye(thickness_um=norm, shape_um=shape, fovea_um=fovea, right=right)


def norm_thickness(
    grid: Grid,
    *,
    fovea_um: tuple[float, float],
    right: bool,
    pit_depth: float = 1.0,
    pit_radius: float = 1.0,
) -> Map:
    """Mean thickness of the seven layers in um, shape ``(7, *grid.shape)``.

    Radial profiles made to give about the means of healthy eyes: 227 um at the foveola and
    270 um in the central millimetre (Grover et al., Am. J. Ophthalmol. 148:266, 2009), some
    330 um in the inner and 290 um in the outer ring; single layers about as measured by
    Demirkaya et al. (Invest. Ophthalmol. Vis. Sci. 54:4934, 2013). The pit is a Gaussian
    depression (Dubis et al., Br. J. Ophthalmol. 93:1223, 2009) in which the inner layers vanish
    and the outer nuclear layer thickens. The nerve fibre layer grows towards the disc.
    """
    r = grid.distance(*fovea_um) / np.float32(pit_radius)
    nasal = (grid.x_um - np.float32(fovea_um[1])) * (1 if right else -1)

    def hump(width_um: float, centre_um: float = 0.0) -> Map:
        height: Map = np.exp(-(((r - np.float32(centre_um)) / np.float32(width_um)) ** 2))
        return height

    towards_disc = 1 / (1 + np.exp(-(nasal - 2000) / 700))
    maps = np.stack(
        [
            (19 + 13 * (1 - hump(1400)) + 26 * towards_disc) * (1 - pit_depth * hump(520)),
            92 * (0.55 + 0.45 * hump(1100, 950)) * (1 - pit_depth * hump(560)),
            (33 + 8 * hump(2000)) * (1 - 0.95 * pit_depth * hump(430)),
            32 * (1 - 0.6 * pit_depth * hump(450)),
            86 + 10 * hump(1500) + 48 * pit_depth * hump(450),
            27 * (1 + 0.12 * hump(400)),
            35 * (1 + 0.22 * hump(350)),
        ]
    )
    return maps.astype(np.float32)


def _draw_shape(rng: np.random.Generator, grid: Grid, config: AnatomyConfig) -> Map:
    """Tilt, curvature and slow waves of Bruch's membrane, in um."""
    x, y = grid.x_um, grid.y_um
    tilt, tilt_across = draw(rng, config.tilt), draw(rng, config.tilt) / 2
    curvature = draw(rng, config.curvature_per_mm) / 1000
    centre = draw(rng, (-800.0, 800.0))
    bowl = -((x - centre) ** 2 + y**2) * curvature / 2
    waves = random_field(rng, grid, length_um=_SHAPE_LENGTH_UM) * draw(rng, (0, _SHAPE_UM))
    return (x * tilt + y * tilt_across + bowl + waves).astype(np.float32)


def place(rng: np.random.Generator, grid: Grid, *, shape_um: Map, retina_um: Map) -> Map:
    """Put the retina into the image: depth of Bruch's membrane in um, shape ``grid.shape``.

    A retina that would leave the image is flattened until it fits.

    Parameters
    ----------
    shape_um
        Depth of Bruch's membrane apart from a constant.
    retina_um
        Distance from the inner limiting membrane to Bruch's membrane.
    """
    room = _ROOM * grid.depth_um
    for _ in range(4):
        top, bottom = float((shape_um - retina_um).min()), float(shape_um.max())
        if bottom - top <= room:
            break
        spare = max(room - float(retina_um.max()), 0.0)
        shape_um = shape_um * np.float32(0.95 * spare / max(bottom - top - retina_um.max(), spare))
    slack = max(grid.depth_um - (bottom - top), 0.0)
    return shape_um - np.float32(top - slack * draw(rng, (0.25, 0.6)))

"""The healthy retina: thickness of its seven layers anywhere between fovea and disc, its shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_retseg.simulate.field import Map, random_field
from napari_retseg.simulate.gaze import Sight
from napari_retseg.simulate.parameters import Anatomy, ScanParameters

#: Indices of the layers in thickness maps (class values less one).
NFL, GCL_IPL, INL, OPL, ONL_ISM, ISE, OS_RPE = range(7)

_SLOW_UM, _QUICK_UM = 900.0, 140.0
_WAVES_UM = 1600.0
_TAPER_UM = 900.0
_RIM_UM, _THICKEST_UM = 260.0, 220.0
#: Share of the quick bumps in each layer: the plexiform layers undulate most.
_BUMPS = (0.5, 0.3, 0.9, 1.0, 0.2, 0.15, 0.15)


@dataclass(frozen=True)
class Retina:
    """A retina before disease, all shapes ``grid.shape`` (with a leading 7 for layers).

    Parameters
    ----------
    thickness_um
        Of the seven layers.
    shape_um
        Depth of Bruch's membrane apart from a constant.
    nerve
        Inside the optic disc: there are no layers, only nerve fibres.
    """

    thickness_um: Map
    shape_um: Map
    nerve: Map


def build_retina(drawn: ScanParameters, sight: Sight) -> Retina:
    """Evaluate the healthy retina on the A-scans of a scan."""
    anatomy = drawn.anatomy
    rng = drawn.stream("retina")
    thickness = norm_thickness(sight, anatomy, disc_radius_um=drawn.gaze.disc_radius_um)
    factors = [getattr(anatomy, name) for name in _NAMES]
    for layer, (factor, bumps) in enumerate(zip(factors, _BUMPS, strict=True)):
        slow = anatomy.undulation * random_field(rng, sight.grid, length_um=_SLOW_UM)
        quick = anatomy.bumps * bumps * random_field(rng, sight.grid, length_um=_QUICK_UM)
        thickness[layer] *= anatomy.thickness * factor * np.clip(1 + slow + quick, 0.4, 1.8)
    thickness[NFL] = np.minimum(thickness[NFL], _THICKEST_UM)
    nerve = sight.disc_um < drawn.gaze.disc_radius_um
    shape = _draw_shape(rng, sight, anatomy)
    _excavate_disc(thickness, shape, sight, drawn)
    return Retina(thickness_um=thickness, shape_um=shape, nerve=nerve.astype(np.float32))


_NAMES = ("nfl", "gcl_ipl", "inl", "opl", "onl_ism", "ise", "os_rpe")


def norm_thickness(sight: Sight, anatomy: Anatomy, *, disc_radius_um: float) -> Map:
    """Mean thickness of the seven layers in um, shape ``(7, *grid.shape)``.

    Macula: 227 um at the foveola and 270 um in the central millimetre (Grover et al., Am. J.
    Ophthalmol. 148:266, 2009); single layers about as in Demirkaya et al. (Invest. Ophthalmol.
    Vis. Sci. 54:4934, 2013) and Nieves-Moreno et al. (PLoS ONE 12:e0180450, 2017). The pit is a
    Gaussian depression (Dubis et al., Br. J. Ophthalmol. 93:1223, 2009). The nerve fibre layer
    falls about as the inverse of the distance from the disc from its peaks above and below,
    some 100 um in the mean on a circle of 1.73 mm (Budenz et al., Ophthalmology 114:1046, 2007).
    """
    r = sight.fovea_um / np.float32(anatomy.pit_radius)
    pit = 0.0 if anatomy.no_pit else anatomy.pit_depth

    def hump(width_um: float, centre_um: float = 0.0) -> Map:
        height: Map = np.exp(-(((r - np.float32(centre_um)) / np.float32(width_um)) ** 2))
        return height

    outside = np.clip((sight.disc_um - disc_radius_um) / _TAPER_UM, 0, 1)
    taper = outside * (2 - outside)
    ganglion = 30 + 64 * np.where(r > 950, hump(1700, 950), hump(1400, 950))
    maps = np.stack(
        [
            _nerve_fibres(sight, anatomy) * (1 - 0.9 * min(pit, 1) * hump(560)),
            ganglion * (0.25 + 0.75 * taper) * (1 - min(pit, 1) * hump(470)),
            (31 + 9 * hump(2000)) * (0.35 + 0.65 * taper) * (1 - 0.95 * min(pit, 1) * hump(430)),
            32 * (0.4 + 0.6 * taper) * (1 - 0.6 * min(pit, 1) * hump(450)),
            (76 + 14 * hump(2000) + 38 * pit * hump(430)) * (0.5 + 0.5 * taper),
            33 * (1 + 0.15 * hump(400)),
            29 * (1 + 0.15 * hump(350)),
        ]
    )
    norm: Map = np.maximum(maps, 1.5).astype(np.float32)
    return norm


def _nerve_fibres(sight: Sight, anatomy: Anatomy) -> Map:
    """Thickness of the nerve fibre layer: arcs above and below, thin towards the raphe."""
    poles = np.exp(-(((np.abs(sight.disc_angle) - 1.25) / 0.6) ** 2))
    around = 66 + 78 * poles
    distance = np.maximum(sight.disc_um, 1100) / 1730
    growth = 1 + (anatomy.towards_disc - 1) * np.exp(-(((distance - 0.7) / 0.9) ** 2))
    temporal = np.clip((-sight.nasal_um - 500) / 2500, 0, 1)
    fibres = around / distance * growth * (1 - 0.4 * temporal)
    return np.minimum(fibres, 240).astype(np.float32)


def _draw_shape(rng: np.random.Generator, sight: Sight, anatomy: Anatomy) -> Map:
    """Tilt, curvature and slow waves of Bruch's membrane, in um."""
    x, y = sight.grid.x_um, sight.grid.y_um
    tilt_across = anatomy.tilt * rng.normal(0, 0.5)
    curvature = anatomy.myopic_per_mm if anatomy.myopic else anatomy.curvature_per_mm
    centre = rng.uniform(-1200, 1200)
    bowl = -((x - centre) ** 2 + y**2) * curvature / 2000
    waves = random_field(rng, sight.grid, length_um=_WAVES_UM) * anatomy.waves_um
    return (x * anatomy.tilt + y * tilt_across + bowl + waves).astype(np.float32)


def _excavate_disc(thickness: Map, shape: Map, sight: Sight, drawn: ScanParameters) -> None:
    """Leave nerve fibres only inside the disc, and sink its cup, in place."""
    radius = drawn.gaze.disc_radius_um
    inside = np.clip(1 - (sight.disc_um / radius) ** 2, 0, 1)
    if not inside.any():
        return
    nerve = inside > 0
    together = thickness.sum(axis=0)[nerve]
    for layer in (GCL_IPL, INL, OPL, ONL_ISM, ISE, OS_RPE):
        thickness[layer][nerve] = 0.0
    rim = np.clip((radius - sight.disc_um) / 250, 0, 1)
    thickness[NFL][nerve] = together + rim[nerve] * (_RIM_UM - together)
    cup = np.clip((0.9 * radius - sight.disc_um) / (0.65 * radius), 0, 1)
    sunk = (3 - 2 * cup) * cup**2
    shape += (40 * rim + drawn.anatomy.cup_um * sunk).astype(np.float32)

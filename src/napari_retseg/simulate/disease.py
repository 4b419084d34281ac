"""Fluid: cysts in the layers, fluid under the retina, swelling; and what it does to the layers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_retseg.simulate.anatomy import GCL_IPL, INL, ISE, ONL_ISM, OPL, OS_RPE, Eye
from napari_retseg.simulate.config import DiseaseConfig, draw, draw_count, draw_scale
from napari_retseg.simulate.field import Grid, Map, random_field

#: Where cysts lie: mostly the inner nuclear layer and Henle's fibres in the outer nuclear layer.
_HOSTS = (GCL_IPL, INL, ONL_ISM)
_HOST_WEIGHTS = (0.1, 0.4, 0.5)
_OVERLAP = 2.0
_STIFFNESS_UM = 260.0


@dataclass(frozen=True)
class Cyst:
    """An ellipsoid of fluid; its middle follows the layer in which it lies.

    Parameters
    ----------
    host
        Index of the layer.
    y_um, x_um
        Centre, across and along the B-scans.
    level
        Centre in depth: 0 at the top of the layer, 1 at its bottom.
    radius_y_um, radius_x_um, radius_z_um
        Half axes.
    displacement
        Share of its height by which it thickens the layer; the rest replaces tissue.
    """

    host: int
    y_um: float
    x_um: float
    level: float
    radius_y_um: float
    radius_x_um: float
    radius_z_um: float
    displacement: float

    def half_height(self, y_um: Map, x_um: Map) -> Map:
        """Half height in um at each A-scan; 0 outside."""
        inside = 1 - ((y_um - self.y_um) / self.radius_y_um) ** 2
        inside = inside - ((x_um - self.x_um) / self.radius_x_um) ** 2
        half: Map = (self.radius_z_um * np.sqrt(np.clip(inside, 0, None))).astype(np.float32)
        return half

    def bulge(self, grid: Grid) -> Map:
        """By how much the layer thickens, in um: stiff tissue spreads a small cyst's push."""
        wide_y = np.hypot(self.radius_y_um, _STIFFNESS_UM)
        wide_x = np.hypot(self.radius_x_um, _STIFFNESS_UM)
        spread = ((grid.y_um - self.y_um) / wide_y) ** 2 + ((grid.x_um - self.x_um) / wide_x) ** 2
        height = 2 * self.radius_z_um * self.displacement * self.radius_x_um / wide_x
        bulge: Map = (height * np.exp(-spread / 1.3)).astype(np.float32)
        return bulge


@dataclass(frozen=True)
class Focus:
    """A bright focus.

    Parameters
    ----------
    y_um, x_um
        Position, across and along the B-scans.
    reach_um
        How far across the B-scans it is seen.
    level
        Depth: 0 at the top of the ganglion cells, 1 at the ellipsoid zone.
    radius_um
        Standard deviation of its brightness.
    grey
        Brightness on the reflectivity scale.
    """

    y_um: float
    x_um: float
    reach_um: float
    level: float
    radius_um: float
    grey: float


@dataclass(frozen=True)
class Disease:
    """What is wrong with an eye.

    Parameters
    ----------
    thickness_um
        Layers after swelling and bulging, shape ``(7, *grid.shape)``.
    subretinal_um
        Height of the fluid between the ellipsoid zone and the outer segments, ``grid.shape``.
    cysts
        Fluid in the layers.
    """

    thickness_um: Map
    subretinal_um: Map
    cysts: tuple[Cyst, ...]


def draw_disease(rng: np.random.Generator, grid: Grid, eye: Eye, config: DiseaseConfig) -> Disease:
    """Draw the disease of an eye and deform its layers."""
    thickness = eye.thickness_um.copy()
    if rng.random() < config.swelling:
        _swell(rng, grid, eye, thickness, amount=draw(rng, config.swelling_amount))
    cysts: tuple[Cyst, ...] = ()
    if rng.random() < config.intraretinal:
        cysts = draw_cysts(rng, grid, eye, config)
    _bulge(grid, thickness, cysts)
    subretinal = np.zeros(grid.shape, dtype=np.float32)
    if rng.random() < config.subretinal:
        subretinal = _draw_subretinal(rng, grid, eye, config)
    return Disease(thickness_um=thickness, subretinal_um=subretinal, cysts=cysts)


def draw_cysts(
    rng: np.random.Generator, grid: Grid, eye: Eye, config: DiseaseConfig
) -> tuple[Cyst, ...]:
    """Draw groups of cysts; the first group lies near the fovea."""
    cysts: list[Cyst] = []
    reach_y, reach_x = abs(float(grid.y_um[0, 0])), abs(float(grid.x_um[0]))
    for index in range(draw_count(rng, config.clusters)):
        if index == 0:
            centre = (eye.fovea_um[0] + rng.normal(0, 150), eye.fovea_um[1] + rng.normal(0, 300))
        else:
            centre = (draw(rng, (-reach_y, reach_y)), 0.8 * draw(rng, (-reach_x, reach_x)))
        smallest, limit = config.cyst_radius_um
        largest = draw_scale(rng, (min(1.5 * smallest, limit), limit))
        spread = draw_scale(rng, config.cluster_radius_um)
        hosts = rng.choice(_HOSTS, p=_HOST_WEIGHTS, size=2)
        cysts += [
            _draw_cyst(
                rng,
                config,
                centre=(rng.normal(centre[0], spread / 2), rng.normal(centre[1], spread)),
                host=int(rng.choice(hosts)),
                largest_um=largest,
            )
            for _ in range(draw_count(rng, config.cysts))
        ]
    return tuple(cysts)


def _draw_cyst(
    rng: np.random.Generator,
    config: DiseaseConfig,
    *,
    centre: tuple[float, float],
    host: int,
    largest_um: float,
) -> Cyst:
    height = draw_scale(rng, (config.cyst_radius_um[0], largest_um))
    width = height * draw_scale(rng, config.cyst_aspect)
    return Cyst(
        host=host,
        y_um=centre[0],
        x_um=centre[1],
        level=draw(rng, (0.4, 0.6)),
        # never so thin that it falls between two B-scans
        radius_y_um=max(width * draw(rng, (0.8, 1.5)), 150.0),
        radius_x_um=width,
        radius_z_um=height,
        displacement=draw(rng, config.displacement),
    )


def draw_foci(
    rng: np.random.Generator, disease: Disease, *, limits: tuple[int, int]
) -> tuple[Focus, ...]:
    """Draw bright foci around the cysts; none without cysts."""
    if not disease.cysts:
        return ()
    foci = []
    for _ in range(draw_count(rng, limits)):
        cyst = disease.cysts[int(rng.integers(len(disease.cysts)))]
        foci.append(
            Focus(
                y_um=rng.normal(cyst.y_um, 200),
                x_um=rng.normal(cyst.x_um, 400),
                reach_um=draw(rng, (60.0, 150.0)),
                level=draw(rng, (0.1, 0.95)),
                radius_um=draw_scale(rng, (6.0, 14.0)),
                grey=draw(rng, (0.6, 0.9)),
            )
        )
    return tuple(foci)


def _bulge(grid: Grid, thickness: Map, cysts: tuple[Cyst, ...]) -> None:
    """Thicken the layers around their cysts, in place; bulges that overlap add up as squares."""
    for host in _HOSTS:
        bulges = [cyst.bulge(grid) ** _OVERLAP for cyst in cysts if cyst.host == host]
        if bulges:
            thickness[host] += np.sum(bulges, axis=0, dtype=np.float32) ** (1 / _OVERLAP)


def _swell(
    rng: np.random.Generator, grid: Grid, eye: Eye, thickness: Map, *, amount: float
) -> None:
    """Thicken the middle layers around a point, in place."""
    y_um, x_um = rng.normal(eye.fovea_um[0], 300), rng.normal(eye.fovea_um[1], 900)
    radius = draw(rng, (500.0, 1800.0))
    hump = np.exp(-0.5 * (grid.distance(y_um, x_um) / np.float32(radius)) ** 2)
    for layer, share in ((GCL_IPL, 0.4), (INL, 0.8), (OPL, 1.0), (ONL_ISM, 0.8)):
        healthy = np.median(thickness[layer])
        thickness[layer] += hump * np.float32(amount * share * draw(rng, (0.6, 1.2)) * healthy)


def _draw_subretinal(rng: np.random.Generator, grid: Grid, eye: Eye, config: DiseaseConfig) -> Map:
    """Height of a dome of fluid with an uneven rim, in um."""
    y_um, x_um = rng.normal(eye.fovea_um[0], 150), rng.normal(eye.fovea_um[1], 400)
    radius = draw_scale(rng, config.subretinal_radius_um)
    height = draw_scale(rng, config.subretinal_height_um)
    rim = 1 + 0.15 * random_field(rng, grid, length_um=500)
    distance = grid.distance(y_um, x_um) / (np.float32(radius) * np.clip(rim, 0.5, 1.5))
    dome: Map = (height * np.clip(1 - distance**2, 0, None) ** 2).astype(np.float32)
    return dome


def stack_surfaces(bruch_um: Map, disease: Disease) -> Map:
    """Depths in um of the surfaces that bound the layers, shape ``(9, *grid.shape)``.

    From the inner limiting membrane down: the tops of the seven layers, with the top of the
    subretinal fluid (the ellipsoid zone's lower end) before that of the outer segments, and
    Bruch's membrane. They never cross.
    """
    heights = [
        *disease.thickness_um[: ISE + 1],
        disease.subretinal_um,
        disease.thickness_um[OS_RPE],
    ]
    below = np.cumsum(np.stack(heights)[::-1], axis=0)[::-1]
    return np.concatenate([bruch_um[None] - below, bruch_um[None]]).astype(np.float32)

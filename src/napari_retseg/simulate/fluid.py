"""Fluid that moves layers: pockets in the retina, fluid below it, and how layers are displaced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from napari_retseg.simulate.field import Map, random_field
from napari_retseg.simulate.gaze import Sight
from napari_retseg.simulate.parameters import Disease, ScanParameters
from napari_retseg.simulate.retina import GCL_IPL, INL, NFL, ONL_ISM, OPL, OS_RPE

_THINNEST_UM = 22.0
_ROUGH_UM, _WALL_UM = 45.0, 6.0


@dataclass(frozen=True)
class Fluid:
    """Heights of fluid in um, shapes ``grid.shape``.

    Parameters
    ----------
    inner_um
        In the inner nuclear layer.
    outer_um
        Between the outer plexiform and the outer nuclear layer.
    subretinal_um
        Between the photoreceptors and the pigment epithelium.
    """

    inner_um: Map
    outer_um: Map
    subretinal_um: Map


def dome(
    sight: Sight, *, y_um: float, x_um: float, ry_um: float, rx_um: float, sharp: float
) -> Map:
    """Height from 0 to 1 over an ellipse; the larger `sharp`, the steeper its walls."""
    grid = sight.grid
    away = np.hypot(
        (grid.y_um - np.float32(y_um)) / np.float32(ry_um),
        (grid.x_um - np.float32(x_um)) / np.float32(rx_um),
    )
    height: Map = np.clip(1 - away ** np.float32(sharp), 0, None) ** np.float32(0.5)
    return height


def draw_fluid(drawn: ScanParameters, sight: Sight) -> Fluid:
    """Draw the heights of all fluid."""
    rng = drawn.stream("fluid")
    disease = drawn.disease
    inner, outer, below = (np.zeros(sight.grid.shape, dtype=np.float32) for _ in range(3))
    if disease.pockets:
        _add_pockets(rng, sight, disease, inner=inner, outer=outer)
    if disease.foveal_cyst:
        outer = np.maximum(outer, _foveal_cyst(rng, sight, disease))
    if disease.subretinal:
        below = _subretinal(rng, sight, disease)
    if disease.edema:
        outer = np.maximum(outer, _draw_edema(drawn.stream("edema"), sight, disease))
    rough = random_field(rng, sight.grid, length_um=_ROUGH_UM)
    uneven = 1 + 0.12 * np.clip(rough + random_field(rng, sight.grid, length_um=150), -2, 2)
    # the retina is held at the disc
    free: Map = np.clip((sight.disc_um - np.float32(drawn.gaze.disc_radius_um + 100)) / 500, 0, 1)
    return Fluid(
        inner_um=_keep_visible(smooth(sight, inner * uneven, _WALL_UM) * free),
        outer_um=_keep_visible(smooth(sight, outer * uneven, _WALL_UM) * free),
        subretinal_um=_keep_visible(smooth(sight, below, 30) * free),
    )


def _keep_visible(height: NDArray[np.floating[Any]]) -> Map:
    # thinner fluid could not be told from a dark seam
    kept: Map = np.where(height > 6, height, 0).astype(np.float32)
    return kept


def _add_pockets(
    rng: np.random.Generator, sight: Sight, disease: Disease, *, inner: Map, outer: Map
) -> None:
    """Draw pockets around one point; where they meet, a thin wall is left, in place."""
    y_um, x_um = draw_place(rng, sight)
    spread = rng.uniform(0.4, 1.1) * disease.pocket_um * disease.pocket_count
    for _ in range(disease.pocket_count):
        width = disease.pocket_um * rng.uniform(0.35, 1.0)
        height = min(disease.pocket_height_um * rng.uniform(0.5, 1.0), 1.6 * width)
        inside = rng.random() < disease.pocket_inner
        aside = rng.uniform(-spread, spread) / 2
        # the middle of a group stands highest
        height *= np.exp(-((1.4 * aside / spread) ** 2))
        part = dome(
            sight,
            y_um=rng.normal(y_um, 0.3 * spread),
            x_um=x_um + aside,
            ry_um=width * rng.uniform(0.8, 1.6),
            rx_um=width,
            sharp=rng.uniform(1.8, 5.0),
        )
        target, scale = (inner, 0.6) if inside else (outer, 1.0)
        np.maximum(target, np.float32(height * scale) * part, out=target)


def _foveal_cyst(rng: np.random.Generator, sight: Sight, disease: Disease) -> Map:
    """One large cyst, in the middle of the fovea where the scan shows it."""
    grid = sight.grid
    y_um, x_um = draw_place(rng, sight)
    reach_y, reach_x = abs(float(grid.y_um[0, 0])), abs(float(grid.x_um[0]))
    if abs(sight.centre_um[0]) < reach_y + 150 and abs(sight.centre_um[1]) < reach_x:
        y_um, x_um = sight.centre_um
    part = dome(
        sight,
        y_um=y_um + rng.normal(0, 60),
        x_um=x_um + rng.normal(0, 90),
        ry_um=disease.foveal_cyst_um * rng.uniform(0.9, 1.4),
        rx_um=disease.foveal_cyst_um,
        sharp=rng.uniform(2.5, 6.0),
    )
    return np.float32(min(disease.foveal_cyst_height_um, 1.3 * disease.foveal_cyst_um)) * part


def _draw_edema(rng: np.random.Generator, sight: Sight, disease: Disease) -> Map:
    """A broad, flat bed of fluid with an uneven roof; its walls are painted (`spots`)."""
    y_um, x_um = draw_place(rng, sight)
    part = dome(
        sight,
        y_um=y_um,
        x_um=x_um,
        ry_um=disease.edema_um * rng.uniform(0.7, 1.2),
        rx_um=disease.edema_um,
        sharp=rng.uniform(2.0, 6.0),
    )
    bumps = random_field(rng, sight.grid, length_um=rng.uniform(60, 250))
    roof = np.clip(1 + rng.uniform(0.05, 0.35) * bumps, 0.3, 1.6)
    bed: Map = np.float32(min(disease.edema_height_um, 0.6 * disease.edema_um)) * part * roof
    return bed


def _subretinal(rng: np.random.Generator, sight: Sight, disease: Disease) -> Map:
    """One or two domes of fluid under the retina, with an uneven rim."""
    y_um, x_um = draw_place(rng, sight)
    height = np.zeros(sight.grid.shape, dtype=np.float32)
    rim = 1 + 0.12 * random_field(rng, sight.grid, length_um=400)
    for _ in range(int(rng.integers(1, 3))):
        radius = disease.subretinal_um * rng.uniform(0.5, 1.0)
        part = dome(
            sight,
            y_um=rng.normal(y_um, 0.3 * radius),
            x_um=rng.normal(x_um, 0.8 * radius),
            ry_um=radius * rng.uniform(0.8, 1.3),
            rx_um=radius,
            sharp=rng.uniform(1.6, 2.6),
        )
        shape = part ** np.float32(rng.uniform(1.2, 3.0)) * np.clip(rim, 0.5, 1.5)
        top = min(disease.subretinal_height_um, 0.35 * radius) * rng.uniform(0.5, 1.0)
        height = np.maximum(height, top * shape)
    return height


def draw_place(
    rng: np.random.Generator, sight: Sight, *, spread_um: float = 600.0
) -> tuple[float, float]:
    """Draw a point near the fovea or anywhere else that some B-scan shows (across, along)."""
    grid = sight.grid
    reach = abs(float(grid.x_um[0]))
    y_um, x_um = (rng.normal(middle, spread_um) for middle in sight.centre_um)
    if rng.random() < 0.4 or abs(x_um) > 0.9 * reach:
        x_um = 0.9 * reach * rng.uniform(-1, 1)
    if rng.random() < 0.5 or abs(y_um) > abs(float(grid.y_um[0, 0])):
        y_um = rng.normal(0, 40) + 0.8 * float(rng.choice(grid.y_um[:, 0]))
    return y_um, x_um


def displace_layers(
    drawn: ScanParameters, sight: Sight, thickness: Map, *, fluid: Fluid, raised_um: Map
) -> None:
    """Displace the layers by fluid and by what lies below the epithelium, in place.

    The outer nuclear layer is pressed thin by a pocket above it and by a druse below. The inner
    limiting membrane stays smooth: above a steep pocket the inner layers are thin, and beside it
    they are thick.
    """
    rng = drawn.stream("give way")
    pushed = raised_um + fluid.subretinal_um
    sharp = pushed - smooth(sight, pushed, 130)
    thickness[ONL_ISM] -= np.minimum(sharp, 0.65 * thickness[ONL_ISM])
    pressed = np.clip(1 - rng.uniform(0.1, 1.2) * fluid.outer_um / 250, 0.25, 1)
    there = np.clip(smooth(sight, fluid.outer_um, 25) / 60, 0, 1)
    wavy = 1 + 0.35 * random_field(rng, sight.grid, length_um=110) * there
    thickness[ONL_ISM] *= pressed * np.clip(wavy, 0.4, 1.7)
    lifted = fluid.inner_um + fluid.outer_um
    if not lifted.any():
        return
    inner = thickness[NFL : OPL + 1].sum(axis=0)
    stack = lifted + inner + thickness[ONL_ISM : OS_RPE + 1].sum(axis=0) + fluid.subretinal_um
    stiff = float(np.exp(rng.uniform(np.log(140), np.log(600))))
    least = stack - inner + np.minimum(_THINNEST_UM, 0.35 * inner)
    tent = smooth(sight, _highest(sight, least, 2.5 * stiff), stiff)
    surface = smooth(sight, np.maximum(smooth(sight, stack, stiff), tent), 0.4 * stiff)
    surface = np.maximum(surface, least)
    room = surface - (stack - inner)
    excess = np.clip(room - inner, 0, None)
    ratio = (room - 0.7 * excess) / np.maximum(inner, 1)
    thickness[ONL_ISM] += 0.7 * excess
    for layer in (NFL, GCL_IPL, INL, OPL):
        thickness[layer] *= ratio


def _highest(sight: Sight, values: Map, reach_um: float) -> Map:
    """Largest value within a distance, along and across the B-scans."""
    size = 2 * int(reach_um / sight.lateral_um) + 1
    highest: Map = maximum_filter1d(values, size, axis=1, mode="nearest")
    if len(values) > 1:
        between = float(sight.grid.y_um[1, 0] - sight.grid.y_um[0, 0])
        size = 2 * int(reach_um / between) + 1
        highest = maximum_filter1d(highest, size, axis=0, mode="nearest")
    return highest


def smooth(sight: Sight, values: Map, length_um: float) -> Map:
    """Gaussian mean along and across the B-scans."""
    smoothed: Map = gaussian_filter1d(values, length_um / sight.lateral_um, axis=1, mode="nearest")
    if len(values) > 1:
        between = float(sight.grid.y_um[1, 0] - sight.grid.y_um[0, 0])
        smoothed = gaussian_filter1d(smoothed, length_um / between, axis=0, mode="nearest")
    return smoothed

"""Retinal vessels: bright in the nerve fibre layer, with a shadow below, across the B-scans."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_retseg.simulate.config import draw, draw_count, draw_scale
from napari_retseg.simulate.field import Grid, Map

_FREE_UM = 500.0


@dataclass(frozen=True)
class Vessel:
    """A vessel that runs across the B-scans.

    Parameters
    ----------
    path_um
        Its position along each B-scan, shape ``(bscan,)``.
    radius_um
        Half its width.
    transmission
        Share of the signal that is left below it.
    level
        Depth of its middle: 0 at the inner limiting membrane, 1 at the inner nuclear layer.
    """

    path_um: Map
    radius_um: float
    transmission: float
    level: float


def draw_vessels(
    rng: np.random.Generator, grid: Grid, *, limits: tuple[int, int], fovea_um: tuple[float, float]
) -> tuple[Vessel, ...]:
    """Draw vessels that run across the field and bend around the foveal avascular zone."""
    reach = abs(float(grid.x_um[0]))
    y_um = grid.y_um[:, 0]
    vessels = []
    for _ in range(draw_count(rng, limits)):
        x_um = draw(rng, (-reach, reach))
        slope, bend = rng.normal(0, 0.25), rng.normal(0, 5e-5)
        path = x_um + slope * y_um + bend * y_um**2
        aside = path - fovea_um[1]
        clearance = _FREE_UM * np.exp(-(((y_um - fovea_um[0]) / _FREE_UM) ** 2))
        side = 1.0 if x_um > fovea_um[1] else -1.0
        path = np.where(np.abs(aside) < clearance, fovea_um[1] + side * clearance, path)
        vessels.append(
            Vessel(
                path_um=path.astype(np.float32),
                radius_um=draw_scale(rng, (18.0, 70.0)),
                transmission=draw(rng, (0.08, 0.6)),
                level=draw(rng, (0.3, 0.8)),
            )
        )
    return tuple(vessels)


def cast_shadows(
    signal: Map, vessels: tuple[Vessel, ...], *, bscan: int, x_um: Map, top_px: Map, bottom_px: Map
) -> None:
    """Brighten the vessels and dim what lies below, in place.

    Parameters
    ----------
    signal
        One B-scan, linear, shape ``(depth, width)``.
    bscan
        Its index.
    x_um
        Position of its A-scans.
    top_px, bottom_px
        Inner limiting membrane and top of the inner nuclear layer in pixels, ``(width,)``.
    """
    rows = np.arange(signal.shape[0], dtype=np.float32)[:, None]
    for vessel in vessels:
        aside = (x_um - vessel.path_um[bscan]) / np.float32(vessel.radius_um)
        columns = np.flatnonzero(np.abs(aside) < 2.5)
        if len(columns) == 0:
            continue
        part = slice(columns[0], columns[-1] + 1)
        profile = np.exp(-0.5 * aside[part] ** 4)
        middle = top_px[part] + vessel.level * (bottom_px[part] - top_px[part])
        lumen = np.exp(-0.5 * ((rows - middle) / 3) ** 2) * profile
        below = 1 / (1 + np.exp(-np.clip((rows - middle - 4) / 2, -30, 30)))
        dimming = 1 - (1 - np.float32(vessel.transmission)) * below * profile
        signal[:, part] = signal[:, part] * (1 + lumen) * dimming

"""Light that does not arrive: vessels and other shadows, attenuation, roll-off, uneven signal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from napari_retseg.simulate.field import Grid, Map
from napari_retseg.simulate.gaze import Sight
from napari_retseg.simulate.parameters import ScanParameters
from napari_retseg.simulate.view import View

#: x in um, half width in um, share of the signal that is left, row at which it begins.
Shadow = tuple[float, float, float, float]


@dataclass(frozen=True)
class Vessel:
    """A retinal vessel that crosses the B-scans."""

    path_um: Map
    radius_um: float
    level: float
    wall_grey: float
    lumen_grey: float
    transmission: float


def draw_vessels(drawn: ScanParameters, sight: Sight) -> tuple[Vessel, ...]:
    """Draw vessels; the nearer the disc, the larger they are, and none is in the foveola."""
    rng = drawn.stream("vessels")
    grid = sight.grid
    reach = abs(float(grid.x_um[0]))
    vessels = []
    for _ in range(drawn.anatomy.vessels):
        x_um, slope = rng.uniform(-reach, reach), rng.normal(0, 0.3)
        radius = rng.uniform(10, 45) if rng.random() < 0.7 else rng.uniform(40, 85)
        level, lumen = rng.uniform(0.2, 1.0), rng.uniform(0.3, 0.7)
        keep = drawn.optics.vessel_shadow ** (radius / 45) * rng.uniform(0.7, 1.0)
        column = int(np.clip(np.searchsorted(grid.x_um, x_um), 0, len(grid.x_um) - 1))
        if sight.fovea_um[:, column].min() < 450:
            continue
        vessels.append(
            Vessel(
                path_um=(x_um + slope * grid.y_um[:, 0]).astype(np.float32),
                radius_um=float(radius),
                level=float(level),
                wall_grey=float(rng.uniform(0.5, 0.8)),
                lumen_grey=float(lumen),
                transmission=float(np.clip(keep, 0.03, 1)),
            )
        )
    return tuple(vessels)


def paint_vessels(grey: Map, view: View, vessels: tuple[Vessel, ...]) -> list[Shadow]:
    """Draw the vessels' cross-sections, in place; their shadows."""
    shadows = []
    for vessel in vessels:
        x_um = float(vessel.path_um[view.index])
        columns = view.columns_near(x_um, 1.3 * vessel.radius_um)
        if columns.stop <= columns.start:
            continue
        column = (columns.start + columns.stop) // 2
        top, bottom = view.edge_px("nfl")[column], view.edge_px("ipl")[column]
        radius = vessel.radius_um / view.axial_um
        middle = top + vessel.level * max(bottom - top, 0.0) + 0.5 * radius
        rows = view.rows_near(middle - 1.3 * radius, middle + 1.3 * radius)
        down = ((np.arange(rows.start, rows.stop) + 0.5)[:, None] - middle) / radius
        away = np.hypot(down, (view.x_um[columns] - x_um) / vessel.radius_um)
        part = grey[rows, columns]
        inside = (np.arange(rows.start, rows.stop) + 0.5)[:, None] > view.edge_px("nfl")[columns]
        lumen = vessel.lumen_grey + (vessel.wall_grey - vessel.lumen_grey) * (np.abs(down) > 0.6)
        np.copyto(part, 0.4 * part + 0.6 * lumen, where=(away < 1) & inside)
        shadows.append((x_um, vessel.radius_um, vessel.transmission, middle + 0.5 * radius))
    return shadows


def cast_shadows(signal: Map, view: View, shadows: list[Shadow]) -> None:
    """Dim the signal below what stops light, in place."""
    rows = np.arange(view.depth, dtype=np.float32)[:, None]
    for x_um, radius_um, transmission, row in shadows:
        columns = view.columns_near(x_um, 1.6 * radius_um)
        if columns.stop <= columns.start:
            continue
        first = int(np.clip(row - 3, 0, view.depth - 1))
        aside = np.abs(view.x_um[columns] - np.float32(x_um)) / np.float32(radius_um)
        profile = np.exp(-(aside**4))
        below = np.clip((rows[first:] - np.float32(row - 3)) / 5, 0, 1)
        signal[first:, columns] *= 1 - np.float32(1 - transmission) * below * profile


def draw_gain(drawn: ScanParameters, sight: Sight) -> Map:
    """Slow change of the signal over the scan in dB, shape ``grid.shape``; never above 0."""
    rng = drawn.stream("shading")
    grid = sight.grid
    spread = np.float32(drawn.optics.shading_db)
    waves = np.zeros(grid.shape, dtype=np.float32)
    length = rng.uniform(300, 3000)
    for _ in range(4):
        wave, phase = rng.normal(0, 1 / length, 2), rng.uniform(0, 2 * np.pi)
        waves += np.cos(grid.x_um * np.float32(wave[0]) + grid.y_um * np.float32(wave[1]) + phase)
    gain: Map = spread * np.clip(0.6 * waves - 1.2, -2.2, 0) + _vignette(rng, grid)
    return gain.astype(np.float32)


def _vignette(rng: np.random.Generator, grid: Grid) -> Map:
    """Sometimes the signal falls towards the ends."""
    amount = rng.uniform(-6, 6) if rng.random() < 0.4 else 0.0
    across = grid.x_um / grid.x_um[-1]
    fall: Map = np.clip(np.float32(amount) * across**3, -6, 0)
    return fall


def _streaks(drawn: ScanParameters, view: View) -> Map:
    """Loss of single A-scans in dB: fine vessels above them, and motion while they were taken."""
    rng = drawn.stream("streaks", view.index)
    noise = gaussian_filter1d(rng.standard_normal(view.width), rng.uniform(0.3, 1.5))
    streaks: Map = drawn.optics.streaks_db * noise / noise.std()
    return streaks.astype(np.float32)


def attenuate(signal: Map, view: View, drawn: ScanParameters, gain_db: Map) -> None:
    """Attenuate the signal along depth and along the B-scan, in place."""
    optics = drawn.optics
    rows = np.arange(view.depth, dtype=np.float32)[:, None]
    top, bottom = view.edge_px("nfl"), view.edge_px("choroid")
    through = np.clip((rows - top) / np.maximum(bottom - top, 20), 0, 1.5)
    loss = np.float32(optics.attenuation_db) * through
    loss += np.float32(optics.rolloff_db / view.depth) * rows
    loss -= gain_db
    loss += _streaks(drawn, view) * np.clip(2 * through, 0, 1)
    if optics.defocus:
        loss += 3
    signal *= np.exp(loss * np.float32(-np.log(10) / 10))

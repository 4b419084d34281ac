"""What lies on and above the retina: membranes, the detached hyaloid, floating dots."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_retseg.simulate.field import Map, random_field
from napari_retseg.simulate.gaze import Sight
from napari_retseg.simulate.parameters import ScanParameters
from napari_retseg.simulate.view import View


@dataclass(frozen=True)
class Line:
    """A bright line above the inner limiting membrane; shapes ``grid.shape``.

    Parameters
    ----------
    above_um
        Its distance from the membrane.
    grey
        Its brightness.
    width_um
        Half its thickness.
    """

    above_um: Map
    grey: Map
    width_um: float


@dataclass(frozen=True)
class Opacity:
    """A cloud in the vitreous.

    Parameters
    ----------
    y_um, x_um
        Where it lies on the fundus.
    above_um
        Its height over the retina.
    radii_um
        Across the B-scans, along them, and in depth.
    grey
        Its brightness.
    lean
        How far it leans to the side, per um of depth.
    """

    y_um: float
    x_um: float
    above_um: float
    radii_um: tuple[float, float, float]
    grey: float
    lean: float


def draw_lines(drawn: ScanParameters, sight: Sight) -> tuple[Line, ...]:
    """Draw the epiretinal membrane and the hyaloid of an eye that has them."""
    rng = drawn.stream("vitreous")
    lines = []
    if drawn.disease.membrane:
        lift = random_field(rng, sight.grid, length_um=rng.uniform(150, 900))
        above = np.clip(lift * rng.uniform(0, 40) - rng.uniform(0, 30), -3, 60)
        there = np.clip(2 * (random_field(rng, sight.grid, length_um=900) + 0.9), 0, 1)
        grey = there * rng.uniform(0.5, 0.85)
        lines.append(Line(above_um=above, grey=grey, width_um=float(rng.uniform(3, 7))))
    if drawn.disease.hyaloid:
        waves = random_field(rng, sight.grid, length_um=rng.uniform(800, 3000))
        above = np.clip((waves + rng.uniform(-0.3, 1.5)) * rng.uniform(30, 250), 2, None)
        faint = np.clip(0.7 + 0.4 * random_field(rng, sight.grid, length_um=500), 0, 1)
        grey = faint * rng.uniform(0.18, 0.42)
        lines.append(Line(above_um=above, grey=grey, width_um=float(rng.uniform(3, 9))))
    return tuple(lines)


def paint_lines(grey: Map, view: View, lines: tuple[Line, ...]) -> None:
    """Draw the lines of one B-scan, in place."""
    for line in lines:
        above = line.above_um[view.index, view.columns] / view.axial_um
        bright = line.grey[view.index, view.columns]
        width = max(line.width_um / view.axial_um, 0.4)
        paint_curve(grey, view.edge_px("nfl") - above, bright, width)


def paint_curve(grey: Map, middle: Map, bright: Map, width: float) -> None:
    """Draw a bright curve, in place.

    Parameters
    ----------
    middle, bright
        Row and brightness in each A-scan, ``(width,)``.
    width
        Half its thickness, in pixels.
    """
    depth, columns = len(grey), np.arange(grey.shape[1])
    reach = int(np.ceil(2.5 * width))
    for step in range(-reach, reach + 1):
        rows = np.floor(middle).astype(np.intp) + step
        shown = (rows >= 0) & (rows < depth)
        weight = np.exp(-0.5 * ((rows + 0.5 - middle) / width) ** 2)
        value = (bright * weight)[shown]
        at = (rows[shown], columns[shown])
        grey[at] = np.maximum(grey[at], value)


def draw_opacities(drawn: ScanParameters, sight: Sight) -> tuple[Opacity, ...]:
    """Draw opacities somewhere above the retina."""
    disease = drawn.disease
    if not disease.opacities:
        return ()
    rng = drawn.stream("opacities")
    reach = abs(float(sight.grid.x_um[0]))
    made = []
    for _ in range(disease.opacity_count):
        width = disease.opacity_um * rng.uniform(0.2, 1.0)
        made.append(
            Opacity(
                y_um=float(rng.choice(sight.grid.y_um[:, 0]) + rng.normal(0, 60)),
                x_um=float(rng.uniform(-reach, reach)),
                above_um=float(rng.uniform(10, 350)),
                radii_um=(width * rng.uniform(0.5, 1.5), width, width * rng.uniform(0.15, 0.8)),
                grey=float(disease.opacity_grey * rng.uniform(0.4, 1.0)),
                lean=float(rng.normal(0, 0.3)),
            )
        )
    return tuple(made)


def paint_opacities(
    grey: Map, view: View, drawn: ScanParameters, opacities: tuple[Opacity, ...]
) -> None:
    """Draw the opacities of one B-scan, above the retina only, in place."""
    rng = drawn.stream("opacities of one", view.index)
    surface = view.edge_px("nfl") - 3 / view.axial_um
    for one in opacities:
        share = 1 - ((view.y_um - one.y_um) / one.radii_um[0]) ** 2
        if share <= 0:
            continue
        across, high = (2 * radius * np.sqrt(share) for radius in one.radii_um[1:])
        near = view.columns_near(one.x_um, across)
        if near.stop <= near.start:
            continue
        middle = float(surface[near].mean()) - one.above_um / view.axial_um
        rows = view.rows_near(middle - high / view.axial_um, middle + high / view.axial_um)
        down = (np.arange(rows.start, rows.stop)[:, None] + 0.5 - middle) * view.axial_um
        aside = view.x_um[near] - one.x_um - one.lean * down
        shape = np.exp(-4 * ((down / high) ** 2 + (aside / across) ** 2))
        clouds = gaussian_filter(rng.standard_normal(shape.shape), (2.5, 4.0), truncate=2.5)
        uneven = np.clip(0.8 + 4.0 * clouds, 0, 1.6)
        spot = np.where(
            np.arange(rows.start, rows.stop)[:, None] < surface[near], one.grey * shape * uneven, 0
        )
        part = grey[rows, near]
        np.maximum(part, spot.astype(np.float32), out=part)


def paint_dots(grey: Map, view: View, drawn: ScanParameters) -> None:
    """Draw cells that float in front of the retina of an ill eye, in place."""
    if not drawn.disease.foci:
        return
    rng = drawn.stream("dots", view.index)
    for _ in range(int(rng.integers(0, 8))):
        column = int(rng.integers(view.width))
        row = view.edge_px("nfl")[column] - rng.exponential(40) / view.axial_um
        radius = rng.uniform(5, 12)
        rows = view.rows_near(row - 2 * radius / view.axial_um, row + 2 * radius / view.axial_um)
        near = view.columns_near(float(view.x_um[column]), 2 * radius)
        down = (np.arange(rows.start, rows.stop)[:, None] + 0.5 - row) * view.axial_um
        aside = view.x_um[near] - view.x_um[column]
        spot = rng.uniform(0.3, 0.9) * np.exp(-0.5 * (down**2 + aside**2) / radius**2)
        part = grey[rows, near]
        np.maximum(part, spot.astype(np.float32), out=part)

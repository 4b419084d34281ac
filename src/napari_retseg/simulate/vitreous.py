"""What lies on and above the retina: membranes, the detached hyaloid, floating dots."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
    columns = np.arange(view.width)
    for line in lines:
        above = line.above_um[view.index, view.columns] / view.axial_um
        bright = line.grey[view.index, view.columns]
        middle = view.edge_px("nfl") - above
        width = max(line.width_um / view.axial_um, 0.4)
        reach = int(np.ceil(2.5 * width))
        for step in range(-reach, reach + 1):
            rows = np.floor(middle).astype(np.intp) + step
            shown = (rows >= 0) & (rows < view.depth)
            weight = np.exp(-0.5 * ((rows + 0.5 - middle) / width) ** 2)
            value = (bright * weight)[shown]
            at = (rows[shown], columns[shown])
            grey[at] = np.maximum(grey[at], value)


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

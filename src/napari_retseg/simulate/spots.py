"""Small things that are painted into a B-scan: cysts, septa, foci, exudates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_retseg.simulate.field import Map
from napari_retseg.simulate.fluid import draw_place
from napari_retseg.simulate.gaze import Sight
from napari_retseg.simulate.parameters import Disease, ScanParameters
from napari_retseg.simulate.strata import IRF, is_fluid
from napari_retseg.simulate.view import View

_HOSTS = (("gcl", "inl"), ("inl", "opl"), ("opl", "onl"), ("onl", "elm"))
_HOST_WEIGHTS = (0.12, 0.4, 0.08, 0.4)
_SEPTUM_UM = (3.0, 7.0)
_ROOF_UM, _FLOOR_UM = 9.0, 10.0


@dataclass(frozen=True)
class Cyst:
    """A small cyst between two edges; lengths are half axes."""

    host: tuple[str, str]
    level: float
    y_um: float
    x_um: float
    ry_um: float
    rx_um: float
    rz_um: float
    power: float
    lean: float


@dataclass(frozen=True)
class Focus:
    """A bright spot; `level` is 0 at the ganglion cells' top and 1 at the ellipsoid zone."""

    y_um: float
    x_um: float
    level: float
    radius_um: float
    stretch: float
    grey: float
    shadow: float


def draw_cysts(drawn: ScanParameters, sight: Sight) -> tuple[Cyst, ...]:
    """Draw the small cysts of an eye around a point."""
    disease = drawn.disease
    if not disease.cysts:
        return ()
    rng = drawn.stream("cysts")
    y_um, x_um = draw_place(rng, sight)
    hosts = rng.dirichlet(4 * np.array(_HOST_WEIGHTS))
    return tuple(
        _draw_cyst(rng, disease, y_um=y_um, x_um=x_um, host=_HOSTS[int(choice)])
        for choice in rng.choice(len(_HOSTS), p=hosts, size=disease.cyst_count)
    )


def _draw_cyst(
    rng: np.random.Generator, disease: Disease, *, y_um: float, x_um: float, host: tuple[str, str]
) -> Cyst:
    height = disease.cyst_um * rng.uniform(0.3, 1.0)
    width = height * disease.cyst_aspect * np.exp(rng.normal(0, 0.3))
    return Cyst(
        host=host,
        level=rng.uniform(0.15, 0.85),
        y_um=rng.normal(y_um, 90),
        x_um=rng.normal(x_um, disease.cyst_spread_um / 2),
        ry_um=max(width, 90.0),
        rx_um=float(width),
        rz_um=height,
        power=rng.uniform(1.6, 3.5),
        lean=rng.normal(0, 0.25),
    )


def draw_foci(drawn: ScanParameters, sight: Sight) -> tuple[Focus, ...]:
    """Draw single foci and clumps of them."""
    rng = drawn.stream("foci")
    disease = drawn.disease
    foci: list[Focus] = []
    middle_y, middle_x = draw_place(rng, sight)
    if disease.foci:
        for _ in range(disease.foci_count):
            place = (rng.normal(middle_y, 160), rng.normal(middle_x, 1500))
            foci.append(_draw_focus(rng, place, level=rng.uniform(0.0, 1.0), shadow=1.0))
    if disease.exudates:
        for _ in range(disease.exudate_count):
            place = (rng.normal(middle_y, 100), rng.normal(middle_x, 900))
            level, shadow = rng.uniform(0.35, 0.85), rng.uniform(0.05, 0.9)
            spread = rng.uniform(15, 90)
            foci += [
                _draw_focus(
                    rng,
                    (rng.normal(place[0], 30), rng.normal(place[1], spread)),
                    level=level + rng.normal(0, 0.1),
                    shadow=shadow ** (1 / 3),
                    stretch=rng.uniform(1.0, 2.6),
                )
                for _ in range(int(rng.integers(2, 18)))
            ]
    return tuple(foci)


def _draw_focus(
    rng: np.random.Generator,
    place: tuple[float, float],
    *,
    level: float,
    shadow: float,
    stretch: float = 1.0,
) -> Focus:
    return Focus(
        y_um=float(place[0]),
        x_um=float(place[1]),
        level=float(np.clip(level, 0.02, 0.98)),
        radius_um=float(rng.uniform(5, 16)),
        stretch=stretch,
        grey=float(rng.uniform(0.6, 1.25)),
        shadow=shadow,
    )


def paint_cysts(
    grey: Map, labels: NDArray[np.uint8], view: View, cysts: tuple[Cyst, ...], fluid_grey: float
) -> None:
    """Fill the cysts of one B-scan with fluid, inside the neural retina, in place."""
    roof = view.edge_px("gcl") + _ROOF_UM / view.axial_um
    floor = view.edge_px("elm") - _FLOOR_UM / view.axial_um
    for cyst in cysts:
        share = 1 - ((view.y_um - cyst.y_um) / cyst.ry_um) ** 2
        if share <= 0:
            continue
        columns = view.columns_near(cyst.x_um, cyst.rx_um * np.sqrt(share) + cyst.rz_um)
        if columns.stop - columns.start < 1:
            continue
        top, bottom = (view.edge_px(name)[columns] for name in cyst.host)
        middle = top + cyst.level * (bottom - top)
        half = cyst.rz_um * np.sqrt(share) / view.axial_um
        rows = view.rows_near(middle.min() - half, middle.max() + half)
        down = ((np.arange(rows.start, rows.stop) + 0.5)[:, None] - middle) / half
        aside = (view.x_um[columns] - cyst.x_um) / (cyst.rx_um * np.sqrt(share)) + cyst.lean * down
        centres = (np.arange(rows.start, rows.stop) + 0.5)[:, None]
        inside = np.abs(down) ** cyst.power + np.abs(aside) ** cyst.power < 1
        inside &= (centres > roof[columns]) & (centres < floor[columns])
        labels[rows, columns][inside] = IRF
        grey[rows, columns][inside] = fluid_grey


def paint_septa(grey: Map, labels: NDArray[np.uint8], view: View, drawn: ScanParameters) -> None:
    """Draw thin bright walls through the fluid; they are too thin to be labelled, in place."""
    rng = drawn.stream("septa")
    fluid = is_fluid(labels)
    wide = np.flatnonzero(fluid.any(axis=0))
    if len(wide) == 0:
        return
    for _ in range(drawn.disease.septa + drawn.disease.walls * drawn.disease.edema):
        column = int(wide[int(rng.random() * len(wide))])
        brightness, width = rng.uniform(0.05, 0.25), rng.uniform(*_SEPTUM_UM)
        lean, bend = rng.normal(0, 0.15), rng.normal(0, 10)
        rows = np.flatnonzero(fluid[:, column])
        centres = rows * view.axial_um
        line = view.x_um[column] + lean * (centres - centres[0]) + bend * np.sin(centres / 60)
        near = view.columns_near(float(view.x_um[column]), 120.0)
        wall = np.exp(-0.5 * ((view.x_um[near] - line[:, None]) / width) ** 2) * brightness
        part = grey[rows[0] : rows[-1] + 1, near]
        part[rows - rows[0]] += wall * fluid[rows, near]


def paint_foci(
    grey: Map, view: View, foci: tuple[Focus, ...]
) -> list[tuple[float, float, float, float]]:
    """Draw the foci of one B-scan, in place; their shadows, see `attenuation.cast_shadows`."""
    shadows = []
    for focus in foci:
        radius = focus.radius_um
        away = abs(view.y_um - focus.y_um)
        if away > 60 + 2 * radius or not view.x_um[0] < focus.x_um < view.x_um[-1]:
            continue
        column = int(np.argmin(np.abs(view.x_um - focus.x_um)))
        top, bottom = view.edge_px("gcl")[column], view.edge_px("onset")[column]
        if bottom - top < 4:
            continue
        row = top + focus.level * (bottom - top)
        reach = 3 * radius * focus.stretch / view.axial_um
        rows, columns = (
            view.rows_near(row - reach, row + reach),
            view.columns_near(focus.x_um, 3 * radius),
        )
        down = (np.arange(rows.start, rows.stop)[:, None] + 0.5 - row) * view.axial_um
        aside = view.x_um[columns] - focus.x_um
        spot = np.exp(-0.5 * ((down / focus.stretch) ** 2 + aside**2) / radius**2)
        part = grey[rows, columns]
        part += np.clip(focus.grey - part, 0, None) * spot
        if focus.shadow < 1:
            shadows.append((focus.x_um, 1.3 * radius, focus.shadow, float(row + reach / 3)))
    return shadows

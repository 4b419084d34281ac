"""Disease that changes the layers: swelling, drusen, detachment of the epithelium, atrophy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_retseg.simulate.field import Map, random_field
from napari_retseg.simulate.fluid import dome, draw_place
from napari_retseg.simulate.gaze import Sight
from napari_retseg.simulate.parameters import Disease, ScanParameters
from napari_retseg.simulate.retina import GCL_IPL, INL, ISE, NFL, ONL_ISM, OPL, OS_RPE

#: How much of a swelling each layer takes.
_SWELLS = ((NFL, 0.15), (GCL_IPL, 0.45), (INL, 0.8), (OPL, 1.0), (ONL_ISM, 0.9))


@dataclass(frozen=True)
class Lesions:
    """What disease does outside the layers' thickness, all shapes ``grid.shape``.

    Parameters
    ----------
    raised_um
        Pigment epithelium over Bruch's membrane.
    lost
        Share of the outer layers that atrophy has taken, 0 to 1.
    dim
        Share of brightness that the ellipsoid zone keeps.
    """

    raised_um: Map
    lost: Map
    dim: Map


def add_lesions(drawn: ScanParameters, sight: Sight, thickness: Map) -> Lesions:
    """Swell and thin the layers, in place, and draw what lies below them."""
    rng = drawn.stream("pathology")
    disease = drawn.disease
    raised, lost = (np.zeros(sight.grid.shape, dtype=np.float32) for _ in range(2))
    dim = np.ones(sight.grid.shape, dtype=np.float32)
    if disease.swelling:
        _add_swelling(rng, sight, disease, thickness)
    if disease.detachment:
        raised = _draw_detachment(rng, sight, disease)
    if disease.drusen:
        raised = np.maximum(raised, _draw_drusen(rng, sight, disease))
    if disease.atrophy:
        lost = _draw_atrophy(rng, sight, disease)
        for layer, share in ((ONL_ISM, 0.6), (ISE, 0.85), (OS_RPE, 0.55), (OPL, 0.2)):
            thickness[layer] *= 1 - share * lost
    if disease.dim_photoreceptors:
        patches = random_field(rng, sight.grid, length_um=rng.uniform(60, 600))
        dim -= np.float32(rng.uniform(0.2, 0.6)) / (1 + np.exp(-4 * (patches - 0.3)))
    return Lesions(raised_um=raised, lost=lost, dim=dim * (1 - 0.6 * lost))


def _add_swelling(rng: np.random.Generator, sight: Sight, disease: Disease, thickness: Map) -> None:
    """Thicken the layers around a few points, in place."""
    for _ in range(disease.swellings):
        y_um, x_um = draw_place(rng, sight)
        radius = disease.swelling_um * rng.uniform(0.5, 1.0)
        away = sight.grid.distance(y_um, x_um) / np.float32(radius)
        hump = np.exp(-0.5 * away**2) * disease.swelling_amount
        for layer, share in _SWELLS:
            healthy = np.float32(np.median(thickness[layer]))
            thickness[layer] += hump * share * rng.uniform(0.2, 1.3) * healthy


def _draw_detachment(rng: np.random.Generator, sight: Sight, disease: Disease) -> Map:
    """Height of a dome under the pigment epithelium, sometimes with several tops."""
    y_um, x_um = draw_place(rng, sight)
    part = dome(
        sight,
        y_um=y_um,
        x_um=x_um,
        ry_um=disease.detachment_um * rng.uniform(0.8, 1.3),
        rx_um=disease.detachment_um,
        sharp=rng.uniform(1.8, 2.6),
    )
    tops = 1 + rng.uniform(0, 0.3) * random_field(rng, sight.grid, length_um=300)
    power = np.float32(rng.uniform(1.6, 3.5))
    # the epithelium tears where it is lifted too steeply
    top = min(disease.detachment_height_um, 0.4 * disease.detachment_um)
    height: Map = top * part**power * np.clip(tops, 0.3, 1.5)
    return height.astype(np.float32)


def _draw_drusen(rng: np.random.Generator, sight: Sight, disease: Disease) -> Map:
    """Heights of drusen around a point."""
    height = np.zeros(sight.grid.shape, dtype=np.float32)
    middle_y, middle_x = draw_place(rng, sight)
    for _ in range(disease.drusen_count):
        radius = rng.uniform(30, 180)
        y_um, x_um = rng.normal(middle_y, 300), rng.normal(middle_x, 1200)
        away = sight.grid.distance(y_um, x_um) / np.float32(radius)
        top = disease.drusen_height_um * rng.uniform(0.3, 1.0)
        height = np.maximum(height, np.float32(top) * np.exp(-(away**2)))
    return height


def _draw_atrophy(rng: np.random.Generator, sight: Sight, disease: Disease) -> Map:
    """Where atrophy has taken the outer layers, with a sharp, uneven border."""
    y_um, x_um = draw_place(rng, sight)
    border = disease.atrophy_um * (1 + 0.25 * random_field(rng, sight.grid, length_um=350))
    inside = (border - sight.grid.distance(y_um, x_um)) / rng.uniform(25, 120)
    lost: Map = 1 / (1 + np.exp(-np.clip(inside, -30, 30)))
    return lost.astype(np.float32)

"""Each part of the anatomy, the disease and the vitreous does what its name says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_retseg.simulate import ScanParameters, render
from napari_retseg.simulate.scene import Scene
from tests.simulate.draws import change, quiet

Image = NDArray[np.floating[Any]]


def thickness_um(drawn: ScanParameters, value: int) -> Image:
    """Of one class in every A-scan of the middle B-scan."""
    labels = render(drawn).labels[drawn.n_bscans // 2]
    counted: Image = (labels == value).sum(axis=0) * drawn.axial_um
    return counted


def bruch_px(drawn: ScanParameters) -> Image:
    edges: Image = Scene.of(drawn).view(0).edge_px("choroid")
    return edges


def test_the_fovea_has_a_pit_unless_there_is_none() -> None:
    base = quiet()
    middle = slice(90, 102)
    ganglion = thickness_um(base, 2)
    assert ganglion[middle].mean() < 0.25 * ganglion[55:70].mean()
    without = thickness_um(change(base, anatomy={"no_pit": True}), 2)
    assert without[middle].mean() > 0.7 * without[55:70].mean()


def test_the_fovea_moves_with_the_gaze() -> None:
    base = change(quiet(), anatomy={"bumps": 0.0, "undulation": 0.0})
    aside = change(base, gaze={"along_um": 1000.0})
    pits = [int(np.argmin(thickness_um(drawn, 2)[40:170])) + 40 for drawn in (base, aside)]
    assert (pits[1] - pits[0]) * base.lateral_um == pytest.approx(1000, abs=200)


def test_healthy_thickness_is_near_the_norm() -> None:
    """About 227 um at the foveola, 270 in the central millimetre, 330 in the inner ring."""
    totals = []
    for seed in range(8):
        base = change(
            quiet(seed),
            anatomy=dict.fromkeys(("nfl", "gcl_ipl", "inl", "opl", "onl_ism", "ise", "os_rpe"), 1)
            | {"pit_radius": 1.0},
        )
        edges = Scene.of(base).view(0)
        totals.append((edges.edge_px("choroid") - edges.edge_px("nfl")) * base.axial_um)
    total = np.mean(totals, axis=0)
    at = (np.arange(192) - 95.5) * 6000 / 192
    # a line through the fovea stands for the area around it
    area = np.abs(at)

    def mean(first: float, last: float) -> float:
        ring = (area >= first) & (area < last)
        return float(np.average(total[ring], weights=area[ring]))

    assert mean(0, 100) == pytest.approx(227, abs=25)
    assert mean(0, 500) == pytest.approx(270, abs=25)
    assert mean(500, 1500) == pytest.approx(330, abs=30)


def test_nerve_fibres_grow_and_ganglion_cells_taper_towards_the_disc() -> None:
    flat = {"bumps": 0.0, "undulation": 0.0, "pit_radius": 1.0}
    base = change(quiet(), anatomy=flat, gaze={"along_um": -1000.0, "disc_um": 4600.0})
    fibres, ganglion = thickness_um(base, 1), thickness_um(base, 2)
    assert fibres[165:175].mean() > 1.5 * fibres[115:125].mean()
    assert ganglion[172:180].mean() < 0.75 * ganglion[130:138].mean()
    more = thickness_um(change(base, anatomy={"towards_disc": 2.2}), 1)
    less = thickness_um(change(base, anatomy={"towards_disc": 0.7}), 1)
    assert more[165:175].mean() > 1.4 * less[165:175].mean()


def test_a_scan_of_the_disc_has_a_gap_in_its_layers_and_a_cup() -> None:
    base = change(quiet(), gaze={"at_disc": True}, anatomy={"cup_um": 400.0})
    labels = render(base).labels[0]
    inside = ~(labels > 0).any(axis=0)
    assert inside[96]
    assert inside.sum() * base.lateral_um == pytest.approx(2 * base.gaze.disc_radius_um, abs=200)
    top = Scene.of(base).view(0).edge_px("nfl") * base.axial_um
    assert top[96] > top[20] + 200


def test_a_circle_around_the_disc_has_thick_fibres_above_and_below() -> None:
    ring = change(quiet(), gaze={"ring": True}, anatomy={"bumps": 0.0, "undulation": 0.0})
    fibres = thickness_um(ring, 1)
    angle = np.abs(np.linspace(-np.pi, np.pi, 192))
    poles = fibres[np.abs(np.pi - angle - 1.25) < 0.2].mean()
    assert poles > 1.4 * fibres[(angle < 0.3) | (angle > 2.9)].mean()


@pytest.mark.parametrize("layer", range(7))
def test_each_layer_has_its_own_scale(layer: int) -> None:
    name = ("nfl", "gcl_ipl", "inl", "opl", "onl_ism", "ise", "os_rpe")[layer]
    thin, thick = (
        thickness_um(change(quiet(), anatomy={name: factor}), layer + 1).mean()
        for factor in (0.7, 1.4)
    )
    assert thick == pytest.approx(2 * thin, rel=0.2)


@pytest.mark.parametrize(
    ("change_of", "slope", "bend"),
    [
        ({"tilt": 0.05}, 0.05, 0.0),
        ({"curvature_per_mm": 0.03}, None, -0.03),
        ({"myopic": True, "myopic_per_mm": 0.05}, None, -0.05),
    ],
)
def test_the_retina_is_tilted_and_curved(
    change_of: dict[str, Any], slope: float | None, bend: float
) -> None:
    base = change(quiet(), anatomy=change_of)
    x_mm = Scene.of(base).view(0).x_um / 1000
    fit = np.polyfit(x_mm, bruch_px(base) * base.axial_um / 1000, 2)
    assert 2 * fit[0] == pytest.approx(bend, abs=0.004)
    if slope is not None:
        assert fit[1] == pytest.approx(slope, abs=0.004)


@pytest.mark.parametrize("name", ["undulation", "bumps"])
def test_layers_undulate(name: str) -> None:
    calm = {"undulation": 0.0, "bumps": 0.0}
    rough = [
        np.abs(np.diff(Scene.of(change(quiet(), anatomy=settings)).view(0).edge_px("opl"), n=2))
        for settings in (calm, calm | {name: 0.12})
    ]
    assert rough[1].mean() > 1.1 * rough[0].mean()


def test_waves_bend_the_whole_retina() -> None:
    flat, wavy = (bruch_px(change(quiet(), anatomy={"waves_um": um})) for um in (0.0, 25.0))
    assert np.ptp(flat) < 0.01
    assert np.ptp(wavy) > 3


def test_the_height_places_the_retina() -> None:
    high, low = (bruch_px(change(quiet(), anatomy={"height": h})).mean() for h in (0.1, 0.8))
    assert low > high + 40


def test_a_thick_choroid_is_bright_further_down() -> None:
    thin, thick = (
        render(change(quiet(), anatomy={"choroid_um": um})).pixels[0] for um in (60.0, 500.0)
    )
    bottom = int(bruch_px(quiet()).max())
    deep = slice(bottom + 15, bottom + 30)
    assert thick[deep].mean() > 1.2 * thin[deep].mean()


def test_vessels_cast_shadows() -> None:
    base = change(quiet(), optics={"vessel_shadow": 0.05}, gaze={"along_um": 2500.0})
    with_vessels = change(base, anatomy={"vessels": 14})
    plain, shadowed = (render(drawn) for drawn in (base, with_vessels))
    np.testing.assert_array_equal(plain.labels, shadowed.labels)
    epithelium = np.where(plain.labels[0] == 7, 1.0, np.nan)
    ratio = np.nanmean(epithelium * shadowed.pixels[0], axis=0) / np.nanmean(
        epithelium * plain.pixels[0], axis=0
    )
    assert ratio.min() < 0.7
    assert np.median(ratio) == pytest.approx(1, abs=0.1)

"""Each disease does what its name says, and nothing does so without it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_retseg.simulate import ScanParameters, SimulatedVolume, render
from napari_retseg.simulate.scene import Scene
from napari_retseg.simulate.view import View
from tests.simulate.draws import change, quiet

FLUID = 8
SEEDS = range(3, 7)


def ill(seed: int, **disease: Any) -> ScanParameters:
    return change(quiet(seed), disease=disease)


def view(drawn: ScanParameters) -> View:
    return Scene.of(drawn).view(0)


def retina_um(drawn: ScanParameters) -> float:
    seen = view(drawn)
    return float((seen.edge_px("choroid") - seen.edge_px("nfl")).mean()) * drawn.axial_um


def compare(seed: int, **disease: Any) -> tuple[SimulatedVolume, SimulatedVolume]:
    """The quiet eye and the same eye with a disease."""
    return render(quiet(seed)), render(ill(seed, **disease))


def test_a_quiet_eye_has_no_fluid() -> None:
    assert not any((render(quiet(seed)).labels == FLUID).any() for seed in SEEDS)


def test_small_cysts_replace_tissue() -> None:
    settings = {"cysts": True, "cyst_um": 50.0, "cyst_aspect": 2.0, "cyst_spread_um": 1500.0}
    settings |= {"fluid_grey": 0.2, "rim_grey": 0.0, "septa": 0}
    areas = []
    for count in (3, 40):
        volumes = [compare(seed, cyst_count=count, **settings) for seed in SEEDS]
        areas.append(np.mean([(after.labels == FLUID).sum() for _, after in volumes]))
        for before, after in volumes:
            fluid = after.labels == FLUID
            np.testing.assert_array_equal(before.labels[~fluid], after.labels[~fluid])
            assert set(np.unique(before.labels[fluid]).tolist()) <= {2, 3, 4, 5}
            if fluid.sum() > 20:
                assert after.pixels[fluid].mean() < 0.9 * before.pixels[fluid].mean()
    assert areas[1] > 3 * areas[0] > 0


@pytest.mark.parametrize(
    "disease",
    [
        {"pockets": True, "pocket_count": 4, "pocket_height_um": 250.0, "pocket_um": 400.0},
        {"foveal_cyst": True, "foveal_cyst_um": 300.0, "foveal_cyst_height_um": 300.0},
    ],
)
def test_large_pockets_lift_the_retina(disease: dict[str, Any]) -> None:
    for seed in SEEDS:
        drawn = ill(seed, **disease)
        assert retina_um(drawn) > 1.02 * retina_um(quiet(seed))
        labels = render(drawn).labels[0]
        tall = (labels == FLUID).sum(axis=0).max() * drawn.axial_um
        assert tall > 60
        # the surface stays smooth over their steep walls
        assert np.abs(np.diff(view(drawn).edge_px("nfl"), n=2)).max() < 3


def test_pockets_lie_where_their_share_says() -> None:
    settings = {"pockets": True, "pocket_height_um": 300.0, "pocket_count": 9}
    for share, host in ((0.0, 5), (1.0, 3)):
        touching = np.zeros(9)
        for seed in SEEDS:
            labels = render(ill(seed, pocket_inner=share, **settings)).labels[0]
            below = labels[1:][(labels[:-1] == FLUID) & (labels[1:] != FLUID)]
            touching += np.bincount(below, minlength=9)
        assert touching.argmax() == host


def test_septa_run_through_fluid_and_are_not_labelled() -> None:
    pocket = {"foveal_cyst": True, "foveal_cyst_um": 400.0, "foveal_cyst_height_um": 300.0}
    without, with_septa = (render(ill(3, septa=n, **pocket)) for n in (0, 9))
    np.testing.assert_array_equal(without.labels, with_septa.labels)
    fluid = without.labels == FLUID
    difference = with_septa.pixels.astype(float) - without.pixels
    assert difference[fluid].max() > 20


def test_fluid_is_as_bright_as_drawn() -> None:
    pocket = {"foveal_cyst": True, "foveal_cyst_um": 400.0, "foveal_cyst_height_um": 300.0}
    greys = []
    for grey in (0.2, 0.95):
        volume = render(change(ill(3, fluid_grey=grey, septa=0, **pocket), greys={"onl": 0.35}))
        greys.append(volume.pixels[volume.labels == FLUID].mean())
    assert greys[1] > greys[0] + 15


def test_fluid_has_bright_rims() -> None:
    pocket = {"foveal_cyst": True, "foveal_cyst_um": 400.0, "foveal_cyst_height_um": 300.0}
    plain, rimmed = (render(ill(3, rim_grey=grey, **pocket)) for grey in (0.0, 0.12))
    fluid = plain.labels[0] == FLUID
    below = np.zeros_like(fluid)
    below[1:] = fluid[:-1] & ~fluid[1:]
    assert rimmed.pixels[0][below].mean() > plain.pixels[0][below].mean() + 3


def test_subretinal_fluid_lies_on_the_epithelium() -> None:
    for seed in SEEDS:
        drawn = ill(seed, subretinal=True, subretinal_height_um=200.0, subretinal_um=900.0)
        labels = render(drawn).labels[0]
        fluid = labels == FLUID
        assert fluid.any()
        below = labels[1:][fluid[:-1] & ~fluid[1:]]
        assert (below == 7).all()
        assert retina_um(drawn) > retina_um(quiet(seed))


@pytest.mark.parametrize(
    "disease",
    [
        {"detachment": True, "detachment_height_um": 200.0, "detachment_um": 800.0},
        {"drusen": True, "drusen_count": 20, "drusen_height_um": 90.0},
    ],
)
def test_the_epithelium_is_lifted_off_bruchs_membrane(disease: dict[str, Any]) -> None:
    lifted = []
    for seed in SEEDS:
        seen = view(ill(seed, **disease))
        lifted.append(float((seen.edge_px("choroid") - seen.edge_px("below rpe")).max()))
        labels = render(ill(seed, **disease)).labels[0]
        assert not (labels == FLUID).any()
    assert np.mean(lifted) * quiet().axial_um > 30
    seen = view(quiet())
    assert (seen.edge_px("choroid") == seen.edge_px("below rpe")).all()


def test_swelling_thickens_the_layers() -> None:
    thick = [
        retina_um(ill(seed, swelling=True, swellings=3, swelling_amount=1.0, swelling_um=1500.0))
        for seed in SEEDS
    ]
    assert np.mean(thick) > 1.15 * np.mean([retina_um(quiet(seed)) for seed in SEEDS])


def test_foci_are_bright_spots_in_the_layers() -> None:
    for seed in SEEDS:
        before, after = compare(seed, foci=True, foci_count=45)
        np.testing.assert_array_equal(before.labels, after.labels)
        brighter = after.pixels.astype(int) - before.pixels > 40
        assert brighter[(before.labels >= 2) & (before.labels <= 5)].sum() >= 5
        assert (before.pixels.astype(int) - after.pixels > 60).mean() < 0.001


def test_exudates_cast_shadows() -> None:
    darker = 0
    for seed in SEEDS:
        before, after = compare(seed, exudates=True, exudate_count=9)
        epithelium = before.labels[0] >= 6
        darker += int((before.pixels[0].astype(int) - after.pixels[0] > 25)[epithelium].sum())
    assert darker > 20


@pytest.mark.parametrize("name", ["membrane", "hyaloid"])
def test_lines_lie_on_and_above_the_retina(name: str) -> None:
    bright = 0
    for seed in SEEDS:
        before, after = compare(seed, **{name: True})
        np.testing.assert_array_equal(before.labels, after.labels)
        change_of = after.pixels[0].astype(int) - before.pixels[0]
        rows = np.arange(before.labels.shape[1])[:, None]
        above = rows < view(quiet(seed)).edge_px("ipl")
        bright += int((change_of[above] > 15).sum())
        assert (change_of[~above] > 30).mean() < 3e-3
    assert bright > 100


def test_atrophy_thins_the_outer_layers_and_lets_light_pass() -> None:
    for seed in SEEDS:
        before, after = compare(seed, atrophy=True, atrophy_um=1500.0)
        outer = [((v.labels[0] == 6) | (v.labels[0] == 7)).sum(axis=0) for v in (before, after)]
        lost = outer[1] < 0.6 * outer[0]
        assert lost.sum() > 10
        assert not (outer[1] > outer[0] + 1).any()
        bottom = int(view(quiet(seed)).edge_px("choroid").max())
        deep = [v.pixels[0, bottom + 8 : bottom + 30, lost].mean() for v in (before, after)]
        assert deep[1] > 1.05 * deep[0]


def test_dim_photoreceptors_are_darker() -> None:
    before, after = compare(3, dim_photoreceptors=True)
    np.testing.assert_array_equal(before.labels, after.labels)
    ellipsoid = before.labels == 6
    assert after.pixels[ellipsoid].mean() < 0.95 * before.pixels[ellipsoid].mean()


def test_opacities_lie_above_the_retina_only() -> None:
    settings = {"opacities": True, "opacity_count": 12, "opacity_um": 400.0, "opacity_grey": 0.7}
    found = 0
    for seed in SEEDS:
        before, after = compare(seed, **settings)
        np.testing.assert_array_equal(before.labels, after.labels)
        brighter = after.pixels.astype(int) - before.pixels > 60
        below = np.logical_or.accumulate(before.labels > 0, axis=1)
        found += int((brighter & ~below).sum())
        assert (brighter & below).sum() < 0.05 * brighter.sum() + 5
    assert found > 100


def test_confluent_edema_is_faint_and_broad() -> None:
    settings = {"edema": True, "edema_height_um": 250.0, "edema_um": 1200.0, "walls": 20}
    for seed in SEEDS:
        _, after = compare(seed, edema_grey=0.95, rim_grey=0.0, **settings)
        _, darker = compare(seed, edema_grey=0.4, rim_grey=0.0, **settings)
        fluid = after.labels == FLUID
        np.testing.assert_array_equal(after.labels, darker.labels)
        onl = after.pixels[after.labels == 5].mean()
        assert fluid.any(axis=1).sum() > 0.15 * fluid.shape[2]
        assert after.pixels[fluid].mean() > 0.75 * onl
        assert darker.pixels[fluid].mean() < 0.75 * after.pixels[fluid].mean()


def test_bruchs_membrane_is_seen_where_the_epithelium_is_lifted() -> None:
    settings = {"detachment": True, "detachment_height_um": 200.0, "detachment_um": 900.0}
    drawn = ill(4, detachment_grey=0.1, **settings)
    seen = view(drawn)
    lifted = seen.edge_px("choroid") - seen.edge_px("below rpe") > 60 / drawn.axial_um
    assert lifted.any()
    rows = np.floor(seen.edge_px("choroid")).astype(int)[lifted]
    plain = render(drawn)
    line = render(ill(4, detachment_grey=0.1, bruch_seen=True, bruch_grey=0.9, **settings))
    np.testing.assert_array_equal(plain.labels, line.labels)
    at = (0, rows, np.flatnonzero(lifted))
    assert line.pixels[at].mean() > plain.pixels[at].mean() + 15


def test_marks_are_burnt_into_corners_and_change_no_labels() -> None:
    for index in range(6):
        marked = change(quiet(5, index), artefacts={"marks": True})
        before, after = render(quiet(5, index)), render(marked)
        np.testing.assert_array_equal(before.labels, after.labels)
        changed = (before.pixels != after.pixels)[0]
        assert changed.any()
        assert not changed[40:120, 48:144].any()

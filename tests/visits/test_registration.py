"""The second visit of an eye is laid over the first; another eye never is."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import combinations

import numpy as np
import pytest

from napari_retseg.errors import InputError
from napari_retseg.measures import find_surfaces
from napari_retseg.visits import Visit, find_change
from napari_retseg.visits.change import _check_match
from napari_retseg.visits.front import Front, look_at_fundus, look_at_projection
from napari_retseg.visits.registration import Registration, register
from tests.measures.eyes import find_grid
from tests.visits.eyes import CLASSES, Eye, Pose, visit

FIRST = Pose(-1.5, (0.2, -0.15))
SECOND = Pose(3.0, (-0.1, 0.25), 1.007)


@cache
def draw(seed: int, pose: Pose, noise: int, *, with_slo: bool) -> Visit:
    scan, labels = visit(Eye(seed), pose, noise, with_slo=with_slo)
    return Visit(f"eye {seed}", scan, labels, CLASSES)


def look(one: Visit, *, with_slo: bool) -> Front:
    if with_slo:
        return look_at_fundus(one.scan)
    surfaces = find_surfaces(one.labels, CLASSES)
    assert surfaces is not None
    return look_at_projection(one.scan, surfaces.rows[-1], find_grid(one.scan))


@pytest.mark.parametrize("with_slo", [True, False])
def test_shift_and_rotation_are_found(with_slo: bool) -> None:
    before = draw(1, FIRST, 1, with_slo=with_slo)
    after = draw(1, SECOND, 2, with_slo=with_slo)
    found = register(look(before, with_slo=with_slo), look(after, with_slo=with_slo))
    places = np.random.default_rng(0).uniform(-2, 2, (2, 200))
    assert found is not None
    away = np.hypot(*(found.find(FIRST.see(places)) - SECOND.see(places)))
    assert away.mean() < 0.03
    assert abs(found.turn_deg - (SECOND.turn_deg - FIRST.turn_deg)) < 0.5
    assert abs(found.scale - SECOND.scale) < 0.01


def test_a_grid_returns_to_the_first_visit() -> None:
    found = Registration(30.0, 1.1, (1.0, 2.0), (5.0, -3.0), 1.0, 0.0, 9.0, 1.0, "SLO")
    grid = find_grid(draw(1, FIRST, 1, with_slo=False).scan)
    moved = found.return_grid(grid)
    assert np.allclose(found.find(moved.places_mm()), grid.places_mm())
    assert np.allclose(moved.area_mm2 * 1.1**2, grid.area_mm2)
    assert np.isclose(np.hypot(*moved.normal), 1)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("with_slo", [True, False])
def test_no_other_eye_is_registered(with_slo: bool) -> None:
    visits = [draw(100 + k, SECOND, k, with_slo=with_slo) for k in range(10)]
    fronts = [look(one, with_slo=with_slo) for one in visits]
    pairs = list(combinations(range(10), 2))
    assert len(pairs) >= 40
    for one, other in pairs:
        found = register(fronts[one], fronts[other])
        with pytest.raises(InputError, match=r"vessels do not match|too little"):
            _check_match(visits[one], visits[other], found)


def test_vessels_that_match_along_themselves_are_no_doubt() -> None:
    """A vessel that runs straight matches well a little farther along it, too."""
    before, after = (draw_lines(3, noise) for noise in (1, 2))
    first, second = (draw(1, pose, 1, with_slo=False) for pose in (FIRST, SECOND))
    found = register(before, after)
    assert found is not None
    assert found.similarity < 2 * found.rival
    assert _check_match(first, second, found) is found
    assert np.allclose(found.find(np.zeros((2, 1))), 0, atol=0.02)
    with pytest.raises(InputError, match="the vessels do not match"):
        _check_match(first, second, register(before, draw_lines(4, 3)))


def draw_lines(seed: int, noise: int) -> Front:
    """Twelve straight vessels that cross the B-scans."""
    x, y = np.meshgrid(np.arange(220.0), np.arange(300.0))
    vessels = np.zeros(x.shape)
    rng = np.random.default_rng(seed)
    for _ in range(12):
        at, slope, width = rng.uniform(0, 220), rng.normal(0, 0.3), rng.uniform(2, 5)
        vessels += np.exp(-(((x - at - slope * (y - 150)) / width) ** 2))
    vessels += 0.3 * np.random.default_rng(noise).random(x.shape)
    is_seen = np.ones(x.shape, bool)
    return Front(vessels, vessels.clip(0, 1), is_seen, (-2.2, -3.0), "drawn")


def test_another_eye_is_refused() -> None:
    before, after = (draw(seed, FIRST, seed, with_slo=False) for seed in (1, 2))
    with pytest.raises(InputError, match="eye 1 and eye 2: the vessels do not match"):
        find_change(before, after)


def test_noise_is_refused() -> None:
    before = draw(1, FIRST, 1, with_slo=False)
    noise = np.random.default_rng(0).integers(0, 255, before.scan.pixels.shape, np.uint8)
    after = replace(before, scan=replace(before.scan, pixels=noise))
    with pytest.raises(InputError, match="the vessels do not match"):
        find_change(before, after)


def test_little_overlap_is_refused() -> None:
    before = draw(1, FIRST, 1, with_slo=False)
    after = draw(1, Pose(0.0, (4.2, 0.0)), 2, with_slo=False)
    with pytest.raises(InputError, match=r"too little of the eye|the vessels do not match"):
        find_change(before, after)

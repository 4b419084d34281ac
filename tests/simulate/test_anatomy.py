from __future__ import annotations

import numpy as np
import pytest

from napari_retseg.simulate.anatomy import GCL_IPL, NFL, ONL_ISM, norm_thickness, place
from napari_retseg.simulate.field import Grid, random_field


def make_grid(*, depth: int = 256) -> Grid:
    return Grid.build((60.0, 3.9, 30.0), n_bscans=101, depth=depth, width=201, margin=0)


def test_norm_is_that_of_healthy_eyes() -> None:
    grid = make_grid()
    total = norm_thickness(grid, fovea_um=(0, 0), right=True).sum(axis=0)
    radius = grid.distance(0, 0)
    assert total.min() == pytest.approx(227, abs=15)
    assert total[radius < 500].mean() == pytest.approx(270, abs=15)
    assert total[(radius > 500) & (radius < 1500)].mean() == pytest.approx(330, abs=15)
    assert total[(radius > 1500) & (radius < 3000)].mean() == pytest.approx(295, abs=20)


def test_inner_layers_vanish_in_the_pit_and_the_outer_nuclear_layer_thickens() -> None:
    norm = norm_thickness(make_grid(), fovea_um=(0, 0), right=True)
    centre = norm[:, 50, 100]
    assert centre[NFL] < 1
    assert centre[GCL_IPL] < 1
    assert centre[ONL_ISM] == norm[ONL_ISM].max()


@pytest.mark.parametrize("right", [True, False])
def test_nerve_fibres_grow_towards_the_disc(right: bool) -> None:
    nerve_fibres = norm_thickness(make_grid(), fovea_um=(0, 0), right=right)[NFL, 50]
    nasal, temporal = (nerve_fibres[-1], nerve_fibres[0]) if right else nerve_fibres[[0, -1]]
    assert nasal > 1.4 * temporal


def test_random_field_is_standard_and_smooth() -> None:
    rng = np.random.default_rng(0)
    grid = make_grid()
    fields = np.stack([random_field(rng, grid, length_um=300) for _ in range(20)])
    assert fields.mean() == pytest.approx(0, abs=0.05)
    assert fields.std() == pytest.approx(1, abs=0.1)
    # ten A-scans of 30 um are one correlation length
    correlation = (fields[..., :-10] * fields[..., 10:]).mean()
    assert correlation == pytest.approx(np.exp(-0.5), abs=0.1)


@pytest.mark.parametrize("seed", range(5))
def test_a_steep_retina_is_flattened_into_the_image(seed: int) -> None:
    grid = make_grid()
    retina = norm_thickness(grid, fovea_um=(0, 0), right=True).sum(axis=0)
    slope = np.broadcast_to(grid.x_um * np.float32(0.6), grid.shape)
    rng = np.random.default_rng(seed)
    bruch = place(rng, grid, shape_um=slope, retina_um=retina)
    assert (bruch - retina).min() >= 0
    assert bruch.max() <= grid.depth_um

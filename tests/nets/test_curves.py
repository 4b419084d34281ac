"""Boundaries on the network's grid lie on the scan's own where labels would."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_retseg.nets.curves import restore_columns, restore_curves
from napari_retseg.nets.grid import Grid

GRIDS = [
    Grid((40, 60), (40, 60), (40, 60)),
    Grid((40, 60), (64, 30), (64, 30)),
    Grid((40, 60), (40, 60), (64, 64)),
    Grid((40, 60), (20, 20), (20, 20), every=2),
    Grid((40, 60), (60, 90), (60, 64)),
]


@pytest.mark.parametrize("grid", GRIDS)
def test_a_slope_stays_where_it_is(grid: Grid) -> None:
    at = torch.arange(40.0)[:, None] - torch.linspace(12.0, 24.0, 60)
    if grid.every == 2:
        grid = Grid((40, 60), (20, 30), (20, 30), every=2)
    signed = grid.to_input(at[None, None])[0, 0].numpy()
    # the row at which the distance to the slope is 0
    rows = np.array([np.interp(0, column, np.arange(len(column))) for column in signed.T])
    found = restore_curves(rows[None].astype(np.float32), grid)[0]
    known = np.isfinite(found)
    wanted = np.linspace(12.0, 24.0, 60)
    assert np.abs(found - wanted)[known][3:-3].max() < 0.15
    assert known.sum() >= (60 if grid.input_shape[1] >= grid.resampled[1] else 40)


def test_what_is_missing_stays_missing() -> None:
    grid = Grid((40, 60), (40, 30), (40, 30))
    rows = np.full((2, 30), 10, np.float32)
    rows[:, 10:20] = np.nan
    found = restore_curves(rows, grid)
    assert np.isnan(found[:, 21:39]).all()
    assert np.allclose(found[:, :19], 10)
    marks = np.zeros(30, bool)
    marks[5:10] = True
    assert np.flatnonzero(restore_columns(marks, grid)).tolist() == list(range(10, 20))
    nothing = restore_curves(np.full((2, 30), np.nan, np.float32), grid)
    assert nothing.shape == (2, 60)
    assert np.isnan(nothing).all()

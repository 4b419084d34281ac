from __future__ import annotations

import numpy as np
import pytest

from napari_retseg.simulate.field import Grid, random_field


def test_random_field_is_standard_and_smooth() -> None:
    rng = np.random.default_rng(0)
    grid = Grid.build((60.0, 3.9, 30.0), n_bscans=101, depth=256, width=201, margin=0)
    fields = np.stack([random_field(rng, grid, length_um=300) for _ in range(20)])
    assert fields.mean() == pytest.approx(0, abs=0.05)
    assert fields.std() == pytest.approx(1, abs=0.1)
    # ten A-scans of 30 um are one correlation length
    correlation = (fields[..., :-10] * fields[..., 10:]).mean()
    assert correlation == pytest.approx(np.exp(-0.5), abs=0.1)

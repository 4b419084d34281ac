"""The fovea of simulated eyes, and doubt where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from napari_retseg.measures import find_fovea
from tests.measures.eyes import find_grid, make_scan, place_bscans, sample, simulate_rows


@pytest.mark.parametrize("ill", [0.0, 1.0])
@pytest.mark.parametrize(("n_bscans", "between_um"), [(49, 125.0), (97, 60.0), (25, 240.0)])
def test_within_50_um_or_doubtful(n_bscans: int, between_um: float, ill: float) -> None:
    n_doubtful = 0
    for seed in range(100, 112):
        scan, rows, truth = simulate_rows(
            seed, n_bscans=n_bscans, between_um=between_um, ill=ill, away_um=700.0
        )
        grid = find_grid(scan)
        fovea = find_fovea(rows[4] - rows[0], grid, gcc=rows[2] - rows[0], retina=rows[7] - rows[0])
        away_um = 1000 * np.hypot(*np.subtract(fovea.place_mm, truth))
        assert away_um < 50 or fovea.is_doubtful, (seed, away_um)
        n_doubtful += fovea.is_doubtful
    # doubt that is always there would say nothing
    assert n_doubtful <= (0 if ill == 0 else 8)


def test_in_all_orientations() -> None:
    def pit(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        thin = np.exp(-((x - 4.3) ** 2 + (y - 3.6) ** 2) / 0.4**2)
        thickness: np.ndarray = 150 + 10 * (x - 4) - 100 * thin
        return thickness

    for turn in range(8):
        places = place_bscans(n_bscans=49, between_mm=0.12, length_mm=6, turn=turn)
        grid = find_grid(make_scan((49, 8, 400), (120, 4, 15), places=places))
        fovea = find_fovea(sample(grid, pit), grid)
        assert not fovea.doubts
        # the slope beside it moves the thinnest place a little
        assert fovea.place_mm == pytest.approx((4.3, 3.6), abs=0.02)


def test_doubt() -> None:
    places = place_bscans(n_bscans=49, between_mm=0.12, length_mm=6)
    grid = find_grid(make_scan((49, 8, 400), (120, 4, 15), places=places))
    flat = np.full(grid.shape, 300, np.float32)
    assert "the pit is shallow" in find_fovea(flat, grid).doubts

    x, y = grid.places_mm()
    pit = 150 - 100 * np.exp(-((x - 4) ** 2 + (y - 4) ** 2) / 0.4**2)
    two = pit - 95 * np.exp(-((x - 5.2) ** 2 + (y - 4) ** 2) / 0.4**2)
    assert "another place looks like a fovea, too" in find_fovea(two, grid).doubts

    # thin on one side
    open_side = np.where(y > 4.65, 60, pit)
    assert "the pit is open on one side" in find_fovea(open_side, grid).doubts

    hidden = np.where(np.hypot(x - 4, y - 4) < 1.6, np.nan, pit).astype(np.float32)
    assert find_fovea(hidden, grid).is_doubtful
    nothing = find_fovea(np.full_like(flat, np.nan), grid)
    assert nothing.place_mm == pytest.approx((4, 4))
    assert nothing.doubts == ("too little around the middle is measured",)

    elsewhere = 150 - 100 * np.exp(-((x - 4.2) ** 2 + (y - 4) ** 2) / 0.4**2)
    assert find_fovea(pit, grid, gcc=pit, retina=pit).doubts == ()
    assert find_fovea(pit, grid, gcc=elsewhere).is_doubtful
    assert find_fovea(pit, grid, retina=elsewhere).is_doubtful

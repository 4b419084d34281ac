"""Random boundaries in order, with absent layers and A-scans without any."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_retseg.decode.evidence import LARGEST_LOG_ODDS

DEPTH, WIDTH, N_LAYERS = 120, 160, 4


def draw_rows(rng: np.random.Generator, *, absent: float = 0.3) -> NDArray[np.float32]:
    """Draw smooth boundaries ``(5, 160)``; a share of the layers is absent over a range."""
    x = np.linspace(0, 3, WIDTH)
    rows = np.empty((N_LAYERS + 1, WIDTH), np.float32)
    rows[0] = 25 + 6 * np.sin(x + rng.uniform(0, 6)) + rng.uniform(-4, 4)
    for k in range(N_LAYERS):
        thickness = 9 + 5 * np.sin(2 * x + rng.uniform(0, 6))
        if rng.random() < absent:
            start = int(rng.integers(0, WIDTH - 20))
            thickness[start : start + int(rng.integers(5, 80))] = 0
        rows[k + 1] = rows[k] + thickness.astype(np.float32)
    if rng.random() < 0.5:
        start = int(rng.integers(0, WIDTH))
        rows[:, start : start + int(rng.integers(1, 30))] = np.nan
    return rows


def point_at(row: NDArray[np.float32], depth: int = DEPTH) -> NDArray[np.float32]:
    """Log-odds of a boundary at each cut row, of a model without doubt, ``(depth + 1, width)``."""
    away = np.arange(depth + 1, dtype=np.float32)[:, np.newaxis] - 0.5 - np.nan_to_num(row)
    odds: NDArray[np.float32] = (-LARGEST_LOG_ODDS * np.abs(away)).astype(np.float32)
    return odds


def draw_bscan(rows: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw layers of different grey with speckle."""
    grey = np.array([20, 140, 60, 160, 40, 110], np.float32)
    above = (np.arange(DEPTH)[:, np.newaxis, np.newaxis] > rows.T).sum(axis=-1)
    bscan: NDArray[np.float32] = grey[above] * rng.gamma(4, 0.25, above.shape).astype(np.float32)
    return bscan

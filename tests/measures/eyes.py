"""Scans without pixels, and eyes whose thickness is known everywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from napari_retseg.acquisition import Acquisition, Place
from napari_retseg.measures import EnfaceGrid, lay_out
from napari_retseg.scan import Laterality, OctScan
from napari_retseg.simulate import ScanParameters, draw_parameters, make_device_config
from napari_retseg.simulate.scene import Scene
from napari_retseg.simulate.strata import BAND_LABELS

AXIAL_UM = 4.0
N_LAYERS = 7


def make_scan(
    shape: tuple[int, int, int],
    spacing_um: tuple[float | None, float | None, float | None],
    *,
    places: tuple[Place, ...] = (),
    eye: Laterality | None = "OD",
    **changes: Any,
) -> OctScan:
    """A scan of nothing."""
    scan = OctScan(
        pixels=np.zeros(shape, np.uint8),
        axes=("bscan", "depth", "width"),
        spacing_um=spacing_um,
        spacing_source="file",
        laterality=eye,
        acquisition=Acquisition(positions_mm=places),
    )
    return replace(scan, **changes)


def place_bscans(
    *, n_bscans: int, between_mm: float, length_mm: float, turn: int = 0, middle: Any = (4.0, 4.0)
) -> tuple[Place, ...]:
    """Positions of B-scans in one of eight orientations.

    Bit 1 of `turn` reverses the B-scans, bit 2 the A-scans, bit 4 makes them vertical.
    """
    heights = (np.arange(n_bscans) - (n_bscans - 1) / 2) * between_mm
    heights = -heights if turn & 1 else heights
    half = -length_mm / 2 if turn & 2 else length_mm / 2
    lines = [(-half, h, half, h) for h in heights]
    if turn & 4:
        lines = [(y0, x0, y1, x1) for x0, y0, x1, y1 in lines]
    x, y = middle
    return tuple((x0 + x, y0 + y, x1 + x, y1 + y) for x0, y0, x1, y1 in lines)


def find_grid(scan: OctScan) -> EnfaceGrid:
    """The grid of a scan that has one."""
    grid = lay_out(scan)
    assert grid is not None
    return grid


def sample(grid: EnfaceGrid, function: Callable[[Any, Any], Any]) -> Any:
    """A function of x and y in mm at every A-scan."""
    x, y = grid.places_mm()
    return function(x, y).astype(np.float32)


def simulate_rows(
    seed: int,
    *,
    n_bscans: int,
    between_um: float,
    width: int = 384,
    ill: float = 0.0,
    away_um: float = 100.0,
) -> tuple[OctScan, np.ndarray, tuple[float, float]]:
    """A simulated eye without pixels.

    Returns
    -------
    scan, rows, fovea
        Exact boundaries of the seven layers, (8, bscan, width), and the place of the fovea in mm.
    """
    size, aside = (496, width), (-away_um, away_um)
    config = make_device_config("A", size=size, n_bscans=n_bscans, bscan_um=between_um)
    config = config.with_ranges(
        disease={"ill": ill},
        gaze={"through_fovea": 0.0, "along_um": aside, "across_um": aside},
        artefacts={"jump_chance": (0.0, 0.0)},
    )
    drawn = draw_parameters(config, seed)
    scene = Scene.of(drawn)
    edges = np.stack([scene.view(k).edges_px for k in range(n_bscans)], axis=1)
    first = [int(np.flatnonzero(value == BAND_LABELS)[0]) for value in range(1, N_LAYERS + 1)]
    last = int(np.flatnonzero(BAND_LABELS == N_LAYERS)[-1]) + 1
    rows = edges[[k - 1 for k in (*first, last)]]
    across, along = scene.sight.centre_um
    return _make_scan(drawn), rows, (along / 1000, -across / 1000)


def _make_scan(drawn: ScanParameters) -> OctScan:
    shape = drawn.n_bscans, drawn.depth, drawn.width
    eye: Laterality = "OD" if drawn.gaze.right else "OS"
    return make_scan(shape, (drawn.bscan_um, drawn.axial_um, drawn.lateral_um), eye=eye)

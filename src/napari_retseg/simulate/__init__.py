"""The OCT simulator: scans with exact labels, from a seed; numpy and scipy only.

Two narrow devices, A and B, make samples and tests (`simulate_volume`). The wide simulator draws
eyes, diseases and devices from ranges that enclose real scans, to train on (`draw_bscan`).
"""

from __future__ import annotations

from napari_retseg.simulate.config import (
    AnatomyConfig,
    DiseaseConfig,
    ImagingConfig,
    MotionConfig,
    SimulatorConfig,
)
from napari_retseg.simulate.dataset import simulate_dataset
from napari_retseg.simulate.volume import SimulatedVolume, simulate_volume
from napari_retseg.simulate.wide import (
    Simulated,
    WideConfig,
    WideDraw,
    draw_bscan,
    draw_parameters,
    draw_volume,
    render,
)

__all__ = [
    "AnatomyConfig",
    "DiseaseConfig",
    "ImagingConfig",
    "MotionConfig",
    "Simulated",
    "SimulatedVolume",
    "SimulatorConfig",
    "WideConfig",
    "WideDraw",
    "draw_bscan",
    "draw_parameters",
    "draw_volume",
    "render",
    "simulate_dataset",
    "simulate_volume",
]

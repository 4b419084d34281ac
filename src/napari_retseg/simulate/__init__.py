"""The OCT simulator: volumes with exact labels, from a seed; numpy and scipy only."""

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

__all__ = [
    "AnatomyConfig",
    "DiseaseConfig",
    "ImagingConfig",
    "MotionConfig",
    "SimulatedVolume",
    "SimulatorConfig",
    "simulate_dataset",
    "simulate_volume",
]

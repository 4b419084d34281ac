"""The OCT simulator: scans with exact labels, from a seed; numpy and scipy only.

It draws eyes, diseases and devices from ranges that enclose real scans, to train on. Two narrow
devices, A and B, are presets of it, for samples and tests (`make_device_config`).
"""

from __future__ import annotations

from napari_retseg.simulate.dataset import simulate_dataset
from napari_retseg.simulate.devices import SimulatedDevice, make_device_config
from napari_retseg.simulate.parameters import ScanParameters, draw_parameters
from napari_retseg.simulate.ranges import LABEL_SETS, Part, Sampling, SimulatorConfig
from napari_retseg.simulate.volume import SimulatedVolume, draw_bscan, draw_volume, render

__all__ = [
    "LABEL_SETS",
    "Part",
    "Sampling",
    "ScanParameters",
    "SimulatedDevice",
    "SimulatedVolume",
    "SimulatorConfig",
    "draw_bscan",
    "draw_parameters",
    "draw_volume",
    "make_device_config",
    "render",
    "simulate_dataset",
]

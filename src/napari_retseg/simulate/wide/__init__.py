"""The wide simulator: single B-scans and volumes so varied that real scans are one more draw."""

from __future__ import annotations

from napari_retseg.simulate.wide.draw import WideDraw, draw_parameters
from napari_retseg.simulate.wide.generate import Simulated, draw_bscan, draw_volume, render
from napari_retseg.simulate.wide.ranges import Part, Sampling, WideConfig

__all__ = [
    "Part",
    "Sampling",
    "Simulated",
    "WideConfig",
    "WideDraw",
    "draw_bscan",
    "draw_parameters",
    "draw_volume",
    "render",
]

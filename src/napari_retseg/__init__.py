"""Segment retinal OCT in napari: predict, correct, fine-tune, score.

The public functions are imported on first use, so that ``import napari_retseg`` costs
nothing and never loads torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_retseg.infer.evaluate import evaluate
    from napari_retseg.infer.predict import predict
    from napari_retseg.io import read_scan
    from napari_retseg.learn.train import fine_tune
    from napari_retseg.nets.bundle import load_model

__version__ = "0.1.0"
__all__ = ["evaluate", "fine_tune", "load_model", "predict", "read_scan"]

_HOMES = {
    "evaluate": "napari_retseg.infer.evaluate",
    "fine_tune": "napari_retseg.learn.train",
    "load_model": "napari_retseg.nets.bundle",
    "predict": "napari_retseg.infer.predict",
    "read_scan": "napari_retseg.io",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

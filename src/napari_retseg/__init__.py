"""Segment retinal OCT in napari: predict, correct, fine-tune, score.

In a notebook or script, ``import napari_retseg as rs``. The public functions are imported on
first use, so that the import costs nothing and never loads torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_retseg.api.arguments import read_scan
    from napari_retseg.api.changing import change
    from napari_retseg.api.comparing import Comparison, compare
    from napari_retseg.api.evaluation import evaluate
    from napari_retseg.api.measuring import measure
    from napari_retseg.api.model import Model, Prediction, load_model
    from napari_retseg.api.scripting import ScriptedWorkspace as Workspace
    from napari_retseg.api.trainingrun import Run, load_run
    from napari_retseg.api.tuning import train
    from napari_retseg.api.writing import make_dataset
    from napari_retseg.errors import RetsegError
    from napari_retseg.scan import OctScan
    from napari_retseg.ui.show import show

__version__ = "0.1.0"
__all__ = [
    "Comparison",
    "Model",
    "OctScan",
    "Prediction",
    "RetsegError",
    "Run",
    "Workspace",
    "change",
    "compare",
    "evaluate",
    "load_model",
    "load_run",
    "make_dataset",
    "measure",
    "read_scan",
    "show",
    "train",
]

#: Module of each name, and what it is called there.
_HOMES = {
    "Comparison": "napari_retseg.api.comparing:Comparison",
    "Model": "napari_retseg.api.model:Model",
    "OctScan": "napari_retseg.scan:OctScan",
    "Prediction": "napari_retseg.api.model:Prediction",
    "RetsegError": "napari_retseg.errors:RetsegError",
    "Run": "napari_retseg.api.trainingrun:Run",
    "Workspace": "napari_retseg.api.scripting:ScriptedWorkspace",
    "change": "napari_retseg.api.changing:change",
    "compare": "napari_retseg.api.comparing:compare",
    "evaluate": "napari_retseg.api.evaluation:evaluate",
    "load_model": "napari_retseg.api.model:load_model",
    "load_run": "napari_retseg.api.trainingrun:load_run",
    "make_dataset": "napari_retseg.api.writing:make_dataset",
    "measure": "napari_retseg.api.measuring:measure",
    "read_scan": "napari_retseg.api.arguments:read_scan",
    "show": "napari_retseg.ui.show:show",
    "train": "napari_retseg.api.tuning:train",
    # the generators of events below them, for programs that show progress in their own way
    "fine_tune": "napari_retseg.learn.train:fine_tune",
    "predict": "napari_retseg.infer.predict:predict",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        module, _, own = _HOMES[name].partition(":")
        return getattr(import_module(module), own)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

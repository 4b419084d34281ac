"""Model bundles on disk, as far as one can know them without torch.

A bundle is a folder with ``model.safetensors``, ``model.json`` (a :class:`ModelInfo`) and
``MODEL_CARD.md``. :mod:`napari_retseg.nets.bundle` reads and writes the weights. What is
replaced or removed among the user's own models is kept (:mod:`napari_retseg.models.history`).
"""

from __future__ import annotations

from napari_retseg.models.calibrated import (
    find_calibrated,
    read_intervals,
    read_retest,
    write_intervals,
    write_retest,
)
from napari_retseg.models.description import (
    CARD,
    DESCRIPTION,
    ONNX,
    SCHEMA_VERSION,
    WEIGHTS,
    Measurement,
    ModelInfo,
    parse_info,
    read_info,
)
from napari_retseg.models.history import Version, list_versions
from napari_retseg.models.lookup import STARTER, check_own, find_model, list_models, models_folder
from napari_retseg.models.scoresheet import ScoreSheet
from napari_retseg.models.sharing import export_model
from napari_retseg.models.store import Change, add_model, remove_model, roll_back
from napari_retseg.models.trained import TrainedOn, describe_groups

__all__ = [
    "CARD",
    "DESCRIPTION",
    "ONNX",
    "SCHEMA_VERSION",
    "STARTER",
    "WEIGHTS",
    "Change",
    "Measurement",
    "ModelInfo",
    "ScoreSheet",
    "TrainedOn",
    "Version",
    "add_model",
    "check_own",
    "describe_groups",
    "export_model",
    "find_calibrated",
    "find_model",
    "list_models",
    "list_versions",
    "models_folder",
    "parse_info",
    "read_info",
    "read_intervals",
    "read_retest",
    "remove_model",
    "roll_back",
    "write_intervals",
    "write_retest",
]

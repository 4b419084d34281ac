"""A workspace: a folder in which a user corrects labels and trains again."""

from __future__ import annotations

from napari_retseg.workspace.autosave import Autosaver
from napari_retseg.workspace.cost import BscanCost
from napari_retseg.workspace.entry import (
    PredictedBscan,
    PredictingModel,
    ScanEntry,
    State,
    StoredPrediction,
)
from napari_retseg.workspace.restore import RestorePoints
from napari_retseg.workspace.restore_point import RestorePoint
from napari_retseg.workspace.review import NextBscan, ScanReview, StripCell, choose_next, make_strip
from napari_retseg.workspace.workspace import Workspace

__all__ = [
    "Autosaver",
    "BscanCost",
    "NextBscan",
    "PredictedBscan",
    "PredictingModel",
    "RestorePoint",
    "RestorePoints",
    "ScanEntry",
    "ScanReview",
    "State",
    "StoredPrediction",
    "StripCell",
    "Workspace",
    "choose_next",
    "make_strip",
]

"""Datasets: cases, patients, the pinned split, and how other layouts become one."""

from __future__ import annotations

from napari_retseg.dataset.case import BscanState, Case, Split
from napari_retseg.dataset.collection import Dataset
from napari_retseg.dataset.description import save_dataset
from napari_retseg.dataset.division import describe_split, divide
from napari_retseg.dataset.halves import choose_half
from napari_retseg.dataset.importing import import_dataset
from napari_retseg.dataset.loading import load_dataset
from napari_retseg.dataset.planes import (
    list_planes,
    plane_path,
    read_plane,
    read_planes,
    write_plane,
)
from napari_retseg.dataset.registry import is_own
from napari_retseg.dataset.sides import Side, forget_choice, hold_out, hold_out_bscans, list_sides
from napari_retseg.dataset.split import pin_split

__all__ = [
    "BscanState",
    "Case",
    "Dataset",
    "Side",
    "Split",
    "choose_half",
    "describe_split",
    "divide",
    "forget_choice",
    "hold_out",
    "hold_out_bscans",
    "import_dataset",
    "is_own",
    "list_planes",
    "list_sides",
    "load_dataset",
    "pin_split",
    "plane_path",
    "read_plane",
    "read_planes",
    "save_dataset",
    "write_plane",
]

"""Scans and labels from and to files; one module for each family of formats."""

from __future__ import annotations

from napari_retseg.io.grid import Grid, grid_of, read_grid
from napari_retseg.io.labels import label_path, read_labels, write_labels
from napari_retseg.io.scans import describe_scan, read_scan, write_scan
from napari_retseg.io.suffixes import SCAN_SUFFIXES, is_scan_path
from napari_retseg.io.writer import LabelWriter

__all__ = [
    "SCAN_SUFFIXES",
    "Grid",
    "LabelWriter",
    "describe_scan",
    "grid_of",
    "is_scan_path",
    "label_path",
    "read_grid",
    "read_labels",
    "read_scan",
    "write_labels",
    "write_scan",
]

"""Boundaries as a table: one line for each A-scan of each boundary."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.io.atomic import replace_atomically
from napari_retseg.io.orientation import boundaries_to_file_order
from napari_retseg.plaintext import make_cell
from napari_retseg.scan import OctScan

COLUMNS = ("bscan", "ascan", "boundary", "row", "um", "order")


def write_boundaries(
    path: Path, boundaries: Mapping[str, NDArray[np.floating[Any]]], scan: OctScan
) -> Path:
    """Write boundaries as CSV, atomically.

    B-scans, A-scans and rows are counted from 0, in the order of the scan's file (column
    ``order``: ``file``). ``um`` is the depth below the first row, empty where the axial pixel size
    is not known. A-scans without a boundary are left out.

    Parameters
    ----------
    path
        The file.
    boundaries
        Rows by name, each (bscan, width), in the order of the scan as it was read.
    scan
        The scan.

    Raises
    ------
    InputError
        Where there are none, they do not fit the scan, or the system refuses to write.
    """
    rows = boundaries_to_file_order(path, boundaries, scan)
    axial_um = scan.spacing_um[-2]
    with (
        replace_atomically(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as stream,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for name, values in rows.items():
            shown = make_cell(name)
            for bscan, ascan in np.argwhere(np.isfinite(values)).tolist():
                row = float(values[bscan, ascan])
                depth = "" if axial_um is None else f"{row * axial_um:.6g}"
                writer.writerow((bscan, ascan, shown, f"{row:.9g}", depth, "file"))
    return path

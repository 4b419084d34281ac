"""Boundaries as CSV."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_retseg.errors import InputError
from napari_retseg.io.boundary_csv import write_boundaries
from napari_retseg.scan import OctScan

ROWS = np.array([[1, 2.5, np.nan], [3, 4, 5]], np.float32)


@pytest.fixture
def scan() -> OctScan:
    """Two B-scans of 8 x 3."""
    pixels = np.zeros((2, 8, 3), np.uint8)
    return OctScan(pixels, ("bscan", "depth", "width"), (120.0, 4.0, 11.0), "file")


def test_a_line_for_each_ascan(tmp_path: Path, scan: OctScan) -> None:
    file = write_boundaries(tmp_path / "a.csv", {"ILM": ROWS}, scan)
    with file.open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    found = [(int(one["bscan"]), int(one["ascan"]), float(one["row"])) for one in lines]
    assert found == [(0, 0, 1), (0, 1, 2.5), (1, 0, 3), (1, 1, 4), (1, 2, 5)]
    assert [float(one["um"]) for one in lines] == [4, 10, 12, 16, 20]
    assert {(one["boundary"], one["order"]) for one in lines} == {("ILM", "file")}


def test_the_order_is_that_of_the_file(tmp_path: Path, scan: OctScan) -> None:
    turned = replace(scan.acquisition, reversed_axes=("bscan", "width"))
    file = write_boundaries(tmp_path / "a.csv", {"ILM": ROWS}, replace(scan, acquisition=turned))
    lines = [line.split(",") for line in file.read_text().splitlines()[1:]]
    assert [line[:2] + line[3:4] for line in lines] == [
        ["0", "0", "5"],
        ["0", "1", "4"],
        ["0", "2", "3"],
        ["1", "1", "2.5"],
        ["1", "2", "1"],
    ]


def test_no_micrometres_without_a_scale(tmp_path: Path, scan: OctScan) -> None:
    unknown = replace(scan, spacing_um=(None, None, 11.0))
    file = write_boundaries(tmp_path / "a.csv", {"ILM": ROWS}, unknown)
    assert file.read_text().splitlines()[1] == "0,0,ILM,1,,file"


def test_names_are_no_formulas(tmp_path: Path, scan: OctScan) -> None:
    file = write_boundaries(tmp_path / "a.csv", {"=1+1\x1b[31m": ROWS}, scan)
    assert file.read_text().splitlines()[1].split(",")[2] == "'=1+1\\x1b[31m"


def test_boundaries_that_do_not_fit(tmp_path: Path, scan: OctScan) -> None:
    with pytest.raises(InputError, match=r"boundary ILM of shape \(2, 2\) does not fit"):
        write_boundaries(tmp_path / "a.csv", {"ILM": ROWS[:, :2]}, scan)
    with pytest.raises(InputError, match="no boundaries to write"):
        write_boundaries(tmp_path / "a.csv", {}, scan)
    assert not list(tmp_path.iterdir())

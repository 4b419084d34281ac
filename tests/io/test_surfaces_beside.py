"""Surfaces beside a scan: its boundaries, where they fit it."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_retseg.io import read_scan, write_scan
from napari_retseg.io.octexplorer_xml import read_surfaces, write_surfaces
from napari_retseg.scan import BOUNDARIES, OctScan
from tests.io.dicomfiles import make_opt, make_stack, place_lines, save


@pytest.fixture
def scan() -> OctScan:
    """Three B-scans of 9 x 5."""
    pixels = np.zeros((3, 9, 5), np.uint8)
    return OctScan(pixels, ("bscan", "depth", "width"), (120.0, 3.87, 11.5), "file")


def make_boundaries() -> dict[str, Any]:
    """Two boundaries of three B-scans, with an A-scan where there are none."""
    rows = np.arange(30, dtype=np.float32).reshape(2, 3, 5) / 4
    rows[:, 1, 2] = np.nan
    return {"ILM": rows[0], "<RPE>": rows[1]}


def unmark(file: Path) -> Path:
    """Make surfaces those of another program."""
    text, n_marks = re.subn(r"<\?napari-retseg.*\?>\n", "", file.read_text())
    assert n_marks == 1
    file.write_text(text)
    return file


@pytest.mark.parametrize("name", ["eye_Surfaces_Iowa.xml", "eye_Surfaces.xml"])
def test_surfaces_beside_a_scan_are_its_boundaries(
    tmp_path: Path, scan: OctScan, name: str
) -> None:
    file = write_scan(tmp_path / "eye.tif", scan)
    boundaries = make_boundaries()
    write_surfaces(tmp_path / name, boundaries, scan)
    found = read_scan(file)
    assert f"boundaries from {name[4:]}: ILM, <RPE>" in found.notes
    np.testing.assert_array_equal(found.metadata[BOUNDARIES]["ILM"], boundaries["ILM"])


def test_surfaces_turn_with_their_scan(tmp_path: Path) -> None:
    stack = make_stack()
    lines = place_lines(*stack.shape[::2])[::-1]
    file = save(tmp_path / "eye.dcm", make_opt(stack[::-1], lines=lines))
    rows = np.arange(stack.shape[0] * stack.shape[2], dtype=np.float32)
    rows = rows.reshape(stack.shape[::2])
    scan = read_scan(file)
    assert scan.acquisition.reversed_axes == ("bscan",)
    write_surfaces(tmp_path / "eye_Surfaces_Iowa.xml", {"ILM": rows}, scan)
    found = read_scan(file)
    np.testing.assert_array_equal(found.metadata[BOUNDARIES]["ILM"], rows)
    # in the file they lie as the file's B-scans do
    stored = read_surfaces(tmp_path / "eye_Surfaces_Iowa.xml").boundaries["ILM"]
    np.testing.assert_array_equal(stored, rows[::-1])


def test_surfaces_of_another_scan_are_a_contradiction(tmp_path: Path, scan: OctScan) -> None:
    file = write_scan(tmp_path / "eye.tif", scan)
    other = replace(scan, pixels=np.zeros((3, 10, 5), np.uint8))
    write_surfaces(tmp_path / "eye_Surfaces.xml", make_boundaries(), other)
    found = read_scan(file)
    assert BOUNDARIES not in found.metadata
    line = "Surfaces.xml is of 3 x 10 x 5 voxels, but the scan has 3 x 9 x 5"
    assert found.acquisition.contradictions == (line,)
    (tmp_path / "eye_Surfaces.xml").write_text("<surfaces>")
    found = read_scan(file)
    assert any("surfaces beside it are not read" in note for note in found.notes)


def test_boundaries_of_the_device_come_first(tmp_path: Path, shared_data: Path) -> None:
    shutil.copyfile(shared_data / "vendor" / "Willis_B_716_0.vol", tmp_path / "eye.vol")
    before = read_scan(tmp_path / "eye.vol")
    rows = {"ILM": np.zeros((before.n_bscans, before.spatial_shape[-1]), np.float32)}
    unmark(write_surfaces(tmp_path / "eye_Surfaces.xml", rows, before))
    found = read_scan(tmp_path / "eye.vol")
    assert "Surfaces.xml: left out, since the file has boundaries of its own" in found.notes
    assert found.metadata[BOUNDARIES].keys() == before.metadata[BOUNDARIES].keys()

"""Copies of scans hold pixels, scale and trust sheet, and nothing of who was examined."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_retseg.anonymise import Format, anonymise_scan
from napari_retseg.io import read_scan
from tests.volfile import write_vol

NAME = "Mueller-Hans-1944"


@pytest.fixture
def vol(tmp_path: Path) -> Path:
    return write_vol(
        tmp_path / NAME / f"{NAME}_OS.vol", (3, 64, 128), patient=NAME, from_above=True
    )


def read_all(folder: Path) -> bytes:
    """All that is written, and how it is called."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return b"".join(str(path.relative_to(folder)).encode() + path.read_bytes() for path in files)


def check_nothing_tells(content: bytes) -> None:
    for word in ("mueller", "hans", "1944", "4711"):
        assert word.encode() not in content.lower()
        assert word.encode("utf-16-le") not in content.lower()


@pytest.mark.parametrize("kind", ["tiff", "nifti"])
def test_pixels_scale_and_sheet_are_kept(vol: Path, tmp_path: Path, kind: Format) -> None:
    scan = read_scan(vol)
    made = anonymise_scan(scan, tmp_path / "out", patient=NAME, kind=kind)
    copy = read_scan(made.scan)
    stored = np.asarray(copy.pixels)
    if kind == "tiff":
        np.testing.assert_array_equal(stored, np.asarray(scan.pixels))
        assert copy.laterality == "OS"
    assert sorted(s or 0 for s in copy.spacing_um) == pytest.approx([3.9, 20.0, 250.0])
    about = json.loads(made.sheet.read_text())
    assert about["trust"]["bscan_order"]["value"] == "inferior to superior"
    assert about["positions_mm"][0] == pytest.approx([0.5, 3.0, 3.06, 3.0])
    assert about["patient"] == scan.patient_key
    check_nothing_tells(read_all(tmp_path / "out"))


def test_texts_that_name_somebody_are_left_out(vol: Path, tmp_path: Path) -> None:
    scan = read_scan(vol)
    told = ("the file of MUELLER is missing", "two eyes in one file")
    about = replace(scan.acquisition, contradictions=told, left_out=(f"{NAME}.png",))
    made = anonymise_scan(replace(scan, acquisition=about), tmp_path / "out", patient="x")
    trust = json.loads(made.sheet.read_text())["trust"]
    assert trust["warnings"] == ["two eyes in one file"]
    assert trust["left_out"] == []
    check_nothing_tells(read_all(tmp_path / "out"))


def test_the_same_scan_gets_the_same_name_and_is_written_once(vol: Path, tmp_path: Path) -> None:
    made = anonymise_scan(read_scan(vol), tmp_path / "out", patient="x")
    before = made.scan.stat().st_mtime_ns
    again = anonymise_scan(read_scan(vol), tmp_path / "out", patient="x")
    assert (again.scan, again.is_new) == (made.scan, False)
    assert made.scan.stat().st_mtime_ns == before
    other = write_vol(tmp_path / "other.vol", (4, 64, 96), patient=NAME)
    second = anonymise_scan(read_scan(other), tmp_path / "out", patient="x")
    assert second.scan.name.partition("_")[0] == made.scan.name.partition("_")[0]
    assert second.scan != made.scan

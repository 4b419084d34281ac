from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from napari_retseg.errors import InputError
from napari_retseg.io import is_scan_path, read_labels, read_scan
from napari_retseg.io.marks import make_mark
from napari_retseg.scan import OctScan

Same = Callable[[OctScan, Any], None]
Stack = NDArray[np.uint8]


@pytest.fixture
def folder(tmp_path: Path, stack: Stack) -> Path:
    """B-scans whose natural order is not that of their letters."""
    folder = tmp_path / "OD_volume"
    folder.mkdir()
    names = ("B1.png", "b2.bmp", "B10.tif", "B11.PNG", "B100.tiff")
    for name, plane in zip(names, stack, strict=True):
        Image.fromarray(plane).save(folder / name)
    (folder / "notes.txt").write_text("no scan")
    (folder / ".B3.png").write_bytes(b"hidden")
    (folder / "sub").mkdir()
    return folder


def test_bscans_come_in_natural_order(folder: Path, stack: Stack, same: Same) -> None:
    scan = read_scan(folder)
    assert scan.axes == ("bscan", "depth", "width")
    assert scan.source == folder
    same(scan, stack)
    same(pickle.loads(pickle.dumps(scan)), stack)
    assert make_mark(scan) == make_mark(read_scan(folder))
    np.testing.assert_array_equal(read_labels(folder), stack)


def test_sizes_must_agree(folder: Path) -> None:
    Image.fromarray(np.zeros((40, 51), np.uint8)).save(folder / "B12.png")
    with pytest.raises(InputError, match=r"sizes: B1\.png is \(40, 50\), B12\.png is \(40, 51\)"):
        read_scan(folder)


def test_types_must_agree(folder: Path) -> None:
    Image.fromarray(np.zeros((40, 50), np.uint16)).save(folder / "B12.png")
    with pytest.raises(InputError, match="B-scans have different data types"):
        read_scan(folder)


def test_a_stack_is_no_bscan(folder: Path, stack: Stack) -> None:
    tifffile.imwrite(folder / "B12.tif", stack, photometric="minisblack")
    with pytest.raises(InputError, match=r"B12\.tif: not a single B-scan"):
        read_scan(folder)


def test_a_broken_bscan_is_named_when_it_is_read(folder: Path, stack: Stack) -> None:
    data = (folder / "B11.PNG").read_bytes()
    (folder / "B11.PNG").write_bytes(data[: len(data) // 2])
    scan = read_scan(folder)
    np.testing.assert_array_equal(scan.read_bscan(0)[0], stack[0])
    with pytest.raises(InputError, match=r"B11\.PNG: cannot be read"):
        scan.read_bscan(3)


def test_notes_are_told_once(folder: Path, stack: Stack, same: Same) -> None:
    for name, plane in (("B1.png", stack[0]), ("B11.PNG", stack[3])):
        Image.fromarray(np.dstack([plane] * 3)).save(folder / name)
    scan = read_scan(folder)
    assert scan.notes == (
        "colour (RGB) converted to grey (2 of 5 B-scans)",
        "2 other files left out: notes.txt, sub",
    )
    same(scan, stack)


def test_a_folder_without_bscans_is_refused(tmp_path: Path) -> None:
    assert not is_scan_path(tmp_path)
    with pytest.raises(InputError, match="no B-scans"):
        read_scan(tmp_path)


def test_jpeg_bscans_are_no_labels(folder: Path) -> None:
    Image.fromarray(np.zeros((40, 50), np.uint8)).save(folder / "B12.jpg")
    with pytest.raises(InputError, match=r"B12\.jpg: JPEG changes values"):
        read_labels(folder)


def test_a_folder_that_may_not_be_listed_says_so(
    folder: Path, as_nobody: Callable[[Path], None]
) -> None:
    as_nobody(folder)
    assert is_scan_path(folder)
    with pytest.raises(InputError, match=r"cannot be listed|denied"):
        read_scan(folder)


def test_real_bscans_of_one_patient(shared_data: Path, tmp_path: Path) -> None:
    images = shared_data / "chiu2015" / "images"
    for file in sorted(images.glob("S07_*.png"))[:3]:
        (tmp_path / file.name).symlink_to(file)
    assert read_scan(tmp_path).pixels.shape == (3, 496, 768)


def test_gaps_in_the_numbers_are_noted(tmp_path: Path, stack: Stack) -> None:
    for number, plane in zip((1, 2, 3, 5, 7), stack, strict=True):
        Image.fromarray(plane).save(tmp_path / f"B{number:02d}.png")
    assert read_scan(tmp_path).notes == (
        "the numbers in the B-scans' file names skip 4, 6; are files missing?",
    )


def test_one_bscan_twice_is_refused(tmp_path: Path, stack: Stack) -> None:
    for name in ("B1.png", "B1.bmp", "B2.png"):
        Image.fromarray(stack[0]).save(tmp_path / name)
    with pytest.raises(InputError, match=r"B1\.(png|bmp) and B1\.(png|bmp) have the same name"):
        read_scan(tmp_path)

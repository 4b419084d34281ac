"""Scans from paths, text and arrays, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import napari_retseg as rs
from napari_retseg.errors import InputError, RetsegError, UsageError
from napari_retseg.io import write_scan
from tests.conftest import check_line


def test_text_a_path_an_array_and_a_scan_are_the_same_scan(
    tmp_path: Path, volume: np.ndarray
) -> None:
    path = write_scan(tmp_path / "scan.tif", rs.read_scan(volume))
    for image in (str(path), path, volume, rs.read_scan(path)):
        scan = rs.read_scan(image)
        assert scan.axes == ("bscan", "depth", "width")
        assert np.array_equal(np.asarray(scan.pixels), volume)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((8, 9), ("depth", "width")),
        ((2, 8, 9), ("bscan", "depth", "width")),
        ((3, 2, 8, 9), ("channel", "bscan", "depth", "width")),
    ],
)
def test_axes_follow_from_the_number_of_dimensions(
    shape: tuple[int, ...], axes: tuple[str, ...]
) -> None:
    assert rs.read_scan(np.ones(shape)).axes == axes


def test_an_array_is_not_copied(volume: np.ndarray) -> None:
    assert np.shares_memory(np.asarray(rs.read_scan(volume).pixels), volume)


def test_a_tensor_is_read_as_numpy_reads_it(volume: np.ndarray) -> None:
    scan = rs.read_scan(torch.from_numpy(volume))
    assert np.array_equal(np.asarray(scan.pixels), volume)


def test_axes_of_an_array_can_be_named() -> None:
    scan = rs.read_scan(np.ones((2, 8, 9)), axes=("channel", "depth", "width"))
    assert (scan.n_channels, scan.is_volume) == (2, False)
    assert not rs.read_scan(np.ones((4, 8, 9)), axes="zyx").is_oct


def test_a_colour_array_becomes_grey_as_a_colour_file_does() -> None:
    scan = rs.read_scan(np.full((32, 40, 3), (10, 10, 10), np.uint8))
    assert scan.axes == ("depth", "width")
    assert np.asarray(scan.pixels).tolist() == [[10] * 40] * 32
    assert any("grey" in note for note in scan.notes)


def test_spacing_is_the_users(tmp_path: Path, volume: np.ndarray) -> None:
    path = write_scan(tmp_path / "scan.tif", rs.read_scan(volume))
    for image in (volume, path, rs.read_scan(volume)):
        scan = rs.read_scan(image, spacing_um=[120, 3.9, None])
        assert scan.spacing_um == (120.0, 3.9, None)
        assert scan.spacing_source == "user"


def test_an_implausible_spacing_is_noted() -> None:
    assert rs.read_scan(np.ones((8, 9)), spacing_um=(3900, 11)).notes


@pytest.mark.parametrize(
    ("image", "kind", "line"),
    [
        (["a.tif", "b.tif"], UsageError, "expected a path, an array or a scan, got a list of str"),
        ([[1, 2], [3, 4]], UsageError, "got a list of list"),
        (None, UsageError, "got None"),
        ("", UsageError, "got an empty text"),
        (7, UsageError, "got the number 7"),
        (np.float64(7), UsageError, "got the number 7"),
        (object(), UsageError, "got an object of type object"),
        (np.array(["a"]), UsageError, "expected an array of numbers"),
        (np.ones((4, 4), complex), UsageError, "expected an array of numbers"),
        (np.ones((2, 2, 2, 4, 4)), InputError, "got shape (2, 2, 2, 4, 4)"),
        (np.ones(4), InputError, "got shape (4,)"),
        (np.ones((0, 4)), InputError, "with pixels"),
        (np.full((4, 4), np.nan), InputError, "NaN"),
        (torch.ones(4, 4, requires_grad=True), UsageError, "numpy cannot read"),
        ("nowhere.tif", InputError, "nowhere.tif"),
        ("scan.xyz", InputError, "unknown file type"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_scan_is_one_line_that_says_what_is(
    image: Any, kind: type[RetsegError], line: str
) -> None:
    with pytest.raises(kind) as caught:
        rs.read_scan(image)
    assert line in check_line(caught.value)


@pytest.mark.parametrize("spacing", [3.9, (3.9,), (3.9, -1), (3.9, np.nan), "ab", (1, 2, 3)])
def test_a_wrong_spacing_is_one_line(spacing: Any) -> None:
    with pytest.raises(UsageError) as caught:
        rs.read_scan(np.ones((8, 9)), spacing_um=spacing)
    assert "one for each axis" in check_line(caught.value)


def test_a_wrong_spacing_of_a_file_is_one_line(tmp_path: Path, volume: np.ndarray) -> None:
    path = write_scan(tmp_path / "scan.tif", rs.read_scan(volume))
    with pytest.raises(UsageError) as caught:
        rs.read_scan(path, spacing_um=(3.9, 11))
    assert "bscan, depth, width" in check_line(caught.value)


def test_axes_are_for_arrays_and_must_be_those_of_a_scan() -> None:
    for image, axes in (("scan.tif", "zyx"), (rs.read_scan(np.ones((8, 9))), "yx")):
        with pytest.raises(UsageError, match="axes are for arrays"):
            rs.read_scan(image, axes=axes)
    for wrong in (("depth",), ("width", "depth"), "abc"):
        with pytest.raises(UsageError) as caught:
            rs.read_scan(np.ones((8, 9)), axes=wrong)
        check_line(caught.value, "axes: ")

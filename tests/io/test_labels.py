from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from napari_retseg.errors import InputError
from napari_retseg.io import label_path, read_labels, read_scan, write_labels
from napari_retseg.scan import OctScan

Stack = NDArray[np.uint8]


@pytest.mark.parametrize(
    ("source", "is_volume", "expected"),
    [
        ("a.png", False, "a.png"),
        ("a.JPG", False, "a.png"),
        ("a.b.bmp", False, "a.b.png"),
        ("a.tif", False, "a.png"),
        ("a.tif", True, "a.tif"),
        ("a.npy", True, "a.tif"),
        ("Subject_01.mat", True, "Subject_01.tif"),
        ("a.vol", True, "a.tif"),
        ("patient.7", True, "patient.7.tif"),
        ("a.nii", True, "a.nii.gz"),
        ("a.NII.GZ", True, "a.nii.gz"),
        ("a.nii.gz", False, "a.nii.gz"),
    ],
)
def test_labels_are_named_after_the_scan(source: str, is_volume: bool, expected: str) -> None:
    shape = (2, 3, 4) if is_volume else (3, 4)
    axes: Any = ("bscan", "depth", "width")[-len(shape) :]
    scan = OctScan(np.zeros(shape), axes, source=Path("scans") / source)
    assert label_path(scan, Path("out")) == Path("out") / expected


def test_a_scan_without_a_file_has_no_label_name() -> None:
    with pytest.raises(InputError, match="no file"):
        label_path(OctScan(np.zeros((3, 4)), ("depth", "width")), Path())


@pytest.mark.parametrize("name", ["a.tif", "a.tiff", "a.nii", "a.nii.gz", "a.npy", "a.npz"])
def test_labels_of_a_volume_return(
    tmp_path: Path, volume: OctScan, stack: Stack, name: str
) -> None:
    for scan in (volume, None):
        file = write_labels(tmp_path / name, stack, scan=scan)
        assert file == tmp_path / name
        found = read_labels(file)
        assert found.dtype == np.uint8
        if scan is None and ".nii" in name:
            assert read_scan(file).axes == ("bscan", "depth", "width")
        np.testing.assert_array_equal(found, stack)
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == [name]


def test_a_tiff_carries_axes_and_spacing_and_is_zlib(
    tmp_path: Path, volume: OctScan, stack: Stack
) -> None:
    write_labels(tmp_path / "a.tif", stack, scan=volume)
    scan = read_scan(tmp_path / "a.tif")
    assert (scan.axes, scan.spacing_um) == (volume.axes, volume.spacing_um)
    assert scan.laterality == "OS"
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.pages.first.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
        assert tif.series[0].axes == "ZYX"
        assert 'PhysicalSizeZ="120.5"' in str(tif.ome_metadata)


def test_a_png_holds_plain_class_values(tmp_path: Path, stack: Stack) -> None:
    write_labels(tmp_path / "a.png", stack[0])
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "L"
        np.testing.assert_array_equal(np.asarray(image), stack[0])


@pytest.mark.parametrize("name", ["a.jpg", "a.bmp", "a.mat", "a", "a.txt"])
def test_other_suffixes_are_not_written(tmp_path: Path, stack: Stack, name: str) -> None:
    with pytest.raises(InputError, match=name):
        write_labels(tmp_path / name, stack[0])
    assert list(tmp_path.iterdir()) == []


def test_a_png_holds_no_volume(tmp_path: Path, stack: Stack) -> None:
    with pytest.raises(InputError, match=r"a\.png: a PNG can store one B-scan"):
        write_labels(tmp_path / "a.png", stack)


@pytest.mark.parametrize(
    "labels", [np.zeros((3, 4), np.int64), np.zeros(3, np.uint8), np.zeros((2, 2, 2, 2), np.uint8)]
)
def test_only_8_bit_labels_of_two_or_three_axes_are_written(tmp_path: Path, labels: Any) -> None:
    with pytest.raises(InputError, match="8-bit with two or three axes"):
        write_labels(tmp_path / "a.npy", labels)


def test_labels_must_have_the_shape_of_the_scan(
    tmp_path: Path, volume: OctScan, stack: Stack
) -> None:
    with pytest.raises(InputError, match=r"shape \(4, 40, 50\) .* shape \(5, 40, 50\)"):
        write_labels(tmp_path / "a.tif", stack[1:], scan=volume)
    write_labels(tmp_path / "a.tif", stack[1:])
    with pytest.raises(InputError, match=r"a\.tif: .*\(4, 40, 50\) .*\(5, 40, 50\)"):
        read_labels(tmp_path / "a.tif", shape=volume.spatial_shape)


@pytest.mark.parametrize("dtype", ["?", "u1", "u2", ">i4", "i8", "f2", "f4", "f8"])
def test_whole_numbers_of_any_type_are_taken(tmp_path: Path, dtype: str) -> None:
    labels = np.array([[0, 1], [1, 0]], dtype)
    np.save(tmp_path / "a.npy", labels)
    found = read_labels(tmp_path / "a.npy")
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, labels)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[0.5, 1.0]], "fractions"),
        ([[np.nan, 1.0]], "fractions or missing"),
        ([[np.inf, 1.0]], "values from 1 to inf"),
        ([[-1, 1]], "values from -1 to 1"),
        ([[0, 256]], "values from 0 to 256"),
    ],
)
def test_other_values_are_refused(tmp_path: Path, values: Any, message: str) -> None:
    np.save(tmp_path / "a.npy", np.array(values))
    with pytest.raises(InputError, match=rf"a\.npy: contains {message}"):
        read_labels(tmp_path / "a.npy")


def test_channels_are_refused(tmp_path: Path, stack: Stack) -> None:
    np.save(tmp_path / "a.npy", np.stack([stack, stack]))
    with pytest.raises(InputError, match="2 channels"):
        read_labels(tmp_path / "a.npy")


@pytest.mark.parametrize("name", ["a.vol", "a.mat", "a.jpeg", "a.txt", "a"])
def test_files_that_hold_no_labels_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(InputError, match="labels cannot be saved as"):
        read_labels(tmp_path / name)


def test_real_labels(shared_data: Path) -> None:
    labels = read_labels(shared_data / "chiu2015" / "labels" / "S07_B28.png", shape=(496, 768))
    assert set(np.unique(labels)) <= {*range(9), 255}
    assert 255 in labels

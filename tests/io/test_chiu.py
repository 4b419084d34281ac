from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import savemat

from napari_retseg.errors import InputError
from napari_retseg.io import read_scan
from napari_retseg.io.matfile import load_mat
from napari_retseg.scan import OctScan

Same = Callable[[OctScan, Any], None]
Stack = NDArray[np.uint8]


@pytest.mark.parametrize("dtype", ["u1", "f8"])
@pytest.mark.parametrize("compressed", [True, False])
def test_images_become_bscans(
    tmp_path: Path, stack: Stack, same: Same, dtype: str, compressed: bool
) -> None:
    images = np.moveaxis(stack, 0, -1).astype(dtype)
    file = tmp_path / "Subject_01.mat"
    savemat(file, {"images": images, "manualFluid1": images}, do_compression=compressed)
    scan = read_scan(file)
    assert scan.axes == ("bscan", "depth", "width")
    assert scan.spacing_source == "unknown"
    assert scan.bscans_declared == 5
    same(scan, stack)


def test_other_numbers_stay_float(tmp_path: Path, stack: Stack, same: Same) -> None:
    savemat(tmp_path / "a.mat", {"images": np.moveaxis(stack, 0, -1) / 255})
    same(read_scan(tmp_path / "a.mat"), (stack / 255).astype(np.float32))


def test_one_bscan_has_no_third_axis(tmp_path: Path, stack: Stack, same: Same) -> None:
    savemat(tmp_path / "a.mat", {"images": stack[0]})
    same(read_scan(tmp_path / "a.mat"), stack[:1])


def test_another_mat_file_says_what_is_missing(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"other": np.ones(3)})
    with pytest.raises(InputError, match=r"a\.mat: has no variable 'images'"):
        read_scan(tmp_path / "a.mat")


@pytest.mark.parametrize("images", [np.array(["text"]), np.ones((2, 2), complex), {"a": 1.0}])
def test_images_must_be_numbers(tmp_path: Path, images: Any) -> None:
    savemat(tmp_path / "a.mat", {"images": images})
    with pytest.raises(InputError, match=r"a\.mat: contains values of type"):
        read_scan(tmp_path / "a.mat")


def test_matlab_7_3_says_how_to_save(tmp_path: Path) -> None:
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    (tmp_path / "a.mat").write_bytes(header.ljust(512, b"\0") + b"\x89HDF\r\n\x1a\n")
    with pytest.raises(InputError, match=r"a\.mat: is a MATLAB 7\.3 file; .*-v7"):
        read_scan(tmp_path / "a.mat")


def test_variables_for_the_import(tmp_path: Path) -> None:
    layers = np.full((8, 6, 2), np.nan)
    savemat(tmp_path / "a.mat", {"manualLayers1": layers, "images": np.zeros((4, 6, 2))})
    found = load_mat(tmp_path / "a.mat", ["manualLayers1"])
    assert list(found) == ["manualLayers1"]
    np.testing.assert_array_equal(found["manualLayers1"], layers)

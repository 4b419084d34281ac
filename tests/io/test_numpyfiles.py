from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_retseg.errors import InputError
from napari_retseg.io import read_labels, read_scan, write_scan
from napari_retseg.io.lazy import PagedPixels
from napari_retseg.io.tempfile_pixels import SpooledPixels
from napari_retseg.scan import OctScan

Same = Callable[[OctScan, Any], None]
Stack = NDArray[np.uint8]


@pytest.mark.parametrize("dtype", ["u1", ">u2", "f4", ">f8", "i8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_volume_stays_in_its_file(
    tmp_path: Path, stack: Stack, same: Same, dtype: str, order: Any
) -> None:
    values = np.asarray(stack, dtype, order=order)
    np.save(tmp_path / "a.npy", values)
    scan = read_scan(tmp_path / "a.npy")
    assert scan.axes == ("bscan", "depth", "width")
    assert isinstance(scan.pixels, PagedPixels)
    same(scan, values.astype(values.dtype.newbyteorder("=")))


def test_two_axes_are_a_bscan_and_four_have_channels(
    tmp_path: Path, stack: Stack, same: Same
) -> None:
    np.save(tmp_path / "a.npy", stack[0])
    assert read_scan(tmp_path / "a.npy").axes == ("depth", "width")
    np.save(tmp_path / "b.npy", stack[None].repeat(2, 0))
    scan = read_scan(tmp_path / "b.npy")
    assert scan.axes == ("channel", "bscan", "depth", "width")
    same(scan, stack[None].repeat(2, 0))


@pytest.mark.parametrize("n_samples", [3, 4])
def test_a_last_axis_of_colour_becomes_grey(
    tmp_path: Path, stack: Stack, same: Same, n_samples: int
) -> None:
    np.save(tmp_path / "a.npy", np.stack([stack] * n_samples, -1))
    scan = read_scan(tmp_path / "a.npy")
    assert len(scan.notes) == 1
    same(scan, stack)
    np.save(tmp_path / "b.npy", np.stack([stack[0]] * n_samples, -1))
    same(read_scan(tmp_path / "b.npy"), stack[0])
    with pytest.raises(InputError, match="colour image, not labels"):
        read_labels(tmp_path / "b.npy")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_truth_values_become_numbers(tmp_path: Path, stack: Stack, suffix: str) -> None:
    file = tmp_path / f"a{suffix}"
    np.save(file, stack > 99) if suffix == ".npy" else np.savez(file, stack > 99)
    scan = read_scan(file)
    assert scan.pixels.dtype == np.uint8
    np.testing.assert_array_equal(np.asarray(scan.pixels), stack > 99)
    np.testing.assert_array_equal(read_labels(file), stack > 99)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize(
    "values",
    [
        np.array([{"a": 1}, None], object),
        np.array([["a", "b"], ["c", "d"]]),
        np.ones((2, 2), complex),
        np.zeros(7),
        np.zeros((2, 2, 2, 2, 2)),
        np.zeros((0, 5)),
    ],
    ids=["objects", "text", "complex", "1d", "5d", "empty"],
)
def test_what_is_no_image_is_refused(tmp_path: Path, suffix: str, values: Any) -> None:
    file = tmp_path / f"a{suffix}"
    np.save(file, values) if suffix == ".npy" else np.savez(file, values)
    with pytest.raises(InputError, match=rf"a\{suffix}: (contains values|has shape|has no pixels)"):
        read_scan(file)


@pytest.mark.parametrize("shape", [(4, 5, 3), (2, 15, 16, 4)])
def test_a_tiny_volume_is_no_colour(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape, np.uint8))
    assert read_scan(tmp_path / "a.npy").pixels.shape == shape


def test_what_would_be_colour_is_not_written(tmp_path: Path) -> None:
    scan = OctScan(np.zeros((16, 16, 3), np.uint8), ("bscan", "depth", "width"))
    with pytest.raises(InputError, match="would be read as colour"):
        write_scan(tmp_path / "a.npy", scan)
    assert read_scan(write_scan(tmp_path / "a.npz", scan)).axes == scan.axes


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.file,)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    np.save(tmp_path / "a.npy", np.array([[Bomb(trap)]], object), allow_pickle=True)
    (tmp_path / "b.npy").write_bytes(pickle.dumps(Bomb(trap)))
    for name in ("a.npy", "b.npy"):
        with pytest.raises(InputError, match=name):
            read_scan(tmp_path / name)
    assert not trap.exists()


def test_an_npz_names_its_pixels_or_has_one_array(tmp_path: Path, stack: Stack, same: Same) -> None:
    np.savez(tmp_path / "a.npz", layers=np.zeros(3), images=stack)
    same(read_scan(tmp_path / "a.npz"), stack)
    np.savez_compressed(tmp_path / "b.npz", anything=stack)
    same(read_scan(tmp_path / "b.npz"), stack)
    np.savez(tmp_path / "c.npz", x=stack, y=stack)
    with pytest.raises(InputError, match=r"c\.npz: contains 2 arrays \(x\.npy, y\.npy\)"):
        read_scan(tmp_path / "c.npz")


def test_a_large_npz_waits_in_a_temporary_file(
    tmp_path: Path, volume: OctScan, monkeypatch: pytest.MonkeyPatch, same: Same
) -> None:
    monkeypatch.setattr("napari_retseg.io.tempfile_pixels.MEMORY_LIMIT", 10)
    scan = read_scan(write_scan(tmp_path / "a.npz", volume))
    assert isinstance(scan.pixels, SpooledPixels)
    same(scan, volume.pixels)
    same(pickle.loads(pickle.dumps(scan)), volume.pixels)


@pytest.mark.parametrize(
    "about",
    [
        "[]",
        '{"axes": ["bscan", "depth"], "spacing_um": [1, 2]}',
        '{"axes": ["a", "b", "c"]}',
        '{"axes": ["bscan", "depth", "width"], "spacing_um": ["x", 1, 2]}',
        '{"axes": ["bscan", "depth", "width"], "spacing_um": [-1, 1, 2]}',
        "{",
    ],
)
def test_axes_that_make_no_sense_are_refused(tmp_path: Path, volume: OctScan, about: str) -> None:
    file = write_scan(tmp_path / "a.npz", volume)
    with zipfile.ZipFile(file) as archive:
        pixels = archive.read("pixels.npy")
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("pixels.npy", pixels)
        archive.writestr("about.json", about)
    with pytest.raises(InputError, match=r"a\.npz: "):
        read_scan(file)


def test_the_axes_lie_readable_in_the_file(tmp_path: Path, volume: OctScan) -> None:
    file = write_scan(tmp_path / "a.npz", volume)
    with np.load(file, allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["pixels"], volume.pixels)
    with zipfile.ZipFile(file) as archive:
        assert json.loads(archive.read("about.json"))["axes"] == ["bscan", "depth", "width"]

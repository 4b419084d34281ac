from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from napari_retseg.errors import InputError
from napari_retseg.io import LabelWriter, read_labels, read_scan, write_labels
from napari_retseg.scan import OctScan

Stack = NDArray[np.uint8]


@pytest.mark.parametrize("name", ["a.tif", "a.nii", "a.nii.gz", "a.npy", "a.npz"])
def test_bscans_come_in_any_order(tmp_path: Path, volume: OctScan, stack: Stack, name: str) -> None:
    with LabelWriter(tmp_path / "new" / name, scan=volume) as writer:
        for index in (3, 0, 4, 2, 1):
            writer.write(index, stack[index])
        assert not (tmp_path / "new" / name).exists()
    file = tmp_path / "new" / name
    assert list(file.parent.iterdir()) == [file]
    np.testing.assert_array_equal(read_labels(file, shape=volume.spatial_shape), stack)
    plain = write_labels(tmp_path / f"plain-{name}", stack, scan=volume)
    assert (read_scan(file).axes, read_scan(file).spacing_um) == (
        read_scan(plain).axes,
        read_scan(plain).spacing_um,
    )


def test_a_single_bscan_becomes_a_png(tmp_path: Path, stack: Stack) -> None:
    scan = OctScan(stack[0], ("depth", "width"))
    with LabelWriter(tmp_path / "a.png", scan=scan) as writer:
        writer.write(0, stack[0][::1, ::-1])
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png"), stack[0][:, ::-1])


def test_a_bscan_written_twice_is_the_last(tmp_path: Path, volume: OctScan, stack: Stack) -> None:
    with LabelWriter(tmp_path / "a.tif", scan=volume) as writer:
        for index in (0, 1, 2, 3, 4, 2):
            writer.write(index, stack[index] // 2 if index == 2 else stack[index])
        writer.write(2, stack[2])
    np.testing.assert_array_equal(read_labels(tmp_path / "a.tif"), stack)


def test_bscans_that_are_missing_are_not_annotated(
    tmp_path: Path, volume: OctScan, stack: Stack
) -> None:
    with LabelWriter(tmp_path / "a.tif", scan=volume) as writer:
        writer.write(3, stack[3])
    found = read_labels(tmp_path / "a.tif")
    np.testing.assert_array_equal(found[3], stack[3])
    assert (found[[0, 1, 2, 4]] == 255).all()


def test_channels_of_the_scan_do_not_count(tmp_path: Path, stack: Stack) -> None:
    scan = OctScan(np.stack([stack] * 2), ("channel", "z", "y", "x"), affine=np.diag([2.0] * 4))
    with LabelWriter(tmp_path / "a.nii.gz", scan=scan) as writer:
        for index, labels in enumerate(stack):
            writer.write(index, labels)
    found: Any = nib.load(tmp_path / "a.nii.gz")
    assert found.shape == (50, 40, 5)
    np.testing.assert_array_equal(np.asarray(found.dataobj).T, stack)


def test_an_exception_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, volume: OctScan, stack: Stack
) -> None:
    file = write_labels(tmp_path / "a.tif", stack, scan=volume)

    def fail() -> None:
        with LabelWriter(file, scan=volume) as writer:
            writer.write(0, stack[1])
            raise RuntimeError("cancelled")

    with pytest.raises(RuntimeError, match="cancelled"):
        fail()
    np.testing.assert_array_equal(read_labels(file), stack)
    assert list(tmp_path.iterdir()) == [file]


def write_with_limit(file: Path, stack: Stack, *, first: int | None, last: int) -> None:
    """Write labels while the system refuses files of more than so many bytes, as a full disk."""
    import resource

    scan = OctScan(stack, ("bscan", "depth", "width"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with LabelWriter(file, scan=scan) as writer:
            if first is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (first, hard))
            for index, labels in enumerate(stack):
                writer.write(index, labels)
            resource.setrlimit(resource.RLIMIT_FSIZE, (last, hard))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("first", [3000, 0, None])
@pytest.mark.parametrize("name", ["a.npy", "a.tif", "a.nii.gz", "a.npz"])
def test_no_room_is_one_clear_line_and_leaves_nothing(
    tmp_path: Path, stack: Stack, name: str, first: int | None
) -> None:
    """At the first B-scan, halfway, or at the end, where the file with its header is too large."""
    with pytest.raises(InputError, match=rf"{name}: cannot be written \(File too large\)"):
        write_with_limit(tmp_path / name, stack, first=first, last=2000)
    assert list(tmp_path.iterdir()) == []


def test_a_format_that_cannot_hold_it_is_refused_at_once(tmp_path: Path, volume: OctScan) -> None:
    with pytest.raises(InputError, match="a PNG can store one B-scan"):
        LabelWriter(tmp_path / "a.png", scan=volume)


def test_a_file_in_place_of_the_folder(tmp_path: Path, volume: OctScan) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match="cannot be written"),
        LabelWriter(tmp_path / "file" / "a.tif", scan=volume),
    ):
        pass


@pytest.mark.parametrize(
    ("index", "labels"),
    [
        (5, np.zeros((40, 50), np.uint8)),
        (-1, np.zeros((40, 50), np.uint8)),
        (0, np.zeros((50, 40), np.uint8)),
        (0, np.zeros((40, 50), np.int64)),
    ],
)
def test_what_does_not_fit_is_a_mistake_of_the_caller(
    tmp_path: Path, volume: OctScan, index: int, labels: Any
) -> None:
    with (
        pytest.raises(ValueError, match=r"B-scan|labels"),
        LabelWriter(tmp_path / "a.tif", scan=volume) as writer,
    ):
        writer.write(index, labels)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="not open"):
        LabelWriter(tmp_path / "a.tif", scan=volume).write(0, np.zeros((40, 50), np.uint8))

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

from napari_retseg.errors import InputError, UsageError
from napari_retseg.io import (
    SCAN_SUFFIXES,
    describe_scan,
    is_scan_path,
    read_labels,
    read_scan,
    write_scan,
)
from napari_retseg.scan import OctScan
from napari_retseg.trust import make_trust_sheet

Stack = NDArray[np.uint8]


def save_plain(file: Path, stack: Stack) -> None:
    tifffile.imwrite(file, stack, photometric="minisblack", metadata=None)


def save_imagej(file: Path, stack: Stack) -> None:
    tifffile.imwrite(file, stack, imagej=True)


def save_zlib(file: Path, stack: Stack) -> None:
    tifffile.imwrite(file, stack, photometric="minisblack", compression="zlib")


def save_pillow_stack(file: Path, stack: Stack) -> None:
    first, *others = (Image.fromarray(plane) for plane in stack)
    first.save(file, save_all=True, append_images=others)


def save_image(file: Path, stack: Stack) -> None:
    Image.fromarray(stack[0]).save(file)


def save_mat(file: Path, stack: Stack) -> None:
    savemat(file, {"images": np.moveaxis(stack, 0, -1)}, do_compression=True)


def save_ours(file: Path, stack: Stack) -> None:
    write_scan(file, OctScan(stack, ("bscan", "depth", "width"), (120.0, 3.87, 60.0), "file"))


WRITERS: list[tuple[str, Callable[[Path, Stack], None]]] = [
    ("a.png", save_image),
    ("a.jpg", save_image),
    ("a.bmp", save_image),
    ("plain.tif", save_plain),
    ("imagej.tif", save_imagej),
    ("zlib.tif", save_zlib),
    ("stack.tif", save_pillow_stack),
    ("single.tif", save_image),
    ("ours.tif", save_ours),
    ("a.nii", save_ours),
    ("a.nii.gz", save_ours),
    ("a.npy", save_ours),
    ("a.npz", save_ours),
    ("a.mat", save_mat),
]


@pytest.mark.parametrize(("name", "save"), WRITERS, ids=[name for name, _ in WRITERS])
def test_a_cut_file_is_an_input_error_or_whole(
    tmp_path: Path, stack: Stack, name: str, save: Callable[[Path, Stack], None]
) -> None:
    """Wherever a file ends too early, one clear line comes, and never other pixels."""
    file = tmp_path / name
    save(file, stack)
    data = file.read_bytes()
    whole = np.asarray(read_scan(file).pixels)
    near_end = range(len(data) - 12, len(data), 3)
    cuts = {*range(0, 100, 9), *np.linspace(0, len(data) - 1, 24).astype(int), *near_end}
    errors = []
    for cut in sorted(cuts):
        file.write_bytes(data[:cut])
        try:
            found = np.asarray(read_scan(file).pixels)
        except InputError as error:
            errors.append(str(error))
        else:
            np.testing.assert_array_equal(found, whole)
    assert len(errors) >= len(cuts) // 2
    assert all(error.startswith(f"{file}: ") and "\n" not in error for error in errors)


@pytest.mark.parametrize("suffix", SCAN_SUFFIXES)
def test_missing_empty_and_wrong_files(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"a{suffix}"
    with pytest.raises(InputError, match=r"a\..*: file or folder not found"):
        read_scan(file)
    file.touch()
    with pytest.raises(InputError, match=r"a\..*: the file is empty"):
        read_scan(file)
    file.write_text("This is a text file, whatever its name says.\n" * 20)
    with pytest.raises(InputError, match=rf"^{file}: [^\n]*$"):
        read_scan(file)


@pytest.mark.parametrize("suffix", SCAN_SUFFIXES)
def test_a_file_that_may_not_be_read(
    tmp_path: Path, as_nobody: Callable[[Path], None], suffix: str
) -> None:
    file = tmp_path / f"a{suffix}"
    file.write_bytes(b"secret")
    as_nobody(file)
    with pytest.raises(InputError, match=r"a\..*: permission denied"):
        read_scan(file)


@pytest.mark.parametrize("name", ["a.txt", "a", "a.nii.bz2"])
def test_an_unknown_suffix_lists_the_known(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert not is_scan_path(tmp_path / name)
    with pytest.raises(InputError, match=r"unknown file type .* use one of .*\.nii\.gz"):
        read_scan(tmp_path / name)


def test_suffixes_in_capitals_are_known() -> None:
    assert is_scan_path(Path("A.TIF"))
    assert is_scan_path(Path("B.Nii.GZ"))


def test_a_nifti_that_is_not_compressed_as_named(tmp_path: Path, volume: OctScan) -> None:
    data = write_scan(tmp_path / "a.nii", volume).read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(data)
    (tmp_path / "c.nii").write_bytes(gzip.compress(data))
    for name in ("b.nii.gz", "c.nii"):
        with pytest.raises(InputError, match=name):
            read_scan(tmp_path / name)


def test_another_image_of_nibabel_is_refused(tmp_path: Path) -> None:
    make: Any = nib.MGHImage
    nib.save(make(np.zeros((2, 2, 2), np.float32), np.eye(4)), tmp_path / "a.mgz")
    (tmp_path / "a.mgz").rename(tmp_path / "a.nii.gz")
    with pytest.raises(InputError, match=r"a\.nii\.gz: "):
        read_scan(tmp_path / "a.nii.gz")


def test_a_spacing_of_the_user_wins(tmp_path: Path, volume: OctScan) -> None:
    file = write_scan(tmp_path / "a.tif", volume)
    scan = read_scan(file, spacing_um=(None, 4, 60.5))
    assert (scan.spacing_um, scan.spacing_source) == ((None, 4.0, 60.5), "user")


@pytest.mark.parametrize("spacing", [(4.0, 11.0), (0.0, 4.0, 11.0), (1.0, 4.0, float("nan"))])
def test_a_spacing_that_does_not_fit_is_wrong_usage(
    tmp_path: Path, volume: OctScan, spacing: tuple[float, ...]
) -> None:
    file = write_scan(tmp_path / "a.tif", volume)
    with pytest.raises(UsageError, match="bscan, depth, width"):
        read_scan(file, spacing_um=spacing)


def test_an_implausible_spacing_is_noted(tmp_path: Path, volume: OctScan) -> None:
    wide = replace(volume, spacing_um=(120.0, 387.0, 11.5))
    notes = read_scan(write_scan(tmp_path / "a.tif", wide)).notes
    assert notes[0] == "axial pixel size 387 µm is outside 1-10 µm"
    assert any("width" in note for note in notes)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("a.png", "f4"), ("a.png", "i2"), ("a.tif", "i8"), ("a.tif", "f2"), ("a.nii", "f2")],
)
def test_a_format_that_cannot_hold_the_values(tmp_path: Path, name: str, dtype: str) -> None:
    scan = OctScan(np.zeros((3, 4), dtype), ("depth", "width"))
    with pytest.raises(InputError, match=rf"{name}: "):
        write_scan(tmp_path / name, scan)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.png", "a.npy"])
def test_a_format_that_cannot_name_the_axes(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"cannot store the axes y, x; use \.tif"):
        write_scan(tmp_path / name, OctScan(np.zeros((3, 4), np.uint8), ("y", "x")))


def test_writing_over_the_file_that_is_read(tmp_path: Path, volume: OctScan, stack: Stack) -> None:
    file = write_scan(tmp_path / "a.tif", volume)
    write_scan(file, read_scan(file))
    np.testing.assert_array_equal(np.asarray(read_scan(file).pixels), stack)


def test_what_is_seen_is_described(tmp_path: Path, volume: OctScan) -> None:
    file = write_scan(tmp_path / "a.tif", volume)
    about = describe_scan(read_scan(file))
    assert about.pop("trust") == make_trust_sheet(read_scan(file)).to_json()
    assert about == {
        "path": str(file),
        "axes": ["bscan", "depth", "width"],
        "shape": [5, 40, 50],
        "dtype": "uint8",
        "spacing_um": [120.5, 3.87, 55.0],
        "spacing_source": "file",
        "laterality": "OS",
        "device": None,
        "scan_pattern": None,
        "patient_key": None,
        "bscans_declared": 5,
        "bscans_read": 5,
        "channels": 1,
        "fundus_shape": None,
        "notes": ["lateral pixel size 55 µm is outside 2-40 µm"],
    }


def test_memory_does_not_grow_with_the_volume(tmp_path: Path) -> None:
    """A process that reads and writes each B-scan needs no more for 160 MB than for 10 MB."""
    code = """
import resource, sys
from pathlib import Path
from napari_retseg.io import LabelWriter, read_scan
scan = read_scan(Path(sys.argv[1]))
with LabelWriter(Path(sys.argv[1] + "-labels.nii.gz"), scan=scan) as writer:
    for k in range(scan.n_bscans):
        writer.write(k, (scan.read_bscan(k)[0] > 0).astype("uint8"))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(peak if sys.platform == "darwin" else peak * 1024)
"""
    peaks = []
    for n_bscans in (20, 320):
        file = tmp_path / f"{n_bscans}.npy"
        array = np.lib.format.open_memmap(file, "w+", np.uint8, (n_bscans, 512, 1024))
        del array
        done = subprocess.run(
            [sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True
        )
        peaks.append(int(done.stdout))
    assert peaks[1] - peaks[0] < 30e6


def test_reading_needs_no_torch() -> None:
    code = "import sys, napari_retseg.io; print({'torch', 'napari', 'eyepy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_label_and_scan_of_a_real_pair_fit(shared_data: Path) -> None:
    name = "S08_B28.png"
    scan = read_scan(shared_data / "chiu2015" / "images" / name)
    assert scan.pixels.dtype == np.uint8
    labels = read_labels(shared_data / "chiu2015" / "labels" / name, shape=scan.spatial_shape)
    assert labels.shape == (496, 768)

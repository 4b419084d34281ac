from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from napari_retseg.errors import InputError
from napari_retseg.io import read_labels, read_scan, write_labels, write_scan
from napari_retseg.io.lazy import PagedPixels
from napari_retseg.io.tempfile_pixels import SpooledPixels
from napari_retseg.scan import OctScan

Same = Callable[[OctScan, Any], None]
SUFFIXES = (".nii", ".nii.gz")
#: nibabel has no types
MAKE: Any = nib.Nifti1Image
OBLIQUE = np.array(
    [[0.9, 0.1, -0.2, 7.1], [0.05, -1.1, 0.3, -3.3], [0.2, 0.15, 2.0, 0.123], [0, 0, 0, 1]]
)
DATA: NDArray[np.int16] = np.arange(-30, 30, dtype=np.int16).reshape(5, 4, 3)


def save(path: Path, data: NDArray[Any], *, unit: str | None = "mm", **options: Any) -> Path:
    image = MAKE(data, options.pop("affine", OBLIQUE))
    if unit:
        image.header.set_xyzt_units(unit)
    for name, value in options.items():
        image.header[name] = value
    nib.save(image, path)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_volume_is_transposed_with_spacing_and_affine(
    tmp_path: Path, same: Same, suffix: str
) -> None:
    file = save(tmp_path / f"a{suffix}", DATA, affine=np.diag([0.5, 0.25, 2.0, 1.0]))
    scan = read_scan(file)
    assert scan.axes == ("z", "y", "x")
    assert (scan.spacing_um, scan.spacing_source) == ((2000.0, 250.0, 500.0), "file")
    assert scan.affine is not None
    np.testing.assert_array_equal(scan.affine, np.diag([0.5, 0.25, 2.0, 1.0]))
    same(scan, DATA.T)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((5, 4), ("y", "x")),
        ((5, 4, 1), ("z", "y", "x")),
        ((5, 4, 3, 2), ("channel", "z", "y", "x")),
        ((5, 4, 3, 1), ("z", "y", "x")),
        ((5, 4, 3, 1, 2), ("channel", "z", "y", "x")),
    ],
)
def test_the_number_of_axes_names_them(
    tmp_path: Path, same: Same, suffix: str, shape: tuple[int, ...], axes: tuple[str, ...]
) -> None:
    data = np.random.default_rng(0).random(shape).astype(np.float32)
    scan = read_scan(save(tmp_path / f"a{suffix}", data))
    assert scan.axes == axes
    same(scan, data.T.reshape(scan.pixels.shape))


@pytest.mark.parametrize("shape", [(5,), (5, 4, 3, 2, 2)])
def test_other_numbers_of_axes_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"a\.nii: has shape"):
        read_scan(save(tmp_path / "a.nii", np.zeros(shape, np.uint8)))


@pytest.mark.parametrize(
    ("unit", "expected"),
    [("mm", 3.87), ("micron", 0.00387), ("meter", 3870.0), (None, None)],
)
def test_the_spacing_needs_a_unit(tmp_path: Path, unit: str | None, expected: float | None) -> None:
    affine = np.diag([0.00387, 0.00387, 0.00387, 1])
    scan = read_scan(save(tmp_path / "a.nii", DATA, affine=affine, unit=unit))
    assert scan.spacing_um == (expected,) * 3
    assert scan.spacing_source == ("unknown" if expected is None else "file")
    assert bool(scan.notes) == (expected is None)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_scaled_values_are_float(tmp_path: Path, suffix: str) -> None:
    file = save(tmp_path / f"a{suffix}", DATA)
    image: Any = nib.load(file)
    header = image.header.copy()
    plain = image.to_bytes()
    header["scl_slope"], header["scl_inter"], header["vox_offset"] = 0.5, 3.0, 352
    data = header.binaryblock + plain[348:]
    if suffix == ".nii.gz":
        import gzip

        data = gzip.compress(data)
    file.write_bytes(data)
    scan = read_scan(file)
    assert scan.pixels.dtype == np.float32
    np.testing.assert_array_equal(np.asarray(scan.pixels), DATA.T * 0.5 + 3)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_big_endian_files_are_read_and_answered(tmp_path: Path, same: Same, suffix: str) -> None:
    image = MAKE(DATA, OBLIQUE)
    swapped = MAKE(DATA, OBLIQUE, image.header.as_byteswapped(">"))
    nib.save(swapped, tmp_path / f"a{suffix}")
    scan = read_scan(tmp_path / f"a{suffix}")
    same(scan, DATA.T)
    labels = (DATA.T > 0).astype(np.uint8)
    file = write_labels(tmp_path / f"b{suffix}", labels, scan=scan)
    found: Any = nib.load(file)
    np.testing.assert_array_equal(np.asarray(found.dataobj).T, labels)
    assert scan.affine is not None
    assert found.affine.tobytes() == scan.affine.tobytes()


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(("sform", "qform"), [(1, 0), (0, 1), (2, 1), (0, 0), (4, 4)])
def test_labels_return_to_the_same_grid(
    tmp_path: Path, suffix: str, sform: int, qform: int, kind: Any
) -> None:
    image = kind(DATA, None)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((0.3, 0.7, 1.1))
    image.header.set_qform(OBLIQUE, code=qform, strip_shears=True)
    image.header.set_sform(OBLIQUE, code=sform)
    image = kind(DATA, None, image.header)
    nib.save(image, tmp_path / f"a{suffix}")
    scan = read_scan(tmp_path / f"a{suffix}")
    labels = (DATA.T > 0).astype(np.uint8)
    file = write_labels(tmp_path / f"labels{suffix}", labels, scan=scan)
    before: Any = nib.load(tmp_path / f"a{suffix}")
    after: Any = nib.load(file)
    assert type(after) is kind
    assert after.affine.tobytes() == before.affine.tobytes()
    for name in ("qform_code", "sform_code", "pixdim", "xyzt_units", "srow_x", "quatern_b"):
        np.testing.assert_array_equal(after.header[name], before.header[name])
    assert after.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(np.asarray(after.dataobj), labels.T)
    np.testing.assert_array_equal(read_labels(file, shape=scan.spatial_shape), labels)


def test_labels_of_channels_have_none(tmp_path: Path) -> None:
    scan = read_scan(save(tmp_path / "a.nii.gz", np.stack([DATA, DATA], -1)))
    assert scan.spatial_shape == (3, 4, 5)
    file = write_labels(tmp_path / "b.nii.gz", np.ones((3, 4, 5), np.uint8), scan=scan)
    found: Any = nib.load(file)
    assert found.shape == (5, 4, 3)
    np.testing.assert_array_equal(found.affine, scan.affine)


def test_texts_of_the_header_do_not_reach_the_labels(tmp_path: Path) -> None:
    texts: dict[str, Any] = {
        "descrip": b"DOE^JANE",
        "db_name": b"DOE^JANE",
        "aux_file": b"DOE^JANE",
    }
    scan = read_scan(save(tmp_path / "a.nii", DATA, **texts))
    file = write_labels(tmp_path / "b.nii", np.zeros((3, 4, 5), np.uint8), scan=scan)
    assert b"DOE" not in file.read_bytes()


def test_float_labels_of_whole_numbers_are_taken(tmp_path: Path) -> None:
    labels = (DATA > 0).astype(np.float32) * 2
    file = save(tmp_path / "a.nii.gz", labels)
    np.testing.assert_array_equal(read_labels(file), labels.T)


def test_oct_keeps_its_axes_and_what_is_known(tmp_path: Path, volume: OctScan) -> None:
    partly = volume.with_spacing((None, 3.87, 11.5))
    found = read_scan(write_scan(tmp_path / "a.nii.gz", partly))
    assert found.axes == ("bscan", "depth", "width")
    assert found.spacing_um == (None, 3.87, 11.5)


@pytest.mark.parametrize("scale", [None, 0.5])
def test_large_volumes_wait_in_a_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, same: Same, scale: float | None
) -> None:
    monkeypatch.setattr("napari_retseg.io.tempfile_pixels.MEMORY_LIMIT", 10)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    file = save(tmp_path / "a.nii.gz", DATA)
    scan = read_scan(file)
    assert isinstance(scan.pixels, SpooledPixels)
    same(scan, DATA.T)
    again = pickle.loads(pickle.dumps(scan))
    assert len(list((tmp_path / "temporary").rglob("*.raw"))) == 2
    del scan
    same(again, DATA.T)
    del again
    assert list((tmp_path / "temporary").rglob("*.raw")) == []


def test_a_cut_large_volume_leaves_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_retseg.io.tempfile_pixels.MEMORY_LIMIT", 10)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (9, 9, 9), dtype=np.uint8)
    file = save(tmp_path / "a.nii.gz", noise)
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(InputError, match="truncated"):
        read_scan(file)
    assert list((tmp_path / "temporary").rglob("*.raw")) == []


def test_plain_volumes_stay_in_their_file(tmp_path: Path) -> None:
    scan = read_scan(save(tmp_path / "a.nii", DATA))
    assert isinstance(scan.pixels, PagedPixels)
    assert len(pickle.dumps(scan.pixels)) < 1000


def test_colour_voxels_are_refused(tmp_path: Path) -> None:
    colour = np.zeros((4, 3, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    with pytest.raises(InputError, match=r"a\.nii: contains values of type"):
        read_scan(save(tmp_path / "a.nii", colour))


def test_a_decathlon_volume_is_read(shared_data: Path) -> None:
    file = shared_data / "hippocampus" / "imagesTr" / "hippocampus_001.nii.gz"
    scan = read_scan(file)
    assert scan.axes == ("z", "y", "x")
    assert scan.spacing_um == (1000.0,) * 3
    image: Any = nib.load(file)
    np.testing.assert_array_equal(np.asarray(scan.pixels), np.asarray(image.dataobj).T)
    labels = read_labels(shared_data / "hippocampus" / "labelsTr" / file.name)
    assert labels.shape == scan.spatial_shape
    assert set(np.unique(labels)) == {0, 1, 2}

"""Laws: what is written is read again, for every format."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from napari_retseg.io import LabelWriter, read_labels, read_scan, write_labels, write_scan
from napari_retseg.scan import OctScan

AXES: list[tuple[Any, ...]] = [
    ("depth", "width"),
    ("bscan", "depth", "width"),
    ("y", "x"),
    ("z", "y", "x"),
]
DTYPES = ("uint8", "uint16", "int8", "int16", "int32", "uint32", "float32", "float64")
VOLUME_SUFFIXES = (".tif", ".nii", ".nii.gz", ".npz")

law = settings(deadline=None, max_examples=25)
sizes = st.one_of(st.none(), st.floats(0.5, 500).map(lambda size: round(size, 3)))


@st.composite
def scans(draw: st.DrawFn) -> OctScan:
    axes = draw(st.sampled_from(AXES))
    shape = tuple(draw(st.integers(1, 4)) for _ in axes)
    if n_channels := draw(st.integers(0, 3)):
        axes, shape = ("channel", *axes), (n_channels, *shape)
    pixels = draw(arrays.arrays(draw(st.sampled_from(DTYPES)), shape))
    spacing = tuple(draw(sizes) for axis in axes if axis != "channel")
    eye: Any = draw(st.sampled_from([None, "OD", "OS"]))
    return OctScan(pixels, axes, spacing, "file", laterality=eye)


def write_and_read(scan: OctScan, suffix: str) -> OctScan:
    with tempfile.TemporaryDirectory() as folder:
        found = read_scan(write_scan(Path(folder) / f"a{suffix}", scan))
        pixels = np.asarray(found.pixels)
    assert found.axes == scan.axes
    assert pixels.dtype == scan.pixels.dtype
    np.testing.assert_array_equal(pixels, scan.pixels)
    return found


@pytest.mark.parametrize("suffix", VOLUME_SUFFIXES)
@law
@given(scan=scans())
def test_scans_return_with_axes_and_spacing(suffix: str, scan: OctScan) -> None:
    found = write_and_read(scan, suffix)
    assert found.spacing_um == scan.spacing_um
    assert found.spacing_source == ("file" if any(scan.spacing_um) else "unknown")
    if not suffix.startswith(".nii"):
        assert found.laterality == scan.laterality


@law
@given(scan=scans())
def test_npy_returns_pixels(scan: OctScan) -> None:
    axes: dict[int, Any] = {
        2: ("depth", "width"),
        3: ("bscan", "depth", "width"),
        4: ("channel", "bscan", "depth", "width"),
    }
    write_and_read(OctScan(scan.pixels, axes[scan.pixels.ndim]), ".npy")


@law
@given(
    pixels=st.sampled_from(["uint8", "uint16"]).flatmap(
        lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=2, max_dims=2, max_side=6))
    )
)
def test_png_returns_pixels(pixels: Any) -> None:
    write_and_read(OctScan(pixels, ("depth", "width")), ".png")


@pytest.mark.parametrize("suffix", [*VOLUME_SUFFIXES, ".npy", ".png"])
@law
@given(scan=scans(), data=st.data())
def test_labels_return(suffix: str, scan: OctScan, data: st.DataObject) -> None:
    if suffix == ".png" and scan.is_volume:
        planes = np.asarray(scan.pixels).reshape(-1, *scan.spatial_shape[-2:])
        scan = OctScan(planes[0], ("depth", "width"))
    labels = data.draw(arrays.arrays(np.uint8, scan.spatial_shape))
    order = data.draw(st.permutations(range(scan.n_bscans)))
    planes = labels.reshape(scan.n_bscans, *labels.shape[-2:])
    with tempfile.TemporaryDirectory() as folder:
        whole = write_labels(Path(folder) / f"a{suffix}", labels, scan=scan)
        streamed = Path(folder) / f"b{suffix}"
        with LabelWriter(streamed, scan=scan) as writer:
            for index in order:
                writer.write(index, planes[index])
        for file in (whole, streamed):
            found = read_labels(file, shape=scan.spatial_shape)
            assert found.dtype == np.uint8
            np.testing.assert_array_equal(found, labels)


@law
@given(labels=arrays.arrays(np.uint8, (2, 3, 5)), affine=arrays.arrays(np.float32, (3, 4),
       elements=st.floats(-8, 8, width=32)))  # fmt: skip
def test_the_affine_of_a_nifti_returns_to_the_byte(labels: Any, affine: Any) -> None:
    grid = np.vstack([affine, [0, 0, 0, 1]]).astype(np.float64)
    assume(abs(np.linalg.det(grid[:3, :3])) > 0.1)
    scan = OctScan(labels, ("z", "y", "x"), affine=grid)
    with tempfile.TemporaryDirectory() as folder:
        first = read_scan(write_scan(Path(folder) / "a.nii.gz", scan))
        second = read_scan(write_labels(Path(folder) / "b.nii.gz", labels, scan=first))
    assert first.affine is not None
    assert second.affine is not None
    np.testing.assert_array_equal(first.affine, grid)
    assert first.affine.tobytes() == second.affine.tobytes()

"""A label file says which scan it belongs to, and is not opened with another one."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_retseg.classes import RETINA
from napari_retseg.dataset import Case
from napari_retseg.errors import InputError
from napari_retseg.io import LabelWriter, read_labels, read_scan, write_labels, write_scan
from napari_retseg.io.marks import make_mark
from napari_retseg.scan import OctScan
from napari_retseg.ui.layers import describe_labels
from napari_retseg.ui.writers import write_labels as save_layer
from tests.volfile import write_vol

SUFFIXES = (".tif", ".nii.gz", ".nii", ".npz", ".png")


def make_scan(seed: int, *, volume: bool) -> OctScan:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (5, 24, 32), dtype=np.uint8)
    return (
        OctScan(pixels, ("bscan", "depth", "width"))
        if volume
        else OctScan(pixels[0], ("depth", "width"))
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_labels_of_another_scan_are_refused(tmp_path: Path, suffix: str) -> None:
    own, other = (make_scan(seed, volume=suffix != ".png") for seed in (1, 2))
    labels = np.ones(own.spatial_shape, np.uint8)
    path = write_labels(tmp_path / f"labels{suffix}", labels, scan=own)
    np.testing.assert_array_equal(read_labels(path, scan=own), labels)
    with pytest.raises(InputError, match="made for another scan than this scan; choose"):
        read_labels(path, scan=other)
    np.testing.assert_array_equal(read_labels(path), labels)  # without a scan anyone may look


@pytest.mark.parametrize("suffix", [".tif", ".nii.gz"])
def test_labels_that_were_predicted_are_marked(tmp_path: Path, suffix: str) -> None:
    own, other = make_scan(1, volume=True), make_scan(2, volume=True)
    with LabelWriter(tmp_path / f"a{suffix}", scan=own) as writer:
        writer.write(2, np.ones((24, 32), np.uint8))
    assert read_labels(tmp_path / f"a{suffix}", scan=own)[2].all()
    with pytest.raises(InputError, match="another scan"):
        read_labels(tmp_path / f"a{suffix}", scan=other)


def test_a_copy_in_another_format_is_the_same_scan(tmp_path: Path) -> None:
    vol = write_vol(tmp_path / "eye.vol")
    scan = read_scan(vol)
    labels = np.ones(scan.spatial_shape, np.uint8)
    path = write_labels(tmp_path / "labels.tif", labels, scan=scan)
    copy = read_scan(write_scan(tmp_path / "copy.tif", scan))
    assert make_mark(copy).content == make_mark(scan).content
    assert read_labels(path, scan=copy).all()
    wider = replace(scan, pixels=np.asarray(scan.pixels).astype(np.uint16))
    assert read_labels(path, scan=wider).all()
    reordered = read_scan(write_vol(tmp_path / "other.vol", (3, 64, 96), from_above=True))
    assert read_labels(path, scan=reordered).all()  # the same eye, stored the other way round
    turned = replace(scan, pixels=np.asarray(scan.pixels)[::-1], source=None)
    with pytest.raises(InputError, match="another scan"):
        read_labels(path, scan=turned)


def test_the_same_file_is_the_same_scan_whatever_decodes_it(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (32, 48), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.jpg")
    scan = read_scan(tmp_path / "a.jpg")
    path = write_labels(tmp_path / "labels.tif", np.ones((32, 48), np.uint8), scan=scan)
    otherwise = np.clip(np.asarray(scan.pixels).astype(int) + 1, 0, 255).astype(np.uint8)
    assert read_labels(path, scan=replace(scan, pixels=otherwise)).all()
    Image.fromarray(otherwise).save(tmp_path / "b.png")
    with pytest.raises(InputError, match="another scan"):
        read_labels(path, scan=read_scan(tmp_path / "b.png"))


def test_a_dataset_refuses_labels_of_another_scan(tmp_path: Path) -> None:
    files = [write_scan(tmp_path / f"{n}.tif", make_scan(n, volume=True)) for n in (1, 2)]
    labels = np.ones((5, 24, 32), np.uint8)
    path = write_labels(tmp_path / "labels.tif", labels, scan=read_scan(files[0]))
    assert Case(image=files[0], label=path, group="g").read_labels().all()
    with pytest.raises(InputError, match=r"labels\.tif: these labels were made for another scan"):
        Case(image=files[1], label=path, group="g").read_labels()


def test_a_layer_is_saved_with_the_mark_of_its_scan(tmp_path: Path) -> None:
    file = write_scan(tmp_path / "scan.tif", make_scan(1, volume=True))
    scan = read_scan(file)
    labels = np.ones((5, 24, 32), np.uint8)
    metadata = describe_labels(scan, RETINA)
    (saved,) = save_layer(str(tmp_path / "layer.tif"), labels, {"metadata": metadata})
    with pytest.raises(InputError, match="another scan"):
        read_labels(Path(saved), scan=make_scan(2, volume=True))
    assert read_labels(Path(saved), scan=scan).all()
    shutil.move(file, tmp_path / "away.tif")
    (unmarked,) = save_layer(str(tmp_path / "other.tif"), labels, {"metadata": metadata})
    assert read_labels(Path(unmarked), scan=make_scan(2, volume=True)).all()

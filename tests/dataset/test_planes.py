"""Sparse label folders: which B-scans they hold, and what a case reads of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from napari_retseg.classes import LabelSet
from napari_retseg.dataset import (
    BscanState,
    Case,
    Dataset,
    list_planes,
    plane_path,
    read_plane,
    read_planes,
    write_plane,
)
from napari_retseg.errors import InputError
from napari_retseg.io import write_labels
from tests.dataset.conftest import draw_labels, quick, write_png

SHAPE = (5, 6, 8)
CONFIRMED = BscanState(state="confirmed")
CORRECTED = BscanState(state="corrected")
CLASSES = LabelSet.from_names(["layer", "fluid"])


def make_case(folder: Path, states: dict[int, BscanState], shape: tuple[int, ...] = SHAPE) -> Case:
    """A scan of five B-scans (or one) with an empty label folder."""
    image = folder / ("scan.tif" if len(shape) == 3 else "scan.png")
    if len(shape) == 3:
        tifffile.imwrite(image, np.zeros(shape, np.uint8), photometric="minisblack")
    else:
        write_png(image, np.zeros(shape, np.uint8))
    (folder / "labels").mkdir()
    return Case(image=image, label=folder / "labels", group="P1", bscans=states)


@quick
@given(
    plane=arrays.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20))),
    bscan=st.integers(0, 20000),
)
def test_a_plane_reads_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, plane: np.ndarray, bscan: int
) -> None:
    folder = tmp_path_factory.mktemp("planes")
    write_plane(plane_path(folder, bscan), plane)
    assert list_planes(folder) == [bscan]
    height, width = plane.shape
    np.testing.assert_array_equal(read_plane(plane_path(folder, bscan), (height, width)), plane)
    with Image.open(plane_path(folder, bscan)) as image:
        assert (image.format, image.mode) == ("PNG", "L")


def test_only_numbered_files_are_planes(tmp_path: Path) -> None:
    names = ["0003.png", "12.png", "00012.png", "10000.png", ".retseg-0001.png", "0001.tif", "a"]
    for name in names:
        (tmp_path / name).touch()
    assert list_planes(tmp_path) == [3, 10000]
    assert list_planes(tmp_path / "none") == []


def test_missing_planes_hold_the_value_that_was_asked_for(tmp_path: Path) -> None:
    write_plane(plane_path(tmp_path, 1), draw_labels(1))
    write_plane(plane_path(tmp_path, 4), draw_labels(4))
    labels = read_planes(tmp_path, SHAPE, missing=7)
    assert [set(np.unique(labels[i])) == {7} for i in range(5)] == [True, False, True, True, False]
    np.testing.assert_array_equal(labels[4], draw_labels(4))
    only = read_planes(tmp_path, SHAPE, missing=7, only={4})
    assert (only[1] == 7).all()
    assert (only[4] == labels[4]).all()


def test_what_does_not_fit_names_the_file(tmp_path: Path) -> None:
    write_plane(plane_path(tmp_path, 1), draw_labels(shape=(6, 9)))
    with pytest.raises(InputError, match=r"0001\.png.*\(6, 9\)"):
        read_planes(tmp_path, SHAPE, missing=0)
    write_plane(plane_path(tmp_path, 1), draw_labels())
    plane_path(tmp_path, 2).write_bytes(b"half a file")
    with pytest.raises(InputError, match=r"0002\.png: cannot be read"):
        read_planes(tmp_path, SHAPE, missing=0)
    plane_path(tmp_path, 2).rename(plane_path(tmp_path, 5))
    with pytest.raises(InputError, match=r"0005\.png: the scan has only 5 B-scans, counted from 0"):
        read_planes(tmp_path, SHAPE, missing=0)
    with pytest.raises(InputError, match="8-bit with two axes, not int64"):
        write_plane(plane_path(tmp_path, 1), np.zeros((6, 8), np.int64))
    np.testing.assert_array_equal(read_plane(plane_path(tmp_path, 1), (6, 8)), draw_labels())


def test_a_case_reads_what_is_confirmed_in_a_sparse_folder(tmp_path: Path) -> None:
    case = make_case(tmp_path, {1: CONFIRMED, 3: CORRECTED})
    write_plane(plane_path(tmp_path / "labels", 1), draw_labels(1))
    stray = np.full((6, 8), 9, np.uint8)  # a value that is no class, in work that goes on
    write_plane(plane_path(tmp_path / "labels", 3), stray)
    labels = case.read_labels(CLASSES)
    assert labels.shape == SHAPE
    np.testing.assert_array_equal(labels[1], draw_labels(1))
    assert (np.delete(labels, 1, axis=0) == 255).all()
    assert case.annotated_bscans() == [1]


def test_a_case_reads_a_sparse_folder_that_is_full_by_now(tmp_path: Path) -> None:
    case = make_case(tmp_path, {i: CONFIRMED if i else CORRECTED for i in range(5)})
    for bscan in range(5):
        write_plane(plane_path(tmp_path / "labels", bscan), draw_labels(bscan))
    labels = case.read_labels(CLASSES)
    assert (labels[0] == 255).all()
    np.testing.assert_array_equal(labels[1:], [draw_labels(i) for i in range(1, 5)])


def test_a_full_folder_that_counts_from_one_is_read_in_order(tmp_path: Path) -> None:
    case = make_case(tmp_path, {0: CONFIRMED})
    for bscan in range(5):
        write_labels(tmp_path / "labels" / f"{bscan + 1:04d}.png", draw_labels(bscan))
    np.testing.assert_array_equal(case.read_labels(CLASSES), [draw_labels(i) for i in range(5)])


def test_a_single_bscan_has_number_0(tmp_path: Path) -> None:
    case = make_case(tmp_path, {0: CONFIRMED}, shape=(6, 8))
    write_plane(plane_path(tmp_path / "labels", 0), draw_labels(3))
    np.testing.assert_array_equal(case.read_labels(CLASSES), draw_labels(3))


def test_what_is_not_confirmed_does_not_change_the_fingerprint(tmp_path: Path) -> None:
    case = make_case(tmp_path, {1: CONFIRMED, 3: CORRECTED})
    dataset = Dataset(root=tmp_path, name="x", labels=CLASSES, cases=(case,))
    for bscan in (1, 3):
        write_plane(plane_path(tmp_path / "labels", bscan), draw_labels(bscan))
    before = dataset.fingerprint(dataset.cases)
    write_plane(plane_path(tmp_path / "labels", 3), draw_labels(4))
    assert dataset.fingerprint(dataset.cases) == before
    write_plane(plane_path(tmp_path / "labels", 1), draw_labels(4))
    assert dataset.fingerprint(dataset.cases) != before


def test_a_case_knows_what_the_user_said_about_its_scan(tmp_path: Path) -> None:
    case = make_case(tmp_path, {})
    said = {"spacing_um": [None, 3.9, 11], "spacing_source": "user", "laterality": "OS"}
    scan = case.model_copy(update={"about": said}).read_scan()
    assert (scan.spacing_um, scan.spacing_source) == ((None, 3.9, 11.0), "user")
    assert scan.laterality == "OS"
    noted = case.model_copy(update={"about": {"spacing_um": [1, 2, 3], "laterality": "left"}})
    scan = noted.read_scan()
    assert (scan.spacing_source, scan.laterality) == ("unknown", None)
    wrong = case.model_copy(update={"about": {"spacing_source": "user", "spacing_um": ["a"]}})
    with pytest.raises(InputError, match=r"scan\.tif: spacing_um in dataset\.json"):
        wrong.read_scan()

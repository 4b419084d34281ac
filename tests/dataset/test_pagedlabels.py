"""Labels that memory need not hold: like an array, with the room of what was asked for."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_retseg.dataset import plane_path, write_plane
from napari_retseg.dataset.pagedlabels import PagedLabels, make_labels, open_planes, peek
from napari_retseg.errors import InputError

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows makes no file of 30 GB with holes by itself"
)

#: 30 GB: more than what tests run on has in memory.
SHAPE = (30_000, 1000, 1000)


def draw(value: int) -> np.ndarray:
    plane = np.zeros(SHAPE[1:], np.uint8)
    plane[200:300] = value
    return plane


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for bscan in (3, 29_999):
        write_plane(plane_path(tmp_path, bscan), draw(bscan % 7 + 1))
    return tmp_path


def test_a_bscan_is_read_when_it_is_asked_for(folder: Path) -> None:
    labels = open_planes(folder, SHAPE)
    assert isinstance(labels, PagedLabels)
    np.testing.assert_array_equal(labels[3], draw(4))
    np.testing.assert_array_equal(labels[-1, 190:210, 5], draw(29_999 % 7 + 1)[190:210, 5])
    assert not labels[15_000].any()
    plane_path(folder, 3).unlink()
    np.testing.assert_array_equal(labels[3], draw(4))


def test_what_is_written_stays(folder: Path) -> None:
    labels = open_planes(folder, SHAPE)
    expected = {3: draw(4), 40: np.zeros(SHAPE[1:], np.uint8), 41: draw(5)}
    labels[3][10:20] = 2
    expected[3][10:20] = 2
    places = np.array([3, 40]), np.array([5, 6]), np.array([7, 8])
    labels[places] = 6
    expected[3][5, 7] = expected[40][6, 8] = 6
    labels[41] = draw(5)
    labels[41, 0, :3] = 1
    expected[41][0, :3] = 1
    for bscan in range(100, 180):
        labels[bscan, 0, 0] = 1  # those that were mapped before are let go of
    for bscan, plane in expected.items():
        np.testing.assert_array_equal(labels[bscan], plane)
        np.testing.assert_array_equal(peek(labels, bscan), plane)
    np.testing.assert_array_equal(labels[places], [6, 6])


def test_a_look_takes_no_room(folder: Path) -> None:
    labels = open_planes(folder, SHAPE)
    np.testing.assert_array_equal(peek(labels, 3), draw(4))
    peek(labels, 4)[...] = 1
    write_plane(plane_path(folder, 3), draw(5))
    np.testing.assert_array_equal(labels[3], draw(5))
    assert not labels[4].any()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux punches holes into files")
def test_what_lies_in_its_file_gives_its_room_back(folder: Path) -> None:
    labels = open_planes(folder, SHAPE)
    assert isinstance(labels, PagedLabels)

    def used() -> int:
        return os.fstat(labels._file.fileno()).st_blocks * 512

    for bscan in (2, 3, 4):
        labels[bscan] = draw(bscan)
    before = used()
    write_plane(plane_path(folder, 3), draw(3))
    labels.release(3)
    assert before - used() >= 0.9 * 1e6
    for bscan in (2, 3, 4):
        np.testing.assert_array_equal(labels[bscan], draw(bscan))


def test_without_files_nothing_is_given_back() -> None:
    labels = make_labels(SHAPE)
    assert isinstance(labels, PagedLabels)
    labels[3] = draw(3)
    labels.release(3)
    np.testing.assert_array_equal(labels[3], draw(3))


def test_damaged_labels_are_found_at_once_and_a_damaged_prediction_is_not_annotated(
    folder: Path,
) -> None:
    plane_path(folder, 3).write_bytes(b"no PNG")
    with pytest.raises(InputError, match=r"0003\.png"):
        open_planes(folder, SHAPE)
    assert (open_planes(folder, SHAPE, instead=255)[3] == 255).all()
    write_plane(plane_path(folder, 30_000), draw(1))
    with pytest.raises(InputError, match="B-scans, counted from 0"):
        open_planes(folder, SHAPE, instead=255)


def test_its_file_goes_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr("napari_retseg.dataset.pagedlabels.scratch_folder", lambda: tmp_path)
    labels = open_planes(folder, SHAPE)
    labels[5, 0, 0] = 1
    assert len(list(tmp_path.glob("*.labels"))) == 1
    del labels
    assert not list(tmp_path.glob("*.labels"))


def test_small_labels_are_an_array(folder: Path) -> None:
    shape = (5, *SHAPE[1:])
    labels = open_planes(folder, shape, only={3})
    assert isinstance(labels, np.ndarray)
    np.testing.assert_array_equal(labels[3], draw(4))

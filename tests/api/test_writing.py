"""Datasets written from arrays, files and scans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_retseg as rs
from napari_retseg.dataset import load_dataset
from napari_retseg.errors import InputError, RetsegError, UsageError
from napari_retseg.io import write_labels, write_scan
from tests.conftest import check_line

CLASSES = ["upper", "lower", "fluid"]


def test_arrays_files_and_scans_become_one_dataset(tmp_path: Path, volume: np.ndarray) -> None:
    labels = (volume > 100).astype(np.int64)
    image = write_scan(tmp_path / "eye.tif", rs.read_scan(volume))
    label = write_labels(tmp_path / "eye-labels.tif", labels.astype(np.uint8))
    written = rs.make_dataset(
        tmp_path / "study",
        [volume, str(image), rs.read_scan(image), volume.astype(np.float16)],
        [labels, str(label), label, labels],
        patients=["P1", "P1", "P2", "P3"],
        classes=CLASSES,
        spacing_um=(120, 3.9, 11.6),
    )
    read = load_dataset(tmp_path / "study")
    assert read.cases == written.cases
    assert read.labels.names == ("background", *CLASSES)
    assert [case.group for case in read.cases] == ["P1", "P1", "P2", "P3"]
    for case in read.cases:
        scan = case.read_scan()
        assert np.array_equal(np.asarray(scan.pixels), volume)
        assert scan.spacing_um == pytest.approx((120, 3.9, 11.6))
        found = case.read_labels(read.labels, shape=scan.spatial_shape)
        assert np.array_equal(found, labels)


@pytest.mark.parametrize(
    ("change", "kind", "line"),
    [
        ({"images": "eye.tif"}, UsageError, "expected images as a list"),
        ({"patients": ["P1", "P2"]}, UsageError, "1 images, 1 labels and 2 patients"),
        ({"images": [], "labels": [], "patients": []}, UsageError, "at least one"),
        ({"patients": [1]}, UsageError, "names of patients"),
        ({"patients": [" "]}, UsageError, "names of patients"),
        ({"images": ["nowhere.tif"]}, InputError, "nowhere.tif"),
        ({"labels": [np.zeros((2, 2))]}, InputError, "shape (8, 9), got (2, 2)"),
        ({"labels": [np.full((8, 9), 7)]}, InputError, "label values [7]"),
        ({"classes": "upper"}, UsageError, "class names, as in"),
        ({"classes": [1, 2]}, UsageError, "class names, as in"),
        ({"classes": ["a", "a"]}, UsageError, "distinct"),
        ({"folder": 7}, UsageError, "expected a folder for the dataset"),
    ],
)
def test_what_makes_no_dataset_is_one_line_and_writes_nothing(
    tmp_path: Path, change: dict[str, Any], kind: type[RetsegError], line: str
) -> None:
    arguments: dict[str, Any] = {
        "folder": tmp_path / "study",
        "images": [np.ones((8, 9), np.uint8)],
        "labels": [np.zeros((8, 9), np.uint8)],
        "patients": ["P1"],
        "classes": CLASSES,
    }
    with pytest.raises(kind) as caught:
        rs.make_dataset(**{**arguments, **change})
    assert line in check_line(caught.value)
    assert not (tmp_path / "study").exists()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    image = np.ones((8, 9), np.uint8)
    with pytest.raises(InputError, match="this folder is not empty"):
        rs.make_dataset(tmp_path, [image], [image], patients=["P1"], classes=CLASSES)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]

"""A scan and its labels as a picture, and in napari."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

import napari_retseg as rs
from napari_retseg.errors import InputError, RetsegError, UsageError
from napari_retseg.io import write_labels, write_scan
from tests.conftest import check_line


@pytest.fixture(autouse=True)
def _no_windows() -> Iterator[None]:
    plt.switch_backend("agg")
    yield
    plt.close("all")


@pytest.fixture
def volume(rng: np.random.Generator) -> np.ndarray:
    """Grey values of five B-scans."""
    return rng.integers(0, 200, (5, 64, 96), dtype=np.uint8)


@pytest.fixture
def labels() -> np.ndarray:
    """A layer in all of them, and fluid in the third."""
    labels = np.zeros((5, 64, 96), np.uint8)
    labels[:, 20:30] = 1
    labels[2, 40:50] = 8
    return labels


def picture(ax: Any) -> np.ndarray:
    """Return the pixels that were drawn."""
    (image,) = ax.images
    drawn: np.ndarray = image.get_array()
    return drawn


def test_labels_are_drawn_in_colour_with_a_legend(volume: np.ndarray, labels: np.ndarray) -> None:
    classes = rs.load_model("starter").classes
    ax = rs.show(volume, labels, classes=classes)
    assert ax.get_title() == "B-scan 2 of 5"
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["NFL", classes[8]]
    drawn = picture(ax)
    is_grey = (drawn == drawn[..., :1]).all(axis=-1)
    assert not is_grey[20:30].any()
    assert is_grey[:20].all()


def test_text_paths_arrays_and_scans_are_shown(
    tmp_path: Path, volume: np.ndarray, labels: np.ndarray
) -> None:
    image = write_scan(tmp_path / "scan.tif", rs.read_scan(volume))
    label = write_labels(tmp_path / "labels.tif", labels)
    wanted = picture(rs.show(volume, labels))
    for given in ((image, label), (str(image), str(label)), (rs.read_scan(volume), labels)):
        assert np.array_equal(picture(rs.show(*given)), wanted)


def test_a_bscan_alone_and_a_place_to_draw(volume: np.ndarray, labels: np.ndarray) -> None:
    _, (left, right) = plt.subplots(1, 2)
    assert rs.show(volume[0], ax=left) is left
    assert left.get_legend() is None
    assert rs.show(volume, labels, ax=left, legend=False).get_legend() is None
    rs.show(volume, labels, bscan=0, ax=right)
    assert right.get_title() == "B-scan 0 of 5"
    assert right.get_legend().get_texts()[0].get_text() == "class 1"


@pytest.mark.parametrize(
    ("arguments", "options", "kind", "line"),
    [
        (("nowhere.tif",), {}, InputError, "nowhere.tif"),
        ((["a.tif"],), {}, UsageError, "list of str"),
        ((np.ones((5, 8, 9)), np.ones((5, 8, 8))), {}, InputError, "shape (5, 8, 9)"),
        ((np.ones((5, 8, 9)),), {"bscan": 5}, UsageError, "bscan from 0 to 4, got 5"),
        ((np.ones((8, 9)),), {"classes": "NFL"}, UsageError, "class names"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_cannot_be_shown_is_one_line(
    arguments: Any, options: dict[str, Any], kind: type[RetsegError], line: str
) -> None:
    with pytest.raises(kind) as caught:
        rs.show(*arguments, **options)
    assert line in check_line(caught.value)


def test_napari_shows_the_volume_with_its_labels(
    volume: np.ndarray, labels: np.ndarray, qtbot: Any
) -> None:
    scan = rs.read_scan(volume, spacing_um=(120, 4, 12))
    viewer = rs.show(scan, labels, classes=["NFL"], bscan=3, viewer=True)
    try:
        image, layer = viewer.layers
        assert np.array_equal(np.asarray(image.data), volume)
        assert np.array_equal(layer.data, labels)
        assert viewer.dims.current_step[0] == 3
        assert list(layer.scale) == list(image.scale)
        assert list(layer.scale[1:]) == [4, 12]
    finally:
        viewer.close()

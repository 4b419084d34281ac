from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_retseg.errors import InputError
from napari_retseg.io import read_labels, read_scan
from napari_retseg.ui.readers import read_layers
from napari_retseg.ui.writers import write_image, write_labels


def attributes_of(layer: Image | Labels) -> tuple[Any, dict[str, Any]]:
    data, attributes, _ = cast("Any", layer).as_layer_data_tuple()
    return data, attributes


def labels_on(volume: Path) -> Labels:
    ((pixels, arguments, _),) = read_layers(str(volume))
    labels = np.random.default_rng(0).integers(0, 9, pixels.shape, dtype=np.uint8)
    return Labels(labels, **{**arguments, "name": "labels"})


@pytest.mark.parametrize("suffix", [".tif", ".nii.gz", ".nii", ".npy", ".npz"])
def test_labels_come_back_equal(volume: Path, tmp_path: Path, suffix: str) -> None:
    layer = labels_on(volume)
    path = tmp_path / f"labels{suffix}"
    assert write_labels(str(path), *attributes_of(layer)) == [str(path)]
    found = read_labels(path)
    if suffix.startswith(".nii"):
        found = read_labels(path, shape=found.shape)
    np.testing.assert_array_equal(found, layer.data)


def test_tiff_of_labels_keeps_the_scale(volume: Path, tmp_path: Path) -> None:
    path = tmp_path / "labels.tif"
    write_labels(str(path), *attributes_of(labels_on(volume)))
    np.testing.assert_allclose(read_scan(path).spacing_um, (120.0, 3.5, 25.0))  # type: ignore[arg-type]


def test_png_holds_one_bscan(tmp_path: Path) -> None:
    layer = Labels(np.eye(5, dtype=np.int64))
    write_labels(str(tmp_path / "one.png"), *attributes_of(layer))
    np.testing.assert_array_equal(read_labels(tmp_path / "one.png"), layer.data)
    with pytest.raises(InputError, match=r"many\.png"):
        write_labels(str(tmp_path / "many.png"), *attributes_of(Labels(np.zeros((2, 5, 5), int))))


def test_values_beyond_8_bits_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.tif"
    for value in (256, -1):
        with pytest.raises(InputError, match="from 0 to 255"):
            write_labels(str(path), np.full((4, 4), value), {})
    assert not path.exists()


@pytest.mark.parametrize("suffix", [".tif", ".nii.gz", ".npy"])
def test_scan_comes_back_equal(volume: Path, tmp_path: Path, suffix: str) -> None:
    ((pixels, arguments, _),) = read_layers(str(volume))
    path = tmp_path / f"copy{suffix}"
    assert write_image(str(path), *attributes_of(Image(pixels, **arguments))) == [str(path)]
    np.testing.assert_array_equal(np.asarray(read_scan(path).pixels), np.asarray(pixels))


def test_scale_in_micrometres_of_any_layer_is_written(tmp_path: Path) -> None:
    layer = Image(np.zeros((4, 5), np.uint8), scale=(3.5, 11.0), units=("um", "um"))
    write_image(str(tmp_path / "one.tif"), *attributes_of(layer))
    np.testing.assert_allclose(read_scan(tmp_path / "one.tif").spacing_um, (3.5, 11.0))  # type: ignore[arg-type]


def test_what_is_no_scan_is_refused(tmp_path: Path) -> None:
    layer = Image(np.zeros((4, 5, 3), np.uint8), rgb=True)
    with pytest.raises(InputError, match="grey"):
        write_image(str(tmp_path / "photo.tif"), *attributes_of(layer))

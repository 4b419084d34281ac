"""What a layer's metadata say of a file counts only while the layer is what was read from it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from napari.layers._layer_actions import _duplicate_layer

from napari_retseg.classes import RETINA
from napari_retseg.io import read_scan, write_scan
from napari_retseg.scan import OctScan
from napari_retseg.ui.layers import make_labels_layer, scan_of_layer
from napari_retseg.ui.placing import VIEWS, place_axes
from napari_retseg.ui.provenance import PIXELS
from napari_retseg.ui.readers import read_layers
from napari_retseg.ui.writers import write_image, write_labels

SHAPE = (4, 6, 8)
SPACING = (120.0, 3.5, 11.0)
#: Within the B-scan.
TURN = np.array([[1.0, 0.0, 0.0], [0.0, 0.8, -0.6], [0.0, 0.6, 0.8]])


@pytest.fixture(params=[".nii.gz", ".npz", ".tif"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A scan whose pixels are read into memory, or stay in their file."""
    pixels = np.random.default_rng(1).integers(0, 255, SHAPE, dtype=np.uint8)
    scan = OctScan(
        pixels=pixels,
        axes=("bscan", "depth", "width"),
        spacing_um=SPACING,
        spacing_source="file",
    )
    return write_scan(tmp_path / f"eye{request.param}", scan)


def open_layer(file: Path) -> Image:
    layer = Layer.create(*read_layers(str(file))[-1])
    assert isinstance(layer, Image)
    return layer


def attributes(layer: Layer) -> tuple[Any, dict[str, Any]]:
    data, given, _ = cast("Any", layer).as_layer_data_tuple()
    return data, given


def remade(layer: Image, data: Any, **changed: Any) -> Image:
    """A layer that a plugin makes from another one's data and attributes."""
    given = {**attributes(layer)[1], **changed}
    given.pop("contrast_limits", None)
    return Image(data, **given)


def duplicate(layer: Image) -> Layer:
    viewer = ViewerModel()
    viewer.layers.append(layer)
    viewer.layers.selection = {layer}
    _duplicate_layer(viewer.layers)
    return next(one for one in viewer.layers if one is not layer)


def set_scale(layer: Image) -> Image:
    layer.scale = 2 * layer.scale
    return layer


def set_units(layer: Image) -> Image:
    layer.units = ["mm"] * layer.ndim
    return layer


def set_attribute(name: str, value: Any) -> Callable[[Image], Image]:
    def change(layer: Image) -> Image:
        setattr(layer, name, value)
        return layer

    return change


def change_in_place(layer: Image) -> Layer:
    layer.data = np.array(layer.data)
    return layer


DERIVED: dict[str, Callable[[Image], Layer]] = {
    "flipped in depth": lambda layer: remade(layer, np.asarray(layer.data)[:, ::-1]),
    "flipped across": lambda layer: remade(layer, np.asarray(layer.data)[:, :, ::-1]),
    "order of B-scans": lambda layer: remade(layer, np.asarray(layer.data)[::-1]),
    "inverted": lambda layer: remade(layer, 255 - np.asarray(layer.data)),
    "cropped": lambda layer: remade(layer, np.asarray(layer.data)[1:3]),
    "cropped and moved": lambda layer: remade(
        layer, np.asarray(layer.data)[:, 2:], translate=(0, 7, 0)
    ),
    "half the size": lambda layer: remade(layer, np.asarray(layer.data)[:, ::2, ::2]),
    "duplicated": duplicate,
    "replaced": change_in_place,
    "other scale": set_scale,
    "other units": set_units,
    "mirrored scale": set_attribute("scale", (1.0, -3.5, 11.0)),
    "moved": set_attribute("translate", (1.0, 0.0, 0.0)),
    "turned": set_attribute("rotate", TURN),
    "sheared": set_attribute("shear", (0.0, 0.1, 0.0)),
    "transformed": set_attribute("affine", np.diag([1.0, 1.0, -1.0, 1.0])),
    "several sizes": lambda layer: Image(
        [np.asarray(layer.data), np.asarray(layer.data)[:, ::2, ::2]],
        multiscale=True,
        metadata=layer.metadata,
        scale=tuple(layer.scale),
        units=layer.units,
    ),
    "one B-scan": lambda layer: Image(
        np.asarray(layer.data)[0],
        metadata=layer.metadata,
        scale=tuple(layer.scale[1:]),
        units=layer.units[1:],
    ),
}


@pytest.mark.parametrize("derive", DERIVED.values(), ids=DERIVED.keys())
def test_derived_layers_are_not_taken_for_the_file(
    derive: Callable[[Image], Layer], file: Path, tmp_path: Path
) -> None:
    layer = derive(open_layer(file))
    assert isinstance(layer, Image)
    found = scan_of_layer(layer)
    assert found.source is None
    assert found.spacing_source != "file"
    assert found.affine is None
    write_image(str(tmp_path / "written.npz"), *attributes(layer))
    written = read_scan(tmp_path / "written.npz")
    assert not written.is_volume or written.spacing_um[0] in (None, 1000.0)


def test_pixels_that_are_changed_in_place_are_no_longer_the_files(tmp_path: Path) -> None:
    scan = OctScan(pixels=np.zeros(SHAPE, np.uint8), axes=("bscan", "depth", "width"))
    layer = open_layer(write_scan(tmp_path / "eye.npz", scan))
    layer.data = np.asarray(layer.data)
    fresh = open_layer(tmp_path / "eye.npz")
    if isinstance(fresh.data, np.ndarray):
        assert scan_of_layer(fresh).source is not None
        fresh.data[2, 3, 4] = 9
        assert scan_of_layer(fresh).source is None


@pytest.mark.parametrize("view", VIEWS)
def test_a_scan_is_the_files_in_each_view(file: Path, view: Any) -> None:
    layer = open_layer(file)
    placed = place_axes(("bscan", "depth", "width"), SPACING, view)
    layer.scale, layer.units = placed["scale"], placed["units"]
    found = scan_of_layer(layer)
    assert found.source == file
    np.testing.assert_allclose(cast("Any", found.spacing_um), SPACING, rtol=1e-5)


def test_a_copy_of_the_metadata_is_of_no_file(file: Path) -> None:
    layer = open_layer(file)
    copied = deepcopy(layer.metadata)
    assert layer.metadata[PIXELS].are(layer.data)
    assert not copied[PIXELS].are(layer.data)
    assert not pickle.loads(pickle.dumps(layer.metadata[PIXELS])).are(layer.data)


def labels_on(file: Path) -> Labels:
    source = open_layer(file)
    labels = np.random.default_rng(0).integers(0, 9, SHAPE, dtype=np.uint8)
    return make_labels_layer(
        labels, name="it", scan=scan_of_layer(source), source=source, classes=RETINA
    )


def test_labels_keep_the_grid_of_their_scan(file: Path, tmp_path: Path) -> None:
    layer = labels_on(file)
    layer.data[1, 2:4] = 3  # painted on
    write_labels(str(tmp_path / "labels.nii.gz"), *attributes(layer))
    written = read_scan(tmp_path / "labels.nii.gz")
    np.testing.assert_allclose(cast("Any", written.spacing_um), SPACING, rtol=1e-5)
    known = read_scan(file).affine
    if known is not None:
        np.testing.assert_allclose(cast("Any", written.affine), known, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "spacing"),
    [
        ({"scale": (1.0, 7.0, 22.0)}, (None, 7.0, 22.0)),
        ({"scale": (0.1, 0.0035, 0.011), "units": ("mm",) * 3}, (100.0, 3.5, 11.0)),
        ({"units": ("pixel",) * 3}, (None, None, None)),
        ({"rotate": TURN}, (None, None, None)),
        ({"translate": (0, 5, 0)}, (None, 3.5, 11.0)),
    ],
)
def test_labels_elsewhere_have_the_scale_that_they_are_shown_at(
    change: dict[str, Any], spacing: tuple[float | None, ...], file: Path, tmp_path: Path
) -> None:
    data, given = attributes(labels_on(file))
    write_labels(str(tmp_path / "labels.npz"), data, {**given, **change})
    found = read_scan(tmp_path / "labels.npz").spacing_um
    assert [None if um is None else round(um, 4) for um in found] == list(spacing)


def test_cropped_labels_are_not_on_the_scans_grid(file: Path, tmp_path: Path) -> None:
    data, given = attributes(labels_on(file))
    write_labels(str(tmp_path / "part.npz"), data[1:3], given)
    assert read_scan(tmp_path / "part.npz").spacing_um == (None, *SPACING[1:])

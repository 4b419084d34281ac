"""The slider counts B-scans whatever is open; the shape of pixels is true, or square on request."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer

from napari_retseg.classes import RETINA
from napari_retseg.scan import OctScan
from napari_retseg.ui.aspect import aspect_of
from napari_retseg.ui.layers import make_labels_layer, scan_of_layer
from napari_retseg.ui.readers import layers_of_scan

SHAPE = (5, 40, 60)


def make_scan(
    shape: tuple[int, ...] = SHAPE, spacing: tuple[float | None, ...] = (120.0, 3.5, 11.0)
) -> OctScan:
    return OctScan(
        pixels=np.zeros(shape, np.uint8),
        axes=("bscan", "depth", "width"),
        spacing_um=spacing,
        spacing_source="file",
        source=Path("eye.vol"),
        fundus=np.zeros((600, 500), np.uint8),
        metadata={"fundus_spacing_um": (11.0, 11.0)},
    )


def show(viewer: ViewerModel, scan: OctScan) -> Image:
    layers = [Layer.create(*data) for data in layers_of_scan(scan)]
    for layer in layers:
        viewer.layers.append(layer)
    assert isinstance(layers[-1], Image)
    return layers[-1]


def label(viewer: ViewerModel, image: Image) -> Labels:
    layer = make_labels_layer(
        np.zeros(image.data.shape, np.uint8),
        name="labels",
        scan=scan_of_layer(image),
        source=image,
        classes=RETINA,
    )
    viewer.layers.append(layer)
    return layer


@pytest.mark.parametrize("spacing", [(120.0, 3.5, 11.0), (None, 3.5, 11.0), (None, None, None)])
@pytest.mark.parametrize(
    "other", [None, (250.0, 3.5, 11.0), (7.3, 3.5, 11.0), (None, None, None), "plain"]
)
def test_the_slider_counts_bscans(
    spacing: tuple[float | None, ...], other: str | tuple[float | None, ...] | None
) -> None:
    viewer = ViewerModel()
    image = show(viewer, make_scan(spacing=spacing))
    if other == "plain":
        viewer.layers.append(Image(np.zeros((3, 9, 9), np.uint8)))
    elif other is not None:
        show(viewer, make_scan(spacing=other))  # type: ignore[arg-type]
    assert viewer.dims.nsteps[0] == 5
    for bscan in range(5):
        viewer.dims.set_current_step(0, bscan)
        assert round(float(image.world_to_data(viewer.dims.point)[-3])) == bscan


def test_what_is_fitted_into_the_window_is_the_bscan() -> None:
    viewer = ViewerModel()
    show(viewer, make_scan())
    _, last = viewer.layers.extent.world
    assert last[-2] <= 40 * 3.5
    assert last[-1] <= 60 * 11.0


def test_square_pixels_and_back_with_all_that_lies_on_the_scan() -> None:
    viewer = ViewerModel()
    image = show(viewer, make_scan())
    labels = label(viewer, image)
    drawn = Labels(np.zeros(SHAPE, np.uint8), scale=image.scale, units=image.units)
    viewer.layers.append(drawn)
    viewer.dims.set_current_step(0, 3)
    aspect = aspect_of(viewer)
    told: list[bool] = []
    aspect.changed.connect(told.append)
    before = [layer.scale.copy() for layer in viewer.layers]
    aspect.set_square(True)
    changed: tuple[Layer, ...] = (image, labels, drawn)
    for layer in changed:
        np.testing.assert_array_equal(layer.scale, (1, 1, 1))
    assert viewer.layers.extent.world[1][-2] <= 40  # the en-face image is no higher
    assert viewer.dims.current_step[0] == 3
    assert scan_of_layer(image).source == Path("eye.vol")
    aspect.set_square(False)
    for layer, scale in zip(viewer.layers, before, strict=True):
        np.testing.assert_allclose(layer.scale, scale)
    assert told == [True, False]


def test_three_dimensions_have_true_lengths_and_the_bscan_stays() -> None:
    viewer = ViewerModel()
    aspect_of(viewer)
    image = show(viewer, make_scan())
    labels = label(viewer, image)
    viewer.dims.set_current_step(0, 3)
    viewer.dims.ndisplay = 3
    for layer in (image, labels):
        np.testing.assert_array_equal(layer.scale, (120.0, 3.5, 11.0))
    viewer.dims.ndisplay = 2
    np.testing.assert_array_equal(image.scale, (1.0, 3.5, 11.0))
    assert viewer.dims.current_step[0] == 3


def test_a_scan_that_comes_later_is_seen_as_the_others() -> None:
    viewer = ViewerModel()
    aspect_of(viewer).set_square(True)
    np.testing.assert_array_equal(show(viewer, make_scan()).scale, (1, 1, 1))


def test_layers_that_the_user_has_moved_are_left_alone() -> None:
    viewer = ViewerModel()
    moved, other = show(viewer, make_scan()), Image(np.zeros((4, 4)), scale=(2, 3))
    viewer.layers.append(other)
    moved.translate = (0, 5, 5)
    aspect_of(viewer).set_square(True)
    np.testing.assert_array_equal(moved.scale, (1.0, 3.5, 11.0))
    np.testing.assert_array_equal(other.scale, (2, 3))


def test_there_is_one_for_each_viewer() -> None:
    first, second = ViewerModel(), ViewerModel()
    assert aspect_of(first) is aspect_of(first)
    assert aspect_of(first) is not aspect_of(second)

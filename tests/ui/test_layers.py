from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image

from napari_retseg.classes import IGNORE, RETINA
from napari_retseg.errors import InputError
from napari_retseg.scan import OctScan
from napari_retseg.ui.layers import (
    CLASSES,
    FUNDUS,
    is_scan_layer,
    make_colormap,
    make_labels_layer,
    place_scan,
    scan_of_layer,
)
from napari_retseg.ui.provenance import PROVENANCE
from napari_retseg.ui.readers import layers_of_scan


def scan(*shape: int, spacing: tuple[float | None, ...] = ()) -> OctScan:
    axes = ("channel", "bscan", "depth", "width")[-len(shape) :]
    return OctScan(pixels=np.zeros(shape, np.uint8), axes=axes, spacing_um=spacing)  # type: ignore[arg-type]


def layer_of(octscan: OctScan) -> Image:
    pixels, arguments, _ = layers_of_scan(octscan)[-1]
    return Image(pixels, **arguments)


@pytest.mark.parametrize(
    ("shape", "spacing", "scale", "unit"),
    [
        ((3, 4, 5), (120.0, 3.5, 11.0), [1.0, 3.5, 11.0], "um"),
        ((3, 4, 5), (None, 3.5, 11.0), [1.0, 3.5, 11.0], "um"),
        ((3, 4, 5), (120.0, None, 11.0), [1.0, 1.0, 1.0], "pixel"),
        ((4, 5), (3.5, 11.0), [3.5, 11.0], "um"),
        ((4, 5), (), [1.0, 1.0], "pixel"),
    ],
)
def test_scale_is_the_scans_where_known(
    shape: tuple[int, ...], spacing: tuple[float | None, ...], scale: list[float], unit: str
) -> None:
    placed = place_scan(scan(*shape, spacing=spacing))
    assert placed["scale"] == scale
    assert placed["units"] == (["pixel"] * (len(shape) - 2) + [unit] * 2)


def test_channels_have_no_scale() -> None:
    placed = place_scan(scan(2, 3, 4, 5, spacing=(120.0, 3.5, 11.0)))
    assert placed["scale"] == [1.0, 1.0, 3.5, 11.0]
    assert placed["units"] == ["pixel", "pixel", "um", "um"]


def test_scan_of_its_layer_is_the_scan_and_shares_its_pixels() -> None:
    original = OctScan(
        pixels=np.zeros((3, 4, 5), np.uint16),
        axes=("bscan", "depth", "width"),
        spacing_um=(None, 3.5, 11.0),
        spacing_source="file",
        laterality="OS",
        affine=np.eye(4),
        notes=("something",),
    )
    found = scan_of_layer(layer_of(original))
    assert found.pixels is original.pixels
    assert found.spacing_um == original.spacing_um
    assert found.spacing_source == "file"
    assert found.laterality == "OS"
    assert found.affine is original.affine
    assert found.notes == original.notes


@pytest.mark.parametrize(
    ("shape", "axes"), [((4, 5), ("depth", "width")), ((3, 4, 5), ("bscan", "depth", "width"))]
)
def test_layers_of_other_readers_are_scans(shape: tuple[int, ...], axes: tuple[str, ...]) -> None:
    layer = Image(np.zeros(shape, np.uint8))
    found = scan_of_layer(layer)
    assert found.pixels is layer.data
    assert found.axes == axes
    assert found.spacing_source == "unknown"


def test_four_axes_are_refused_with_what_to_do_unless_the_first_is_channels() -> None:
    pixels = np.zeros((2, 3, 4, 5), np.uint8)
    with pytest.raises(InputError, match=r"^movie: this layer has 4 axes.*split it"):
        scan_of_layer(Image(pixels, name="movie"))
    labelled = Image(pixels, axis_labels=("channel", "bscan", "depth", "width"))
    assert scan_of_layer(labelled).n_channels == 2
    assert scan_of_layer(layer_of(scan(2, 3, 4, 5))).n_channels == 2


def test_layer_whose_axes_changed_forgets_its_provenance() -> None:
    layer = layer_of(scan(3, 4, 5, spacing=(120.0, 3.5, 11.0)))
    layer.data = np.zeros((4, 5), np.uint8)
    assert scan_of_layer(layer).axes == ("depth", "width")


def test_colour_images_are_refused_with_what_to_do() -> None:
    with pytest.raises(InputError, match=r"^photo: this is a colour image.*Split RGB"):
        scan_of_layer(Image(np.zeros((4, 5, 3), np.uint8), rgb=True, name="photo"))


def test_multiscale_layers_are_taken_at_full_size() -> None:
    pyramid = [np.zeros((8, 8), np.uint8), np.zeros((4, 4), np.uint8)]
    assert scan_of_layer(Image(pyramid, multiscale=True)).spatial_shape == (8, 8)


def test_enface_images_are_no_scans() -> None:
    assert is_scan_layer(Image(np.zeros((4, 5))))
    assert not is_scan_layer(Image(np.zeros((4, 5)), metadata={FUNDUS: "eye"}))


def test_colours_are_the_classes_own() -> None:
    colormap = make_colormap(RETINA)
    colors = colormap.map(np.array([0, 1, 8, 77, IGNORE], dtype=np.uint8))
    assert colors[0, 3] == 0
    np.testing.assert_allclose(colors[1, :3] * 255, RETINA.classes[1].rgb, atol=1)
    np.testing.assert_allclose(colors[2, :3] * 255, RETINA.classes[8].rgb, atol=1)
    assert colors[3, 3] == 0
    assert colors[4, 3] == 1


def test_labels_lie_on_their_scan() -> None:
    source = layer_of(scan(2, 3, 4, 5, spacing=(120.0, 3.5, 11.0)))
    source.translate = (0, 0, 2, 3)
    source.name = "eye"
    labels = np.zeros((3, 4, 5), np.uint8)
    labels[0, 2, 3] = 8
    layer = make_labels_layer(
        labels, name="it", scan=scan_of_layer(source), source=source, classes=RETINA
    )
    assert layer.data is labels
    np.testing.assert_array_equal(layer.scale, (1.0, 3.5, 11.0))
    np.testing.assert_array_equal(layer.translate, (0, 2, 3))
    assert layer.units == source.units[1:]
    assert layer.axis_labels == ("bscan", "depth", "width")
    assert layer.metadata[CLASSES][8] == "fluid"
    assert layer.metadata[PROVENANCE]["axes"] == ("bscan", "depth", "width")
    assert list(layer.features["class"]) == list(RETINA.names)
    position = (0.0, 2 + 2 * 3.5, 3 + 3 * 11.0)
    assert layer.get_status(position, world=True)["value"] == "8; class: fluid"

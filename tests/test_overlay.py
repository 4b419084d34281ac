"""Labels drawn over a B-scan."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from napari_retseg.classes import LabelSet
from napari_retseg.overlay import draw_overlay, encode_png, stretch_grey

CLASSES = LabelSet.from_names(["layer", "fluid"])


def test_background_and_what_is_not_annotated_stay_grey() -> None:
    bscan = np.linspace(0, 1000, 64, dtype=np.float32).reshape(8, 8)
    labels = np.zeros((8, 8), dtype=np.uint8)
    labels[4:] = 255
    picture = draw_overlay(bscan, labels, CLASSES)
    assert picture.shape == (8, 8, 3)
    assert picture.dtype == np.uint8
    assert (picture == picture[..., :1]).all()


def test_a_class_has_its_colour() -> None:
    bscan = np.random.default_rng(0).integers(0, 255, (1, 16, 16))
    labels = np.full((16, 16), 2, dtype=np.uint8)
    picture = draw_overlay(bscan, labels, CLASSES, opacity=1.0)
    assert (picture == CLASSES.classes[2].rgb).all()


def test_grey_fills_the_range_in_any_unit() -> None:
    values = np.arange(10_000, dtype=np.float64).reshape(100, 100)
    for pixels in (values, values * 1e-4 - 7, values.astype(np.uint16)):
        grey = stretch_grey(pixels)
        assert grey.min() == 0
        assert grey.max() == pytest.approx(255, abs=1e-3)
        assert 120 < np.median(grey) < 135


def test_flat_and_missing_values_are_shown_without_a_warning() -> None:
    assert (stretch_grey(np.full((4, 4), 7)) == 0).all()
    assert (stretch_grey(np.full((4, 4), np.nan)) == 0).all()
    pixels = np.arange(16.0).reshape(4, 4)
    pixels[0, 0] = np.nan
    assert np.isfinite(stretch_grey(pixels)).all()


def test_a_picture_survives_as_png() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (5, 6, 3), dtype=np.uint8)
    assert (np.asarray(Image.open(io.BytesIO(encode_png(picture)))) == picture).all()

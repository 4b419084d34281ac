"""Maps as files, and en-face projections."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_retseg.classes import LabelSet
from napari_retseg.io import read_scan
from napari_retseg.measures import measure_labels, project_slab
from napari_retseg.measures.pictures import draw_map, spread, write_maps
from tests.measures.eyes import find_grid, make_scan, place_bscans, sample

CLASSES = LabelSet.from_names(["NFL", "$GCL/IPL"])


def draw_labels(n_bscans: int = 13) -> np.ndarray:
    labels = np.zeros((n_bscans, 60, 80), np.uint8)
    labels[:, 10:30] = 1
    labels[:, 30:35] = 2
    labels[4] = 255
    return labels


def test_maps_are_written_with_their_values(tmp_path: Path) -> None:
    places = place_bscans(n_bscans=13, between_mm=0.5, length_mm=6.4)
    scan = make_scan((13, 60, 80), (500.0, 4.0, 80.0), places=places)
    found = measure_labels(draw_labels(), CLASSES, scan)
    written = write_maps(found, tmp_path)
    assert [path.name for path in written] == [
        f"thickness_{name}{suffix}"
        for name in ("NFL", "GCL-IPL", "GCC")
        for suffix in (".tif", ".png")
    ]
    values = tifffile.imread(tmp_path / "thickness_NFL.tif")
    assert values.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(values[:, 0]), np.arange(13) == 4)
    assert (values[0] == 80).all()
    again = read_scan(tmp_path / "thickness_NFL.tif")
    assert again.spacing_um == pytest.approx((500, 80))
    with Image.open(tmp_path / "thickness_NFL.png") as picture:
        assert picture.size == (840, 720)


def test_names_of_classes_are_safe_in_files_and_pictures(tmp_path: Path) -> None:
    classes = LabelSet.from_names(["NFL", "$NFL"])
    scan = make_scan((13, 60, 80), (None, None, None))
    found = measure_labels(draw_labels(), classes, scan)
    written = write_maps(found, tmp_path)
    assert {path.name for path in written} == {
        f"thickness_NFL_{ending}" for ending in ("px.tif", "px.png", "2_px.tif", "2_px.png")
    }
    picture = draw_map(found.maps["NFL"], r"a$\frac{", found)
    assert Image.open(io.BytesIO(picture)).size == (840, 720)


@pytest.mark.parametrize("turn", range(8))
def test_a_map_is_shown_as_the_fundus_shows_it(turn: int) -> None:
    places = place_bscans(n_bscans=13, between_mm=0.5, length_mm=6, turn=turn)
    grid = find_grid(make_scan((13, 8, 60), (500, 4, 100), places=places))
    image, (left, right, bottom, top) = spread(sample(grid, lambda x, y: 10 * x + 3 * y), grid)
    y, x = np.mgrid[top : bottom : image.shape[0] * 1j, left : right : image.shape[1] * 1j]
    known = np.isfinite(image)
    assert known.mean() > 0.97
    np.testing.assert_allclose(image[known], (10 * x + 3 * y)[known], atol=1e-3)


def test_gaps_stay_empty() -> None:
    places = place_bscans(n_bscans=13, between_mm=0.5, length_mm=6)
    gone = places[:5] + places[7:]
    grid = find_grid(make_scan((11, 8, 60), (500, 4, 100), places=gone))
    image, (_, _, bottom, top) = spread(np.ones(grid.shape, np.float32), grid)
    y = np.linspace(top, bottom, len(image))
    empty = np.isnan(image[:, image.shape[1] // 2])
    # cells reach 0.25 mm beyond the B-scans at 3.0 and 4.5 mm
    assert y[empty].min() == pytest.approx(3.25, abs=0.03)
    assert y[empty].max() == pytest.approx(4.25, abs=0.03)


def test_a_slab_is_projected() -> None:
    scan = make_scan((3, 40, 6), (100, 4, 10))
    pixels = np.zeros((3, 40, 6), np.uint8)
    pixels[1, 10:20] = 100
    pixels[1, 15] = 200
    scan = replace(scan, pixels=pixels)
    upper, lower = np.full((3, 6), 9.0), np.full((3, 6), 19.0)
    lower[1, 2] = np.nan
    lower[1, 3] = 9
    mean, most = (project_slab(scan, upper, lower, how=how) for how in ("mean", "max"))
    assert mean[1].tolist()[:2] == [110, 110]
    assert most[1, 0] == 200
    assert np.isnan(mean[1, 2:4]).all()
    assert np.isnan(most[1, 2:4]).all()
    assert (mean[0] == 0).all()

"""What the Scan details dock shows of the scan in view."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Layer

from napari_retseg.acquisition import Acquisition
from napari_retseg.scan import OctScan
from napari_retseg.ui.details.following import Following, FundusMap, make_fundus_map, stretch
from napari_retseg.ui.readers import read_layers
from tests.ui.workbench.playedbench import PlayedBench
from tests.volfile import write_vol


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


def show(viewer: ViewerModel, path: Path) -> list[Layer]:
    layers = [Layer.create(*data) for data in read_layers(str(path))]
    for layer in layers:
        viewer.layers.append(layer)
    return layers


def test_the_scan_in_view_is_followed(viewer: ViewerModel, tmp_path: Path) -> None:
    following = Following(viewer)
    assert (following.state.name, following.state.rows) == ("", ())
    show(viewer, write_vol(tmp_path / "eye.vol", (3, 64, 96)))
    state = following.state
    assert state.name == "eye"
    assert ("laterality", "OS (file: header (ScanPosition))") in state.rows
    assert state.fundus is not None
    assert state.fundus.image is not None
    assert state.fundus.size_mm == pytest.approx((4.0, 5.0))
    assert state.fundus.lines_mm[2] == pytest.approx((0.5, 2.5, 2.42, 2.5))
    viewer.dims.set_point(0, 2)
    assert state.bscan == 2
    following.close()


def test_a_place_on_the_fundus_leads_to_its_bscan(viewer: ViewerModel, tmp_path: Path) -> None:
    following = Following(viewer)
    show(viewer, write_vol(tmp_path / "eye.vol", (5, 64, 96)))
    following.go_to(1.0, 2.27)
    assert (viewer.dims.current_step[0], following.state.bscan) == (3, 3)
    following.go_to(4.9, 3.9)
    assert following.state.bscan == 0
    following.close()


def test_the_chosen_layer_counts_and_others_only_if_they_are_scans(
    viewer: ViewerModel, tmp_path: Path
) -> None:
    following = Following(viewer)
    one = show(viewer, write_vol(tmp_path / "one.vol"))
    two = show(viewer, write_vol(tmp_path / "two.vol", eye="OD"))
    viewer.layers.selection.active = one[-1]
    assert following.state.name == "one"
    viewer.layers.selection.active = two[-1]
    assert following.state.name == "two"
    viewer.layers.append(Image(np.zeros((3, 8, 8)), name="somebody's"))
    assert following.state.name == "two"
    for layer in (*one, *two):
        viewer.layers.remove(layer)
    assert (following.state.name, following.state.fundus) == ("", None)
    following.close()


@pytest.mark.parametrize("eye", ["OD", "OS"])
@pytest.mark.parametrize(
    ("from_above", "reversed_ascans"), list(itertools.product((False, True), repeat=2))
)
def test_eight_ways_to_store_an_eye_are_shown_as_one(
    tmp_path: Path, eye: str, from_above: bool, reversed_ascans: bool
) -> None:
    plain = read_layers(str(write_vol(tmp_path / "plain.vol", eye=eye)))[1]
    path = write_vol(
        tmp_path / "other.vol", eye=eye, from_above=from_above, reversed_ascans=reversed_ascans
    )
    other = read_layers(str(path))[1]
    np.testing.assert_array_equal(np.asarray(other[0]), np.asarray(plain[0]))
    viewer = ViewerModel()
    following = Following(viewer)
    show(viewer, path)
    rows = dict(following.state.rows)
    assert rows["order of B-scans"].startswith("inferior to superior")
    first = {"OD": "temporal to nasal", "OS": "nasal to temporal"}[eye]
    assert rows["order of A-scans"].startswith(first)
    fundus = following.state.fundus
    assert fundus is not None
    assert fundus.lines_mm[0] == pytest.approx((0.5, 3.0, 2.42, 3.0))
    following.close()


def test_a_circle_is_found_by_its_distance() -> None:
    circles = ((3.0, 2.0, 2.0, 2.0), (3.5, 2.0, 2.0, 2.0))
    fundus = FundusMap(None, (4.0, 4.0), lines_mm=circles, are_circles=True)
    assert fundus.find_nearest(2.0, 3.1) == 0
    assert fundus.find_nearest(2.0, 0.4) == 1


def test_without_an_image_the_bscans_have_room() -> None:
    about = Acquisition(positions_mm=((1.0, 3.0, 6.0, 3.0), (1.0, 2.0, 6.0, 2.0)))
    pixels = np.zeros((2, 8, 8), np.uint8)
    fundus = make_fundus_map(OctScan(pixels, ("bscan", "depth", "width"), acquisition=about))
    assert fundus is not None
    assert (fundus.size_mm, fundus.corner_mm) == ((2.0, 6.0), (0.5, 1.5))
    unknown = OctScan(pixels, ("bscan", "depth", "width"))
    assert make_fundus_map(unknown) is None


def test_lines_are_not_placed_on_an_image_of_unknown_size() -> None:
    about = Acquisition(positions_mm=((1.0, 3.0, 6.0, 3.0),))
    scan = OctScan(
        np.zeros((1, 8, 8), np.uint8),
        ("bscan", "depth", "width"),
        acquisition=about,
        fundus=np.zeros((5, 5), np.uint8),
    )
    fundus = make_fundus_map(scan)
    assert fundus is not None
    assert fundus.lines_mm == ()


def test_colours_and_any_range_become_grey() -> None:
    ramp = np.linspace(100, 4000, 64).reshape(8, 8)
    grey = stretch(np.stack([ramp] * 3, axis=-1))
    assert grey.shape == (8, 8)
    assert grey.dtype == np.uint8
    assert (grey.min(), grey.max()) == (0, 255)
    assert not stretch(np.zeros((4, 4))).any()


def test_what_the_user_enters_is_shown(tmp_path: Path, own_models: Path) -> None:
    played = PlayedBench()
    played.start(tmp_path / "work", write_vol(tmp_path / "eye.vol", eye=""))
    following = Following(played.viewer)
    assert dict(following.state.rows)["laterality"] == "unknown"
    played.bench.scan_import.describe(laterality="OD", spacing_um=(200.0, 4.0, 12.0))
    played.settle()
    following.check()
    rows = dict(following.state.rows)
    assert rows["laterality"] == "OD (user)"
    assert rows["axial pixel size"] == "4 µm (user)"
    assert rows["order of A-scans"].startswith("temporal to nasal")
    following.close()
    played.close()

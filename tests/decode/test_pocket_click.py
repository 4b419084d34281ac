"""A click into a pocket finds its region."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from napari_retseg.classes import RETINA
from napari_retseg.decode.pocket_click import propose_pocket
from napari_retseg.decode.pocket_edit import find_pocket
from napari_retseg.decode.pocket_regions import PocketProposal, find_retina
from napari_retseg.simulate import SimulatorConfig, draw_bscan

FLUID = 8
LAYERS = [1, 2, 3, 4, 5, 6, 7]
DEPTH, WIDTH = 120, 160
RETINA_ROWS = slice(30, 90)


def draw_eye(
    *, contrast: float = 60, noise: float = 20
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.bool_]]:
    """Draw grey values, layers and the truth of a pocket at (60, 80) with a bright speck in it."""
    rows, columns = np.ogrid[:DEPTH, :WIDTH]
    pocket: NDArray[np.bool_] = ((rows - 60) / 14.0) ** 2 + ((columns - 80) / 22.0) ** 2 <= 1
    labels = np.zeros((DEPTH, WIDTH), np.uint8)
    labels[RETINA_ROWS] = np.repeat(np.arange(1, 7), 10)[:, np.newaxis]
    grey = np.where(labels > 0, 120.0, 20.0)
    grey[pocket] -= contrast
    grey[66:69, 85:88] = 200
    grey += np.random.default_rng(5).normal(0, noise, grey.shape)
    return np.clip(grey, 0, 255).astype(np.uint8), labels, pocket


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return 2 * float((one & other).sum()) / float(one.sum() + other.sum())


def chosen(found: PocketProposal | None, shape: tuple[int, int]) -> NDArray[np.bool_]:
    assert found is not None
    return found.region(found.best, shape)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_pocket_is_found_whatever_the_unit_of_grey(dtype: type[Any]) -> None:
    grey, labels, pocket = draw_eye()
    unit = {np.uint8: 1, np.uint16: 200, np.float32: 1e-4}[dtype]
    pixels = grey.astype(np.float64) * unit
    for place in [(60, 80), (55, 70), (68, 75)]:
        found = propose_pocket(pixels.astype(dtype), place, labels=labels, layers=LAYERS)
        assert dice(chosen(found, labels.shape), pocket) > 0.7


def test_each_region_holds_the_one_before_and_hangs_together() -> None:
    grey, labels, _ = draw_eye(contrast=25)
    found = propose_pocket(grey, (60, 80), labels=labels, layers=LAYERS)
    assert found is not None
    assert found.n_regions > 30
    before = np.zeros(labels.shape, bool)
    for number in range(found.n_regions):
        region = found.region(number, labels.shape)
        assert not (before & ~region).any()
        assert region.sum() <= max(20, 1.5 * before.sum())
        assert ndimage.label(region, np.ones((3, 3)))[1] == 1
        before = region


def test_a_bright_speck_in_the_pocket_belongs_to_it() -> None:
    grey, labels, pocket = draw_eye()
    found = propose_pocket(grey, (60, 80), labels=labels, layers=LAYERS)
    assert found is not None
    regions = [found.region(k, labels.shape) for k in range(found.n_regions)]
    closest = max(regions, key=lambda region: dice(region, pocket))
    assert closest[66:69, 85:88].all()
    assert all(np.array_equal(ndimage.binary_fill_holes(region), region) for region in regions)


def test_no_region_leaves_the_layers() -> None:
    grey, labels, _ = draw_eye()
    grey[:] = 50
    labels[:, :20] = 0
    found = propose_pocket(grey, (32, 30), labels=labels, layers=LAYERS)
    assert found is not None
    largest = found.region(found.n_regions - 1, labels.shape)
    assert np.array_equal(largest, labels > 0)


def test_a_click_outside_of_the_layers_finds_nothing() -> None:
    grey, labels, _ = draw_eye()
    assert propose_pocket(grey, (10, 80), labels=labels, layers=LAYERS) is None
    assert propose_pocket(grey, (100, 80), labels=labels, layers=LAYERS) is None


def test_without_layers_the_whole_bscan_may_hold_it() -> None:
    grey, labels, pocket = draw_eye()
    nothing = np.zeros_like(labels)
    assert find_retina(nothing, LAYERS).all()
    found = propose_pocket(grey, (60, 80), labels=nothing, layers=LAYERS)
    assert dice(chosen(found, labels.shape), pocket) > 0.9


def test_the_probability_decides_where_the_grey_says_nothing() -> None:
    grey, labels, pocket = draw_eye(contrast=0)
    smooth = ndimage.gaussian_filter(pocket.astype(np.float32), 1)
    found = propose_pocket(grey, (60, 80), labels=labels, layers=LAYERS, probability=smooth)
    assert dice(chosen(found, labels.shape), pocket) > 0.9


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (5, 5)])
@pytest.mark.parametrize("value", [0, 7])
def test_small_and_even_bscans_are_taken(shape: tuple[int, int], value: int) -> None:
    grey = np.full(shape, value, np.uint8)
    found = propose_pocket(grey, (0, 0), labels=np.zeros(shape, np.uint8), layers=LAYERS)
    assert chosen(found, shape)[0, 0]


def test_pockets_of_simulated_scans_are_found_in_time() -> None:
    """Dice where it begins, and at the best notch of the wheel; as measured, with some to spare."""
    config = SimulatorConfig(size=(496, 768)).with_ranges(disease={"ill": 1.0, "cysts": 1.0})
    began, best, seconds = [], [], []
    for index in range(6):
        grey, labels, _ = draw_bscan(config, 20260, index)
        depth = ndimage.distance_transform_edt(labels == FLUID)
        if depth.max() < 6:
            continue
        row, column = (int(k) for k in np.unravel_index(depth.argmax(), depth.shape))
        truth = find_pocket(labels, (row, column))
        start = time.thread_time()
        found = propose_pocket(grey, (row, column), labels=labels, layers=LAYERS)
        seconds.append(time.thread_time() - start)
        assert found is not None
        scores = [dice(found.region(k, grey.shape), truth) for k in range(found.n_regions)]
        began.append(scores[found.best])
        best.append(max(scores))
    assert RETINA.classes[FLUID].name == "fluid"
    assert len(best) >= 4
    assert np.mean(best) > 0.75
    assert np.mean(began) > 0.55
    assert min(seconds) < 0.1

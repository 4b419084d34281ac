"""One anatomical orientation, whatever order a file has."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_retseg.acquisition import Acquisition, Place, find_direction
from napari_retseg.io.lazy import PagedPixels
from napari_retseg.io.orientation import put_upright, to_file_order
from napari_retseg.scan import BOUNDARIES, OctScan

WIDTH, N_BSCANS = 8, 3


class Held(PagedPixels):
    """Pixels that are given out plane by plane, as those in a file are."""

    def __init__(self, planes: NDArray[Any]) -> None:
        self._planes = planes
        super().__init__(Path("held"), planes.shape, planes.dtype)

    def _read(self, leading: tuple[int, ...]) -> NDArray[Any]:
        return np.asarray(self._planes[leading])


def make_scan() -> OctScan:
    """Three B-scans from inferior to superior, A-scans from left to right."""
    pixels = np.arange(N_BSCANS * 6 * WIDTH, dtype=np.uint8).reshape(N_BSCANS, 6, WIDTH)
    rows = np.arange(N_BSCANS * WIDTH, dtype=np.float32).reshape(N_BSCANS, WIDTH)
    places = tuple((1.0, 3.0 - k, 6.0, 3.0 - k) for k in range(N_BSCANS))
    acquisition = Acquisition(positions_mm=places, quality=(1.0, 2.0, 3.0), averaged=(7, 8, 9))
    return OctScan(
        pixels,
        ("bscan", "depth", "width"),
        acquisition=acquisition,
        metadata={BOUNDARIES: {"ILM": rows}},
    )


def make_variant(scan: OctScan, *, from_above: bool, reversed_ascans: bool) -> OctScan:
    """The same eye as another device would store it."""
    pixels, rows = scan.pixels, scan.metadata[BOUNDARIES]["ILM"]
    about = scan.acquisition
    places, quality, averaged = about.positions_mm, about.quality, about.averaged
    if from_above:
        pixels, rows = pixels[::-1], rows[::-1]
        places, quality, averaged = places[::-1], quality[::-1], averaged[::-1]
    if reversed_ascans:
        pixels, rows = pixels[..., ::-1], rows[:, ::-1]
        places = tuple((x1, y1, x0, y0) for x0, y0, x1, y1 in places)
    stored = Acquisition(positions_mm=places, quality=quality, averaged=averaged)
    return replace(scan, pixels=pixels, acquisition=stored, metadata={BOUNDARIES: {"ILM": rows}})


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize(
    ("from_above", "reversed_ascans"), list(itertools.product((False, True), repeat=2))
)
def test_every_order_comes_out_as_one(from_above: bool, reversed_ascans: bool, held: bool) -> None:
    scan = make_scan()
    stored = make_variant(scan, from_above=from_above, reversed_ascans=reversed_ascans)
    given = replace(stored, pixels=Held(stored.pixels)) if held else stored
    found = put_upright(given)
    np.testing.assert_array_equal(np.asarray(found.pixels), scan.pixels)
    assert isinstance(found.pixels, PagedPixels) == held
    np.testing.assert_array_equal(
        found.metadata[BOUNDARIES]["ILM"], scan.metadata[BOUNDARIES]["ILM"]
    )
    reversed_axes = [n for n, is_so in (("bscan", from_above), ("width", reversed_ascans)) if is_so]
    assert found.acquisition == replace(scan.acquisition, reversed_axes=tuple(reversed_axes))
    assert bool(found.notes) == bool(reversed_axes)
    np.testing.assert_array_equal(to_file_order(np.asarray(found.pixels), found), stored.pixels)


@pytest.mark.parametrize(
    "places",
    [
        [],
        [(1.0, 1.0, 1.0, 6.0)],
        [(1.0, 1.0, 6.0, 1.0), (6.0, 2.0, 1.0, 2.0)],
        [(1.0, y, 6.0, y) for y in (1.0, 3.0, 2.0)],
        [(1.0, 1.0, 6.0, 1.0)] * 2,
        [(1.0, float("nan"), 6.0, 1.0)],
    ],
    ids=["none", "vertical", "both ways", "not in order", "same place", "not finite"],
)
def test_an_order_that_is_not_known_is_left_alone(places: list[Place]) -> None:
    assert find_direction(places) is None
    scan = make_scan()
    scan = replace(scan, acquisition=Acquisition(positions_mm=tuple(places)))
    assert put_upright(scan) is scan


@pytest.mark.parametrize("pattern", ["circle", "radial"])
def test_circles_and_stars_have_no_order(pattern: str) -> None:
    scan = replace(make_scan(), scan_pattern=pattern)
    stored = make_variant(scan, from_above=True, reversed_ascans=True)
    assert put_upright(stored) is stored

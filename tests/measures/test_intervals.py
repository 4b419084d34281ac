"""Intervals of numbers: what they are made from, and which numbers have none."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from napari_retseg.classes import LabelSet
from napari_retseg.measures import Measures, measure_labels
from napari_retseg.measures.calibrating import Calibration
from napari_retseg.measures.intervals import Intervals, Widener
from napari_retseg.measures.sheet import format_value
from napari_retseg.scan import OctScan
from tests.measures.eyes import make_scan

CLASSES = LabelSet.from_names(["NFL", "RPE", "fluid"])
SHAPE = (7, 64, 60)
SCAN = make_scan(SHAPE, (500.0, 4.0, 60.0))
LEVELS = {"weights_id": "w", "level": 0.9, "groups": 20, "data": "20 eyes"}


def draw_labels(rows: int = 20, fluid: int = 0) -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint8)
    labels[:, 10:20] = 1
    labels[:, 20 : 20 + rows] = 2
    labels[3, 21:24, 30 : 30 + fluid] = 3
    return labels


def measure(labels: np.ndarray, scan: OctScan = SCAN, **options: object) -> Measures:
    is_raster = scan.spacing_um[0] is not None
    centre = (3, 29.5) if is_raster else "fovea"
    return measure_labels(labels, CLASSES, scan, centre=centre, **options)  # type: ignore[arg-type]


def bound(measure: str, structure: str, **regions: float) -> Intervals:
    return Intervals.model_validate({**LEVELS, "bounds": {measure: {structure: regions}}})


def widen(measures: Measures, intervals: Intervals, *confirmed: int) -> Measures:
    return Widener(intervals, SCAN, frozenset(confirmed)).widen_all(measures)


def test_a_number_and_its_interval_are_read_together() -> None:
    found = widen(measure(draw_labels()), bound("CST", "retina", C0=7))
    one = found.find("CST", "retina", "C0")
    assert (one.low, one.high) == pytest.approx((113, 127))
    assert format_value(one) == "120 µm (113 to 127)"
    assert found.notes[-1] == "90% intervals, calibrated on 20 eyes"
    # others have none, and there is no note without any
    assert found.find("mean thickness", "NFL", "C0").low is None
    assert widen(measure(draw_labels()), bound("CST", "GCC", C0=7)).notes == found.notes[:-1]


def test_a_volume_has_the_interval_of_its_mean() -> None:
    found = widen(measure(draw_labels()), bound("mean thickness", "retina", C0=12))
    mean, volume = (found.find(name, "retina", "C0") for name in ("mean thickness", "volume"))
    assert None not in (mean.high, volume.high, volume.low)
    assert (mean.low, mean.high) == pytest.approx((108, 132))
    assert volume.high / volume.value == pytest.approx(132 / 120, abs=1e-3)  # type: ignore[operator]
    assert volume.low / volume.value == pytest.approx(108 / 120, abs=1e-3)  # type: ignore[operator]


def test_a_lesion_has_an_interval_of_its_root_and_none_below_nothing() -> None:
    bounds = {"volume": {"fluid": {"scan": 1.0}}, "pockets": {"fluid": {"scan": 1.0}}}
    absent = {f"{name}, none found": {"fluid": {"scan": 0.5}} for name in bounds}
    intervals = Intervals.model_validate({**LEVELS, "bounds": {**bounds, **absent}})
    found = widen(measure(draw_labels(fluid=10)), intervals)
    volume = found.find("volume", "fluid")
    assert volume.value == pytest.approx(3 * 4 * 10 * 0.5 * 0.06)
    root = math.sqrt(0.5 * 0.06 * 120)
    assert (volume.low, volume.high) == pytest.approx(((root - 1) ** 2, (root + 1) ** 2))
    pockets = found.find("pockets", "fluid")  # whole numbers within 0 and 4
    assert (pockets.value, pockets.low, pockets.high) == (1, 0, 4)
    # where nothing is found, the bounds are of eyes in which nothing was found
    none = widen(measure(draw_labels()), intervals).find("volume", "fluid")
    assert (none.value, none.low, none.high) == (0, 0, 0.25)


def test_what_is_confirmed_has_none() -> None:
    everywhere = bound("mean thickness", "retina", C0=5, outer=5, scan=5, grid=5)
    measures = measure(draw_labels())
    for confirmed, exact, sure in (
        ((), (), ("C0", "S2", "scan", "grid")),
        ((2, 3, 4), ("C0",), ("S2", "scan", "grid")),  # 1 mm: three B-scans reach into it
        ((0, 1, 2, 3, 4, 5), ("C0",), ("scan", "grid")),
        (tuple(range(7)), ("C0", "S2", "scan", "grid"), ()),
    ):
        found = widen(measures, everywhere, *confirmed)
        for sector in exact:
            assert found.find("mean thickness", "retina", sector).low is None, (confirmed, sector)
        for sector in sure:
            one = found.find("mean thickness", "retina", sector)
            assert one.high == pytest.approx(125), (confirmed, sector)


def test_what_was_done_has_none_and_thickness_in_pixels_its_own() -> None:
    intervals = Intervals.model_validate(
        {
            **LEVELS,
            "bounds": {
                "A-scans left out": {"doubtful": {"scan": 1}},
                "mean thickness": {"retina": {"scan": 5}},
                "mean thickness in px": {"retina": {"scan": 2}},
            },
        }
    )
    unknown = SCAN.with_spacing((None, None, None))
    found = Widener(intervals, unknown).widen_all(measure(draw_labels(), unknown))
    one = found.find("mean thickness", "retina")
    assert (one.unit, one.low, one.high) == ("px", 28, 32)
    assert found.find("A-scans left out", "doubtful").low is None


def test_intervals_are_wider_where_a_scans_are_left_out() -> None:
    is_doubtful = np.zeros((7, 60), bool)
    is_doubtful[:, :15] = True
    found = widen(
        measure(draw_labels(), is_doubtful=is_doubtful), bound("mean thickness", "retina", scan=5)
    )
    one = found.find("mean thickness", "retina")
    assert (one.low, one.high) == pytest.approx((110, 130))


def test_a_model_that_is_always_so_far_off_gets_that_interval() -> None:
    """Two rows too few, on ten patients; at the last B-scan nobody knows."""
    calibration, other = Calibration(CLASSES), Calibration(CLASSES)
    truth = draw_labels(22, fluid=10)
    truth[6] = 255
    for number in range(10):
        one = calibration if number < 6 else other
        one.add(f"{number}", draw_labels(20, fluid=10), truth, SCAN)
    assert calibration.finish(weights_id="w", data="").bounds == {}
    calibration.join(other)
    found = calibration.finish(weights_id="w", data="10 patients")
    assert found.groups == 10
    means = found.bounds["mean thickness"]["RPE"]
    # a seventh of the A-scans is left out, where intervals are wider
    assert means["scan"] == pytest.approx(8 / (1 + 4 / 7), abs=1e-4)
    assert means["B-scan"] == pytest.approx(8)
    assert found.bounds["mean thickness in px"]["RPE"]["B-scan"] == pytest.approx(2)
    assert found.bounds["volume"]["fluid"]["scan"] == 0
    assert "scan" not in found.bounds["volume, none found"]["fluid"]


def test_few_bscans_have_the_intervals_of_one() -> None:
    scan = make_scan((4, 64, 60), (500.0, 4.0, 60.0))
    regions = {"mean thickness": {"NFL": {"scan": 1, "B-scan": 3}}}
    intervals = Intervals.model_validate({**LEVELS, "bounds": regions})
    measures = measure_labels(draw_labels()[:4], CLASSES, scan, centre=(1, 30))
    one = Widener(intervals, scan).widen_all(measures).find("mean thickness", "NFL")
    assert one.high == 43
    circle = replace(make_scan((1, 64, 60), (None, 4.0, 60.0)), scan_pattern="circle")
    arcs = Intervals.model_validate({**LEVELS, "bounds": {"mean thickness": {"NFL": {"arc": 2}}}})
    measures = measure_labels(draw_labels()[:1], CLASSES, circle)
    found = Widener(arcs, circle).widen_all(measures)
    assert found.find("mean thickness", "NFL", "TS").high == 42
    assert Widener(arcs, circle, frozenset({0})).widen_all(measures).numbers == measures.numbers

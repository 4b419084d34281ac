"""The trust sheet: every value with how it is known, and nothing that is not."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from napari_retseg.acquisition import BY_USER, FROM_NAME, Acquisition
from napari_retseg.io.orientation import put_upright
from napari_retseg.scan import Laterality, OctScan
from napari_retseg.trust import Fact, make_trust_sheet


def make_scan(**changed: Any) -> OctScan:
    about = Acquisition(
        positions_mm=tuple((1.0, 3.0 - k, 6.0, 3.0 - k) for k in range(3)),
        quality=(20.0, None, 31.5),
        averaged=(9, 9, 9),
        laterality_from="header",
        derived={"width": "degrees x 4.4/15 mm"},
        left_out=("1 colour fundus photograph",),
    )
    values: dict[str, Any] = {
        "pixels": np.zeros((3, 8, 10), np.uint8),
        "axes": ("bscan", "depth", "width"),
        "spacing_um": (1000.0, 3.9, 500.0),
        "spacing_source": "file",
        "laterality": "OD",
        "device": "Heidelberg Spectralis",
        "scan_pattern": "volume (ART)",
        "bscans_declared": 3,
        "acquisition": about,
    }
    return OctScan(**{**values, **changed})


def test_each_axis_has_its_source_and_whether_it_can_be() -> None:
    sheet = make_trust_sheet(make_scan(spacing_um=(None, 3.9, 500.0)))
    assert [scale.known for scale in sheet.scale] == ["unknown", "file", "derived"]
    assert [scale.is_plausible for scale in sheet.scale] == [None, True, False]
    assert [str(scale) for scale in sheet.scale] == [
        "unknown",
        "3.9 µm (file)",
        "500 µm (derived: degrees x 4.4/15 mm, implausible)",
    ]
    assert sheet.has_known_scale
    assert any("lateral pixel size 500" in line for line in sheet.warnings)


def test_what_the_user_entered_is_the_users() -> None:
    scan = make_scan().with_spacing((100.0, 3.9, None))
    scan = replace(scan, acquisition=replace(scan.acquisition, laterality_from=BY_USER))
    sheet = make_trust_sheet(scan)
    assert [scale.known for scale in sheet.scale] == ["user", "user", "unknown"]
    assert not sheet.has_known_scale
    assert sheet.laterality == Fact("OD", "user")


def test_what_is_not_known_is_said_to_be_unknown() -> None:
    scan = OctScan(np.zeros((3, 8, 10), np.uint8), ("bscan", "depth", "width"))
    sheet = make_trust_sheet(scan)
    rows = dict(sheet.list_rows())
    names = ["order of B-scans", "order of A-scans", "laterality", "device", "scan pattern"]
    assert [rows[name].partition(" ")[0] for name in names] == ["unknown"] * len(names)
    assert rows["quality"] == rows["averaged frames"] == "unknown"
    assert sheet.warnings == sheet.left_out == ()


def test_missing_and_repeated_bscans() -> None:
    about = Acquisition(missing=(4, 7), repeated=(2,), contradictions=("OD and OS in one file",))
    sheet = make_trust_sheet(make_scan(bscans_declared=5, acquisition=about))
    rows = dict(sheet.list_rows())
    assert rows["B-scans"] == "3 read, 5 declared, missing: 4, 7, repeated: 2"
    assert "OD and OS in one file" in sheet.warnings
    assert "the file declares 5 B-scans, but 3 were read" in sheet.warnings


def test_ranges_of_quality() -> None:
    rows = dict(make_trust_sheet(make_scan()).list_rows())
    assert rows["quality"] == "20 to 31.5 (unknown for 1 B-scan)"
    assert rows["averaged frames"] == "9"


def test_a_sheet_is_plain_values() -> None:
    sheet = make_trust_sheet(make_scan())
    again = json.loads(json.dumps(sheet.to_json()))
    assert again["scale"][2]["how"] == "degrees x 4.4/15 mm"
    assert again["laterality"] == {"value": "OD", "known": "file", "how": "header"}


def _store(scan: OctScan, *, from_above: bool, reversed_ascans: bool) -> OctScan:
    """The same eye as a device would store it that runs the other way."""
    places = scan.acquisition.positions_mm
    pixels = scan.pixels
    if from_above:
        places, pixels = places[::-1], pixels[::-1]
    if reversed_ascans:
        places = tuple((x1, y1, x0, y0) for x0, y0, x1, y1 in places)
        pixels = pixels[..., ::-1]
    about = replace(scan.acquisition, positions_mm=places)
    return replace(scan, pixels=pixels, acquisition=about)


@pytest.mark.parametrize("eye", ["OD", "OS"])
@pytest.mark.parametrize(
    ("from_above", "reversed_ascans"), list(itertools.product((False, True), repeat=2))
)
def test_one_anatomy_whatever_the_order(
    eye: Laterality, from_above: bool, reversed_ascans: bool
) -> None:
    pixels = np.arange(240, dtype=np.uint8).reshape(3, 8, 10)
    scan = make_scan(pixels=pixels, laterality=eye)
    found = put_upright(_store(scan, from_above=from_above, reversed_ascans=reversed_ascans))
    sheet = make_trust_sheet(found)
    np.testing.assert_array_equal(found.pixels, pixels)
    assert sheet.bscan_order.value == "inferior to superior"
    sides = {"OD": "temporal to nasal", "OS": "nasal to temporal"}
    assert sheet.ascan_order.value == sides[eye]
    assert sheet.bscan_order.known == sheet.ascan_order.known == "file"
    assert ("reversed on reading" in sheet.bscan_order.how) == from_above
    assert ("reversed on reading" in sheet.ascan_order.how) == reversed_ascans


@pytest.mark.parametrize("pattern", ["circle", "radial"])
def test_a_circle_has_no_order(pattern: str) -> None:
    sheet = make_trust_sheet(make_scan(scan_pattern=pattern))
    assert sheet.bscan_order.value is None
    assert sheet.ascan_order.value is None


def test_what_is_derived_is_not_the_files() -> None:
    scan = make_scan()
    derived = {"positions": "degrees x 4.4/15 mm", "scan_pattern": "file name"}
    about = replace(scan.acquisition, derived=derived, laterality_from=FROM_NAME)
    sheet = make_trust_sheet(replace(scan, acquisition=about))
    facts = (sheet.bscan_order, sheet.ascan_order, sheet.scan_pattern, sheet.laterality)
    assert [fact.known for fact in facts] == ["derived"] * 4
    assert sheet.bscan_order.how == "positions of the B-scans, degrees x 4.4/15 mm"
    assert sheet.laterality == Fact("OD", "derived", "file name")

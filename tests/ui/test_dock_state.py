from __future__ import annotations

import numpy as np

from napari_retseg.scan import Axis, OctScan
from napari_retseg.ui.dock_state import Notice, SegmentState, describe_scan


def test_assigning_a_field_tells_once_and_only_of_changes() -> None:
    state = SegmentState()
    told: list[Notice] = []
    state.events.notice.connect(told.append)
    state.notice = Notice("one")
    state.notice = Notice("one")
    assert told == [Notice("one")]


def test_two_states_do_not_hear_each_other() -> None:
    first, second = SegmentState(), SegmentState()
    told: list[int] = []
    first.events.bscan.connect(told.append)
    second.bscan = 3
    assert told == []
    first.bscan = 4
    assert told == [4]


def describe(shape: tuple[int, ...], **known: object) -> list[str]:
    axes: tuple[Axis, ...] = ("channel", "bscan", "depth", "width")
    scan = OctScan(pixels=np.zeros(shape, np.uint8), axes=axes[-len(shape) :], **known)  # type: ignore[arg-type]
    return describe_scan(scan).splitlines()


def test_scan_is_described_with_its_scale_and_where_that_came_from() -> None:
    assert describe((9, 8)) == ["9 × 8 pixels", "pixel size unknown"]
    assert describe((9, 8), spacing_um=(3.87, 11.5), spacing_source="user") == [
        "9 × 8 pixels",
        "3.87 × 11.5 µm (user)",
    ]
    assert describe(
        (7, 9, 8), spacing_um=(None, 3.87, 11.5), spacing_source="file", laterality="OD"
    ) == ["7 B-scans of 9 × 8 pixels, OD", "3.87 × 11.5 µm, distance unknown (file)"]
    assert describe((2, 7, 9, 8), notes=("colour converted to grey",)) == [
        "7 B-scans of 9 × 8 pixels, 2 channels",
        "pixel size unknown",
        "colour converted to grey",
    ]


def test_a_volume_that_is_not_oct_has_slices_and_millimetres() -> None:
    volume = OctScan(
        pixels=np.zeros((7, 9, 8), np.uint8),
        axes=("z", "y", "x"),
        spacing_um=(1500.0, 1000.0, 1000.0),
        spacing_source="file",
    )
    assert describe_scan(volume).splitlines() == [
        "7 slices of 9 × 8 pixels",
        "1 × 1 mm, 1.5 mm apart (file)",
    ]

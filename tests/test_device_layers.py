"""Labels from the boundaries that a device has found: nothing is made up in between."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import IGNORE, RETINA, LabelSet
from napari_retseg.device_layers import (
    choose_device_classes,
    find_device_classes,
    label_device_layers,
)
from napari_retseg.scan import BOUNDARIES, OctScan

WIDTH = 4
VALUE = {c.name: c.value for c in RETINA.classes}


def make_scan(**rows: float) -> OctScan:
    """One B-scan of 20 rows with flat boundaries."""
    found: dict[str, NDArray[np.float32]] = {
        name.replace("_", "-"): np.full((1, WIDTH), row, np.float32) for name, row in rows.items()
    }
    pixels = np.zeros((1, 20, WIDTH), np.uint8)
    return OctScan(pixels, ("bscan", "depth", "width"), metadata={BOUNDARIES: found})


def test_a_layer_begins_below_its_upper_boundary_and_holds_its_lower_one() -> None:
    scan = make_scan(ILM=3.0, RNFL=5.5, IPL=9.0, BM=15.0)
    assert find_device_classes(scan, RETINA) == ["NFL", "GCL-IPL"]
    column = label_device_layers(scan, 0, RETINA)[:, 0]
    assert np.flatnonzero(column == VALUE["NFL"]).tolist() == [4, 5]
    assert np.flatnonzero(column == VALUE["GCL-IPL"]).tolist() == [6, 7, 8, 9]
    # retina of which the device does not say what layer it is
    assert np.flatnonzero(column == IGNORE).tolist() == list(range(10, 16))
    assert (column[:4] == 0).all()
    assert (column[16:] == 0).all()


def test_two_boundaries_make_a_retina() -> None:
    scan = make_scan(ILM=3.0, BM=15.0)
    classes = choose_device_classes(scan)
    assert classes == LabelSet.from_names(["retina"])
    labels = label_device_layers(scan, 0, classes)
    assert np.flatnonzero(labels[:, 0] == 1).tolist() == list(range(4, 16))


def test_what_is_left_of_the_retina_is_a_class_of_its_own() -> None:
    scan = make_scan(ILM=3.0, RNFL=5.0, BM=15.0)
    classes = choose_device_classes(scan)
    assert classes is not None
    assert classes.names == (*RETINA.names, "retina")
    assert set(np.unique(label_device_layers(scan, 0, classes))) == {0, 1, 9}
    whole = make_scan(ILM=1, RNFL=2, IPL=3, INL=4, OPL=5, ISM=6, ISE=7, BM=8)
    assert choose_device_classes(whole) == RETINA


def test_layers_are_kept_where_there_is_a_class_of_the_whole_retina() -> None:
    classes = LabelSet.from_names(["NFL", "retina"])
    column = label_device_layers(make_scan(ILM=3.0, RNFL=5.0, BM=15.0), 0, classes)[:, 0]
    assert np.flatnonzero(column == 1).tolist() == [4, 5]
    assert np.flatnonzero(column == 2).tolist() == list(range(6, 16))


def test_where_a_boundary_is_missing_nothing_is_annotated() -> None:
    scan = make_scan(ILM=3.0, RNFL=5.0, INL=8.0, BM=15.0)
    scan.metadata[BOUNDARIES]["RNFL"][0, 2] = np.nan
    scan.metadata[BOUNDARIES]["INL"][0, 1] = np.nan  # bounds no class here
    labels = label_device_layers(scan, 0, RETINA)
    assert (labels[:, 2] == IGNORE).all()
    assert not (labels[:, [0, 1, 3]] == IGNORE).all(axis=0).any()


def test_names_of_other_programs_are_known() -> None:
    scan = make_scan(ILM=3.0, RNFL_GCL=5.0, IPL_INL=8.0)
    assert find_device_classes(scan, RETINA) == ["NFL", "GCL-IPL"]


def test_a_scan_without_boundaries_has_no_layers() -> None:
    assert choose_device_classes(make_scan()) is None
    assert choose_device_classes(make_scan(ILM=float("nan"), BM=float("nan"))) is None
    assert choose_device_classes(make_scan(ILM=3.0)) is None

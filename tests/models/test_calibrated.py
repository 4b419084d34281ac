"""The intervals in a bundle: checked when read, of these weights only, and they leave with it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from napari_retseg.device_layers import DEVICE_ID
from napari_retseg.errors import ModelError
from napari_retseg.measures.intervals import Intervals
from napari_retseg.models import (
    WEIGHTS,
    add_model,
    export_model,
    find_calibrated,
    read_intervals,
    roll_back,
    write_intervals,
)
from napari_retseg.models.description import INTERVALS
from napari_retseg.models.sureness import find_sureness, find_unconfirmed
from napari_retseg.scan import hash_path
from tests.models.versions import Write


def make_intervals(weights_id: str, bound: float = 7.0, **changes: Any) -> Intervals:
    bounds = {"CST": {"retina": {"C0": bound}}}
    about = {"weights_id": weights_id, "level": 0.9, "groups": 20, "data": "20 eyes"}
    return Intervals.model_validate({**about, "bounds": bounds, **changes})


def test_intervals_lie_in_a_bundle_and_are_of_its_weights(write: Write) -> None:
    one, other = write("aaaaaa"), write("bbbbbb")
    assert read_intervals(one) is None
    write_intervals(one, make_intervals("aaaaaa"))
    assert read_intervals(one) == make_intervals("aaaaaa")
    write_intervals(other, make_intervals("aaaaaa"))
    assert read_intervals(other) is None


@pytest.mark.parametrize(
    "change",
    [
        {"bounds": {"CST": {"retina": {"C0": -1.0}}}},
        {"bounds": {"CST": {"retina": {"C0": math.nan}}}},
        {"bounds": {"CST": {"retina": {"C0": math.inf}}}},
        {"bounds": {"CST": {"retina": {"C0": 1e9}}}},
        {"bounds": {"CST": {"retina": {"nowhere": 1.0}}}},
        {"bounds": {"CST": {"x" * 500: {"C0": 1.0}}}},
        {"bounds": {f"{k}": {} for k in range(500)}},
        {"level": 1.0},
        {"groups": 0},
        {"schema_version": 2},
        {"data": "x" * 5000},
        {"patients": ["Mueller-Hans"]},
    ],
)
def test_what_no_intervals_can_be_is_refused(write: Write, change: dict[str, Any]) -> None:
    folder = write("aaaaaa")
    values = {**make_intervals("aaaaaa").model_dump(mode="json"), **change}
    (folder / INTERVALS).write_text(json.dumps(values))
    with pytest.raises(ModelError, match=INTERVALS):
        read_intervals(folder)
    with pytest.raises(ModelError, match=INTERVALS):
        add_model(folder, name="mine")
    intervals, note = find_calibrated("aaaaaa", [folder])
    assert intervals is None
    assert INTERVALS in note


def test_what_is_no_json_or_leads_elsewhere_is_refused(write: Write, tmp_path: Path) -> None:
    folder = write("aaaaaa")
    (folder / INTERVALS).write_bytes(b"{" * 5000)
    with pytest.raises(ModelError, match=INTERVALS):
        read_intervals(folder)
    (folder / INTERVALS).unlink()
    (tmp_path / "secret").write_text("{}")
    (folder / INTERVALS).symlink_to(tmp_path / "secret")
    with pytest.raises(ModelError):
        read_intervals(folder)


def test_they_go_where_the_model_goes(write: Write, tmp_path: Path) -> None:
    first, second = write("aaaaaa"), write("bbbbbb")
    write_intervals(first, make_intervals("aaaaaa"))
    target = export_model(first, tmp_path / "given.zip")
    mine = add_model(target, name="mine").folder
    assert read_intervals(mine) == make_intervals("aaaaaa")
    # a model that was not calibrated takes its place, and goes again
    add_model(second, name="mine", replace=True)
    assert not (mine / INTERVALS).exists()
    roll_back("mine")
    assert read_intervals(mine) == make_intervals("aaaaaa")


def test_labels_of_others_than_one_model_have_no_intervals() -> None:
    states, said_by = {0: "confirmed", 1: "corrected", 2: "corrected"}, {1: "aaaaaa", 3: DEVICE_ID}
    weights, confirmed = find_unconfirmed(states, said_by)
    assert (weights, confirmed) == ({"aaaaaa", "", DEVICE_ID}, frozenset({0}))
    for said, what in (
        (weights, "neither predicted nor confirmed"),
        ({"aaaaaa", DEVICE_ID}, "layers of the device"),
        ({"aaaaaa", "bbbbbb"}, "several models"),
        ({"aaaaaa"}, "not among your models"),
    ):
        found = find_sureness(said, confirmed)
        assert (found.intervals, found.digest) == (None, None)
        assert what in found.note
    # all by hand and confirmed, or of a file that nobody predicted: there is nothing to say
    assert find_sureness(set()).note == ""


def test_the_model_of_labels_is_found_by_its_weights(write: Write) -> None:
    folder = write("aaaaaa")
    add_model(folder, name="mine")
    found, note = find_calibrated("aaaaaa")
    assert found is None
    assert "not calibrated" in note
    write_intervals(folder, make_intervals("aaaaaa"))
    add_model(folder, name="other")
    for weights in ("aaaaaa", hash_path(folder / WEIGHTS)):
        # the first of two with the same weights counts: the one that is named
        assert find_calibrated(weights, [folder]) == (make_intervals("aaaaaa"), "")
    found, note = find_calibrated("cccccc")
    assert found is None
    assert "not among your models" in note

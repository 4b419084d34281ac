"""How well a model's numbers repeat: in its bundle, and for two visits that it has labelled."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_retseg.classes import LabelSet
from napari_retseg.errors import ModelError
from napari_retseg.models import (
    WEIGHTS,
    add_model,
    export_model,
    read_retest,
    write_retest,
)
from napari_retseg.models.description import REPEATABILITY
from napari_retseg.models.sureness import find_repeatability
from napari_retseg.scan import OctScan, hash_path
from napari_retseg.visits import Repeatability, Visit
from napari_retseg.visits.retest import Retest
from tests.models.versions import Write


def make_retest(weights_id: str = "aaaaaa", **changes: Any) -> Retest:
    sizes = {"retina": {"C0": 2.0}}
    about = {"weights_id": weights_id, "pairs": 200, "data": "200 pairs", "quietest": 0.1}
    tables = {"typical": sizes, "coefficients": {"um": sizes}, "widening": {"um": {"retina": 3.0}}}
    return Retest.model_validate({**about, **tables, **changes})


def test_it_is_of_the_weights_and_goes_where_they_go(write: Write, tmp_path: Path) -> None:
    one, other = write("aaaaaa"), write("bbbbbb")
    assert read_retest(one) is None
    write_retest(one, make_retest())
    write_retest(other, make_retest())
    assert read_retest(one) == make_retest()
    assert read_retest(other) is None
    target = export_model(one, tmp_path / "given.zip")
    assert read_retest(add_model(target, name="mine").folder) == make_retest()


@pytest.mark.parametrize(
    "change",
    [
        {"typical": {"retina": {"C0": math.nan}}},
        {"coefficients": {"um": {"retina": {"nowhere": 1.0}}}},
        {"coefficients": {"mm": {}}},
        {"widening": {"um": {"retina": -1.0}}},
        {"quietest": 0.0},
        {"pairs": 0},
        {"data": "x" * 5000},
        {"patients": ["Mueller-Hans"]},
    ],
)
def test_what_it_cannot_be_is_refused(write: Write, change: dict[str, Any]) -> None:
    folder = write("aaaaaa")
    values = make_retest().model_dump(mode="json") | change
    (folder / REPEATABILITY).write_text(json.dumps(values))
    with pytest.raises(ModelError, match=REPEATABILITY):
        read_retest(folder)
    with pytest.raises(ModelError, match=REPEATABILITY):
        add_model(folder, name="mine")


def test_it_counts_for_two_visits_that_one_model_has_labelled(write: Write) -> None:
    folder = write("aaaaaa")
    write_retest(folder, make_retest())
    add_model(folder, name="mine")
    pixels = np.zeros((2, 8, 8), np.uint8)
    scan = OctScan(pixels=pixels, axes=("bscan", "depth", "width"), spacing_um=(None,) * 3)
    nobody = Visit("visit", scan, pixels, LabelSet.from_names(["NFL"]))

    def find(one: set[str], other: set[str]) -> Repeatability:
        return find_repeatability(
            replace(nobody, said_by=frozenset(one)), replace(nobody, said_by=frozenset(other))
        )

    weights = hash_path(folder / WEIGHTS)
    for one, other in (("aaaaaa", "aaaaaa"), ("aaaaaa", weights), (weights, weights)):
        assert find({one}, {other}).retest == make_retest()
    for ours, theirs in (({weights}, set()), ({weights, "b"}, {weights}), ({weights}, {"b"})):
        assert find(ours, theirs) == Repeatability()

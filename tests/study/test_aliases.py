"""Keys of patients and scans: they tell no name, and lead back to it where the scans are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from napari_retseg.dataset import Case
from napari_retseg.study.aliases import Aliases
from napari_retseg.study.run_plan import RunSpec
from tests.study.conftest import Plan


@pytest.fixture
def spec(plan: Plan, small_values: dict[str, Any]) -> RunSpec:
    return next(one for one in plan(small_values).unique if one.kind == "run")


def list_names(spec: RunSpec) -> dict[str, Any]:
    """What an event and scores hold, of all cases of a run."""
    groups = sorted({case.group for case in spec.data.cases})
    bscans = [{"group": c.group, "name": f"{c.name}{n}", "classes": {}}
              for c in spec.data.cases for n in ("", ":3")]  # fmt: skip
    return {"training_groups": groups, "heldout_groups": groups[:1], "bscans": bscans, "n": 3}


def rename_cases(spec: RunSpec, prefix: str) -> RunSpec:
    """The same scans, named otherwise."""
    cases = tuple(
        Case.model_validate({**c.model_dump(), "name": prefix + c.name, "group": prefix + c.group})
        for c in spec.data.cases[::-1]
    )
    return spec.model_copy(update={"data": spec.data.model_copy(update={"cases": cases})})


def test_keys_lead_back_to_the_names_of_each_computer(spec: RunSpec) -> None:
    ours, theirs = rename_cases(spec, "Sommer_"), rename_cases(spec, "x")
    hidden = Aliases().hide(ours, list_names(ours))
    assert "Sommer" not in json.dumps(hidden)
    assert len({*hidden["training_groups"]}) == len({c.group for c in spec.data.cases}) > 1
    assert Aliases().show(ours, hidden) == list_names(ours)
    shown = Aliases().show(theirs, hidden)
    assert {*shown["training_groups"]} == {*list_names(theirs)["training_groups"]}
    names = [sorted((b["group"], b["name"]) for b in one["bscans"])
             for one in (shown, list_names(theirs))]  # fmt: skip
    assert names[0] == names[1]


def test_older_packs_have_names_that_stay(spec: RunSpec) -> None:
    values = list_names(spec)
    assert Aliases().show(spec, values) == values


def test_without_the_scans_they_are_numbered(spec: RunSpec) -> None:
    ours = rename_cases(spec, "Sommer_")
    before = list_names(ours)
    for case in spec.data.cases:
        case.image.unlink()
    hidden = Aliases().hide(ours, before)
    assert "Sommer" not in json.dumps(hidden)
    assert hidden["training_groups"][:2] == ["patient 0", "patient 1"]
    assert hidden["bscans"][0]["name"].startswith("scan ")

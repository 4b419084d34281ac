"""Datasets of roles: parts of one that share no patient, and what is said where they do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from napari_retseg.errors import InputError
from napari_retseg.study.catalogue import merge, read_recipe
from napari_retseg.study.datasets import open_roles, read_contents
from napari_retseg.study.protocol import describe_protocol, list_flags
from napari_retseg.study.run_plan import StudyPlan, plan_study
from tests.study.conftest import Write


@pytest.fixture
def two_roles(small_values: dict[str, Any]) -> dict[str, Any]:
    """A recipe that pre-trains on the dataset that it scores."""
    change = {
        "data": {"source": {"description": "the same", "same_as": "target"}},
        "start": "pretrained",
        "pretraining": {"split": {"plan": "50/50", "by": "image"}},
        "splits": {"folds": {"plan": "folds:2"}},
        "grids": {"rates": {"factors": {"lr": [0.001]}}},
        "compare": None,
    }
    return merge(small_values, change)


def make_plan(values: dict[str, Any], write: Write, data: Path, folder: Path) -> StudyPlan:
    recipe = read_recipe(str(write(values)))
    datasets = open_roles(recipe, {"target": data}, folder)
    return plan_study(recipe, datasets, read_contents(datasets, folder), {})


def patients(plan: StudyPlan, kind: str) -> set[str]:
    return {case.group for run in plan.runs if run.kind == kind for case in run.data.cases}


def test_parts_of_a_data_set_share_no_patient(
    two_roles: dict[str, Any], write_recipe: Write, tiny_dataset: Path, tmp_path: Path
) -> None:
    parts = {"data": {"source": {"part": "0-33"}, "target": {"part": "33-100"}}}
    plan = make_plan(merge(two_roles, parts), write_recipe, tiny_dataset, tmp_path)
    source, target = patients(plan, "pretraining"), patients(plan, "run")
    assert len(source) == 1
    assert len(target) == 2
    assert not source & target
    told = " ".join(describe_protocol(plan))
    assert "Target uses 33-100 %, source uses 0-33 % of the patients" in told
    assert not any("pre-training" in flag for flag in list_flags(plan))


def test_a_pre_training_that_has_seen_the_target_is_flagged(
    two_roles: dict[str, Any], write_recipe: Write, tiny_dataset: Path, tmp_path: Path
) -> None:
    plan = make_plan(two_roles, write_recipe, tiny_dataset, tmp_path)
    assert any("pre-training used images of the target" in one for one in list_flags(plan))


def test_a_part_without_patients_is_refused(
    two_roles: dict[str, Any], write_recipe: Write, tiny_dataset: Path, tmp_path: Path
) -> None:
    values = merge(two_roles, {"data": {"source": {"part": "0-10"}}})
    with pytest.raises(InputError, match="uses 0-10 % of 3 labelled patients, which is no patient"):
        make_plan(values, write_recipe, tiny_dataset, tmp_path)

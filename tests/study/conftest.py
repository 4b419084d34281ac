"""Fixtures of the studies' tests: a small recipe, and the command in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from napari_retseg.dataset import Dataset, load_dataset
from napari_retseg.study.catalogue import read_recipe
from napari_retseg.study.datasets import read_contents
from napari_retseg.study.recipe import Recipe
from napari_retseg.study.run_plan import StudyPlan, plan_study
from napari_retseg.study.study_run import StudyFolder

Write = Callable[..., Path]
Plan = Callable[..., StudyPlan]


@pytest.fixture
def small_values(tiny_bundle: Path) -> dict[str, Any]:
    """A recipe of two rates and three folds: six runs that take a moment each."""
    return {
        "name": "small",
        "title": "A small study",
        "description": "Two learning rates.",
        "data": {"target": {"description": "B-scans"}},
        "start": str(tiny_bundle),
        "train": {
            "iterations": 3,
            "score_every": 2,
            "batch_size": 2,
            "crop": "32x32",
            "device": "cpu",
            "precision": "fp32",
            "checkpoint_seconds": 0,
        },
        "splits": {"folds": {"plan": "folds:3"}},
        "grids": {"rates": {"factors": {"lr": [0.001, 0.01]}}},
        "compare": [{"factor": "lr", "reference": "0.001"}],
    }


@pytest.fixture
def write_recipe(tmp_path: Path) -> Write:
    """Writes a recipe to a file."""

    def write(values: dict[str, Any], name: str = "small.yaml") -> Path:
        path = tmp_path / name
        path.write_text(yaml.safe_dump(values, sort_keys=False))
        return path

    return write


@pytest.fixture
def plan(tmp_path: Path, tiny_dataset: Path, write_recipe: Write) -> Plan:
    """Plans a study of the tiny dataset."""

    def make(values: dict[str, Any], data: Dataset | None = None, **options: Any) -> StudyPlan:
        recipe: Recipe = read_recipe(str(write_recipe(values)))
        datasets = {"target": data or load_dataset(tiny_dataset)}
        contents = read_contents(datasets, tmp_path / "cache")
        return plan_study(recipe, datasets, contents, options)

    return make


def stamps(folder: Path) -> dict[str, int]:
    """When each finished run was finished, by key."""
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("runs/*/done.json")}


def scores_of(folder: Path) -> dict[str, Any]:
    """The scores of each finished run, by key."""
    study = StudyFolder(folder)
    return {key: study.run(key).read_result()["scores"] for key in stamps(folder)}


def make_result(*, seconds: float = 1.0) -> dict[str, Any]:
    """Make the result of a run as it is written."""
    counts = {"reference_pixels": 50, "predicted_pixels": 50, "false_positive_pixels": 25}
    scored = {**counts, "dice": 0.5, "iou": 0.3, "bscans_present": 1}
    scores = {
        "classes": {"background": scored, "upper": scored},
        "mean_foreground_dice": 0.5,
        "mean_foreground_iou": 0.3,
        "n_bscans": 1,
        "n_groups": 1,
        "bscans": [
            {"name": "a", "group": "P1", "classes": {"background": counts, "upper": counts}}
        ],
    }
    training = {"iterations": 3, "best_iteration": 2, "promoted": None}
    return {"seconds": seconds, "scores": scores, "start_scores": None, "training": training}

"""From what a user asked for to a plan: the recipe with changes, its data, its runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_retseg.config import TrainConfig
from napari_retseg.dataset import Dataset
from napari_retseg.errors import InputError, UsageError
from napari_retseg.records import parse_yaml
from napari_retseg.study.datasets import open_roles, read_contents
from napari_retseg.study.recipe import Recipe
from napari_retseg.study.run_plan import StudyPlan, plan_study
from napari_retseg.study.study_run import StudyFolder

#: Part of a recipe that `--set` may not change: it names the study.
_FIXED = ("name", "quick")


def parse_pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    """Read ``NAME=VALUE``, one for each name.

    Raises
    ------
    UsageError
        Where one is not of this form, or a name comes twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise UsageError(f"{option} {text}: write NAME=VALUE")
        if name.strip() in found:
            raise UsageError(f"{option} {name.strip()} is given twice")
        found[name.strip()] = value.strip()
    return found


def split_changes(pairs: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Sort ``--set`` into changes of the recipe and options of every training.

    ``sizes=[5,10]`` and ``splits.four-fold.validation=10`` are of the recipe, ``lr=0.01`` is an
    option. Values are YAML.

    Raises
    ------
    UsageError
        Where a name is neither.
    """
    changes: dict[str, Any] = {}
    options: dict[str, Any] = {}
    for name, text in pairs.items():
        first, *rest = name.split(".")
        value = _parse(name, text)
        if first in TrainConfig.model_fields and not rest:
            # texts such as 256x256 and 2.5 stay texts
            is_text = TrainConfig.model_fields[first].annotation is str
            options[first] = text if is_text or first == "dims" else value
        elif first in Recipe.model_fields and first not in _FIXED:
            target = changes
            for part in [first, *rest][:-1]:
                target = target.setdefault(part, {})
            target[[first, *rest][-1]] = value
        else:
            raise UsageError(f"--set {name}: neither a training option nor a part of the recipe")
    return changes, options


def name_classes(texts: Mapping[str, str]) -> dict[str, Any]:
    """Turn ``--classes ROLE=A,B`` into a change of the recipe: these classes, as they are."""
    roles = {
        role: {"classes": {name.strip(): [name.strip()] for name in names.split(",")}}
        for role, names in texts.items()
    }
    return {"data": roles} if roles else {}


def open_study(
    recipe: Recipe, folder: StudyFolder, given: Mapping[str, Path], options: Mapping[str, Any]
) -> tuple[StudyPlan, dict[str, Dataset]]:
    """Open the data of a study, and settle its runs.

    Raises
    ------
    RetsegError
        Where data and recipe do not go together.
    """
    with folder.preparing():
        datasets = open_roles(recipe, given, folder.data)
        contents = read_contents(datasets, folder.data)
    return plan_study(recipe, datasets, contents, options), datasets


def _parse(name: str, text: str) -> Any:
    try:
        value = parse_yaml(text, f"--set {name}")
    except InputError as error:
        raise UsageError(str(error)) from error
    # on and off are words here, as they are on the command line: n4=off
    is_word = isinstance(value, bool) and text.lower() not in ("true", "false")
    return text if is_word else value

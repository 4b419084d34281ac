"""Every run of a study, before any work: its options, its cases, and the key that it goes by."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from napari_retseg.classes import LabelSet
from napari_retseg.config import Frozen, TrainConfig
from napari_retseg.dataset import Case, Dataset, load_dataset, pin_split
from napari_retseg.errors import UsageError
from napari_retseg.models import find_model, read_info
from napari_retseg.plural import count_noun, plural
from napari_retseg.study.datasets import Contents
from napari_retseg.study.recipe import NEW, PRETRAINED, START, Grid, Level, Part, Recipe, SplitSpec
from napari_retseg.study.run_split import divide_for_run, shared_patients, take_size

#: Raised when the same options and data would give another result: older runs are then repeated.
STUDY_SCHEMA = 1
MOST_RUNS = 100_000
#: Where a run stands in its study; two runs that differ in this alone are one.
PLACE = ("grid", "levels", "split", "by", "fold", "size", "seed", "published", "note")
#: What a run computes does not depend on these.
_FREE = ("device", "devices", "precision", "checkpoint_seconds")
#: Options that earlier versions did not have, with the value that does what these did.
_LATER = {"unlabelled": "off", "rehearse_simulated": 0.0}

Weights = Literal["best", "last"]


class RunData(Frozen):
    """The cases of a run, each in its part of the split."""

    root: Path
    name: str
    labels: LabelSet
    simulated: bool = False
    cases: tuple[Case, ...]

    @classmethod
    def of(cls, dataset: Dataset) -> RunData:
        """Take over what a training needs of a dataset."""
        names = ("root", "name", "labels", "simulated", "cases")
        return cls(**{name: getattr(dataset, name) for name in names})

    def open(self) -> Dataset:
        """Return the dataset."""
        return Dataset(**{name: getattr(self, name) for name in type(self).model_fields})

    def count(self, part: str) -> tuple[int, int]:
        """Count cases and patients of a part."""
        own = [case.group for case in self.open().of_split(part)]
        return len(own), len(set(own))


class RunSpec(Frozen):
    """One training of a study, and how it is scored.

    Attributes
    ----------
    key
        Hash of all that the result depends on: options, data, starting model, schema.
    levels
        Level of each factor.
    start, start_run
        A model's folder, or the key of the run whose model this one starts from.
    weights
        Those that are scored.
    """

    key: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    kind: Literal["run", "pretraining"] = "run"
    grid: str = ""
    levels: dict[str, str]
    split: str
    by: str
    fold: int = 0
    size: int = 0
    seed: int = 0
    config: TrainConfig
    start: Path | None = None
    start_run: Annotated[str, Field(pattern=r"^([0-9a-f]{16})?$")] = ""
    weights: Weights
    report_on: Part
    keep_model: bool = False
    keep_predictions: bool = True
    published: dict[str, float] = Field(default_factory=dict)
    note: str = ""
    data: RunData

    @property
    def label(self) -> str:
        """What the run is, in a few words."""
        if self.kind == "pretraining":
            return "pre-training"
        parts = [self.grid, *self.levels.values(), self.split]
        parts += [f"fold {self.fold}"] * (self.fold > 0) + [f"size {self.size}"] * (self.size > 0)
        return ", ".join([*filter(None, parts), f"seed {self.seed}"])


@dataclass(frozen=True)
class StudyPlan:
    """All runs, those first that others start from; and what is not run, in words.

    A run that several grids have in common is there once for each, always with the same key.
    """

    recipe: Recipe
    runs: tuple[RunSpec, ...]
    notes: tuple[str, ...] = ()

    @property
    def unique(self) -> tuple[RunSpec, ...]:
        """Each run once: what is to be done."""
        first: dict[str, RunSpec] = {}
        for run in self.runs:
            first.setdefault(run.key, run)
        return tuple(first.values())


@dataclass
class _Planner:
    """Settles runs one by one."""

    recipe: Recipe
    contents: Contents
    options: Mapping[str, Any]
    runs: list[RunSpec] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)


def _check_number(recipe: Recipe) -> None:
    """Refuse a recipe of more runs than anybody can do: a few lines can cross to billions."""
    total = 0
    for grid in recipe.grids.values():
        levels = math.prod(len(levels) for levels in grid.factors.values())
        zipped = math.prod(
            len(grid.factors[group[0]]) ** (len(group) - 1) for group in grid.zip if group
        )
        total += levels // zipped * sum(1 for _ in _repetitions(recipe, grid))
    if total > MOST_RUNS:
        raise UsageError(
            f"{recipe.name}: has {total:,} runs, but a study can have at most {MOST_RUNS:,}"
        )


def plan_study(
    recipe: Recipe,
    datasets: Mapping[str, Dataset],
    contents: Contents,
    options: Mapping[str, Any] | None = None,
) -> StudyPlan:
    """Settle all runs.

    Parameters
    ----------
    datasets
        By role.
    contents
        Hashes of the cases.
    options
        Options of every training, over the recipe's.

    Raises
    ------
    UsageError
        Where options do not go together.
    InputError
        Where the data cannot be divided as asked for.
    """
    _check_number(recipe)
    planner = _Planner(recipe, contents, options or {})
    pretraining = _plan_pretraining(planner, datasets)
    for comparison in recipe.compare:
        if comparison.factor not in recipe.factors:
            planner.notes[f"no comparison by {comparison.factor!r}: no grid has this factor"] = None
    for name, grid in recipe.grids.items():
        for levels, chosen in expand(grid):
            for split, fold, seed, size in _repetitions(recipe, grid):
                _plan_run(
                    planner,
                    datasets[recipe.splits[split].data],
                    (name, grid, levels, chosen),
                    (split, fold, seed, size),
                    pretraining,
                )
    if not planner.runs:
        raise UsageError(f"{recipe.name}: nothing to run; {'; '.join(planner.notes)}")
    used = {run.start_run for run in planner.runs}
    runs = [r for r in planner.runs if r.kind == "run" or r.key in used]
    return StudyPlan(recipe, tuple(runs), tuple(planner.notes))


def expand(grid: Grid) -> Iterator[tuple[dict[str, str], list[Level]]]:
    """Cross the factors of a grid; zipped ones advance together.

    Yields
    ------
    dict, list
        The level's name for each factor, and the levels.
    """
    groups: list[tuple[str, ...]] = [group for group in grid.zip if group]
    zipped = {name for group in groups for name in group}
    groups += [(name,) for name in grid.factors if name not in zipped]
    axes = []
    for group in groups:
        rows = zip(*(grid.factors[name].items() for name in group), strict=True)
        axes.append([list(zip(group, row, strict=True)) for row in rows])
    for combination in itertools.product(*axes):
        flat = dict(itertools.chain(*combination))
        names = {name: flat[name][0] for name in grid.factors}
        yield names, [flat[name][1] for name in grid.factors]


def _repetitions(recipe: Recipe, grid: Grid) -> Iterator[tuple[str, int, int, int]]:
    for split in grid.splits or tuple(recipe.splits):
        folds = recipe.splits[split].folds
        for fold in range(1, folds + 1) if folds else (0,):
            for seed in recipe.splits[split].seeds or grid.seeds or recipe.seeds:
                for size in grid.sizes or recipe.sizes:
                    yield split, fold, seed, size


def _plan_pretraining(planner: _Planner, datasets: Mapping[str, Dataset]) -> str:
    recipe = planner.recipe
    stage = recipe.pretraining
    if stage is None:
        return ""
    data = divide_for_run(datasets[stage.data], stage.split, fold=0, seed=stage.seed)
    values = {**recipe.train, **stage.train, **planner.options, "seed": stage.seed}
    values.pop(START, None)
    values.setdefault("strategy", "scratch")
    return _add(
        planner,
        data,
        kind="pretraining",
        levels={},
        split=stage.split.plan,
        by=stage.split.by,
        seed=stage.seed,
        config=_configure(values, "pretraining"),
        weights="best",
        report_on="val",
        keep_model=True,
        keep_predictions=False,
    )


def _plan_run(
    planner: _Planner,
    dataset: Dataset,
    kind: tuple[str, Grid, dict[str, str], list[Level]],
    repetition: tuple[str, int, int, int],
    pretraining: str,
) -> None:
    recipe = planner.recipe
    (name, grid, levels, chosen), (split, fold, seed, size) = kind, repetition
    values: dict[str, Any] = {START: recipe.start, **recipe.train, **grid.train}
    for level in chosen:
        values |= level.set
    values |= {**planner.options, "seed": seed}
    start = str(values.pop(START))
    spec = recipe.splits[split]
    parts = divide_for_run(dataset, spec, fold=fold, seed=seed)
    taken = take_size(parts, size, by=recipe.size_by, seed=seed, spread=spec.spread)
    if taken is None:
        planner.notes[_describe_shortage(parts, recipe, size, split)] = None
        return
    report_on = spec.report_on or recipe.report_on
    if not taken.of_split(report_on):
        raise UsageError(
            f"{recipe.name}: scores are reported on the {report_on} part, but split {split} has "
            "none; use 70/15/15, or folds with 'validation'"
        )
    _note_shared(planner, spec, taken, split)
    _add(
        planner,
        taken,
        grid=name,
        levels=levels,
        split=split,
        by=spec.by,
        fold=fold,
        size=size,
        seed=seed,
        config=_configure(values, ", ".join([name, *levels.values()])),
        start=None if start in (NEW, PRETRAINED) else find_model(start).resolve(),
        start_run=_pretrained(recipe, pretraining) if start == PRETRAINED else "",
        weights="best" if recipe.select_on == "val" else "last",
        report_on=report_on,
        keep_model=recipe.keep_models,
        keep_predictions=recipe.keep_predictions,
        published={
            k: v for level in chosen for k, v in level.published.items() if spec.as_published
        },
        note=" ".join(level.note for level in chosen if level.note),
    )


def _add(planner: _Planner, data: Dataset, **values: Any) -> str:
    """Keep a run under its key; return the key."""
    key = _make_key(data, planner.contents, values)
    planner.runs.append(RunSpec(key=key, data=RunData.of(data), **values))
    return key


def _make_key(data: Dataset, contents: Contents, values: Mapping[str, Any]) -> str:
    config: TrainConfig = values["config"]
    start: Path | None = values.get("start")
    parts = {
        part: sorted(contents[case.image] for case in data.of_split(part))
        for part in ("train", "val", "test")
    }
    content = {
        "schema": STUDY_SCHEMA,
        "config": _list_options(config),
        "start": values.get("start_run") or ("" if start is None else read_info(start).weights_id),
        "weights": values["weights"],
        "report_on": values["report_on"],
        "classes": [(c.value, c.name) for c in data.labels.classes],
        "parts": parts,
    }
    if config.rehearse:  # a path: what lies there counts
        content["rehearse"] = pin_split(load_dataset(Path(config.rehearse))).hash_content()
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _list_options(config: TrainConfig) -> dict[str, Any]:
    """List what a run's result depends on; later options count where they are on."""
    off = {name for name, value in _LATER.items() if getattr(config, name) == value}
    return config.model_dump(mode="json", exclude={*_FREE, *off})


def _configure(values: Mapping[str, Any], where: str) -> TrainConfig:
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        option = ".".join(map(str, problem["loc"]))
        reason = problem["msg"].removeprefix("Value error, ")
        text = reason if reason.startswith(option) else f"{option} {reason}"
        raise UsageError(f"{where}: {text}") from error


def _pretrained(recipe: Recipe, key: str) -> str:
    if not key:
        raise UsageError(f"{recipe.name}: starts from a pre-training, but has no 'pretraining'")
    return key


def _describe_shortage(parts: Dataset, recipe: Recipe, size: int, split: str) -> str:
    training = parts.of_split("train")
    there = len(training) if recipe.size_by == "case" else len(parts.groups("train"))
    return (
        f"size {size} is skipped in split {split}: only {there} training "
        f"{plural(recipe.size_by, there)} (choose other sizes with --sizes)"
    )


def _note_shared(planner: _Planner, spec: SplitSpec, data: Dataset, split: str) -> None:
    shared = shared_patients(data)
    if shared and spec.by == "image":
        planner.notes[
            f"split {split!r} is by image: {count_noun(len(shared), 'patient')} in both training "
            "and scored data, so the scores are too optimistic for new patients"
        ] = None

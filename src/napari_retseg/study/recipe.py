"""A recipe: what a study varies, on which data it does so, and how it is scored.

A YAML file, validated before any work. Every option of a training is one of
:class:`~napari_retseg.config.TrainConfig`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from napari_retseg.config import Frozen, SplitBy, TrainConfig, parse_size, parse_split

#: Fields that a level or a grid may change besides those of TrainConfig.
START = "start"
#: What `start` says where the study's own pre-training is meant, or none.
PRETRAINED, NEW = "pretrained", "new"

_FOLDS = re.compile(r"^folds:([0-9]{1,4})\Z")
_NAME = re.compile(r"^[a-z0-9][a-z0-9-]*$")

Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
Part = Literal["val", "test"]


def parse_part(text: str) -> tuple[float, float]:
    """Read ``A-B``, per cent of the patients, as shares.

    Raises
    ------
    ValueError
        Where it is no such part.
    """
    first, dash, last = text.partition("-")
    if not dash or not (first.isdecimal() and last.isdecimal() and int(first) < int(last) <= 100):
        raise ValueError(
            f"part must be A-B, per cent of the patients, for example 0-40, not {text!r}"
        )
    return int(first) / 100, int(last) / 100


def _check_part(text: str) -> str:
    if text:
        parse_part(text)
    return text


def _check_size(text: str) -> str:
    if text and len(parse_size(text) or ()) != 2:
        raise ValueError(f"size must be DEPTHxWIDTH, not {text!r}")
    return text


def _check_options(options: dict[str, Any]) -> dict[str, Any]:
    """Name options that no training has, or that the study sets."""
    unknown = [name for name in options if name not in TrainConfig.model_fields and name != START]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not a training option")
    taken = [name for name in options if name in {"seed", "split", "split_by"}]
    if taken:
        raise ValueError(f"{taken[0]!r} is set by the study: use seeds and splits of the recipe")
    return options


#: Options of a training.
Options = Annotated[dict[str, Any], AfterValidator(_check_options)]


class Level(Frozen):
    """One level of a factor: the options that it sets, and what was published for it."""

    set: Options = Field(default_factory=dict)
    published: dict[str, float] = Field(default_factory=dict)
    note: str = ""


class Grid(Frozen):
    """Runs that differ in some factors, which are crossed unless they are zipped.

    Attributes
    ----------
    train
        Options that all of them share, over the recipe's.
    factors
        Levels by name for each factor. A list of values is short for levels that set the
        option of the factor's name.
    zip
        Factors that advance together.
    splits, seeds, sizes
        Empty: all of the recipe.
    """

    title: str = ""
    train: Options = Field(default_factory=dict)
    factors: dict[str, dict[str, Level]] = Field(default_factory=dict)
    zip: tuple[tuple[str, ...], ...] = ()
    splits: tuple[str, ...] = ()
    seeds: tuple[Count, ...] = ()
    sizes: tuple[Count, ...] = ()

    @field_validator("factors", mode="before")
    @classmethod
    def _spell_out(cls, factors: Any) -> Any:
        if not isinstance(factors, dict):
            return factors
        return {
            name: {str(value): {"set": {name: value}} for value in levels}
            if isinstance(levels, list)
            else levels
            for name, levels in factors.items()
        }

    @model_validator(mode="after")
    def _check(self) -> Grid:
        empty = [name for name, levels in self.factors.items() if not levels]
        if empty:
            raise ValueError(f"factor {empty[0]!r} has no level")
        for group in self.zip:
            unknown = [name for name in group if name not in self.factors]
            if unknown:
                raise ValueError(f"{unknown[0]!r} is zipped, but is not a factor of the grid")
            if len({len(self.factors[name]) for name in group}) > 1:
                raise ValueError(f"zipped factors {', '.join(group)} differ in number of levels")
        return self


class SplitSpec(Frozen):
    """How the target's cases are divided.

    Attributes
    ----------
    plan
        ``pinned``, shares as ``70/15/15``, or ``folds:4``: each fold is held out once.
    by
        ``image`` only to follow a published protocol; the report says so everywhere.
    seed
        Of the ranking; ``run``: the run's own.
    validation
        So many patients (images) of the training part are set aside for local validation;
        what the plan holds out is then the test.
    data
        Role of the dataset that is divided.
    seeds
        Of the runs on this split; empty: those of the grid.
    spread
        Whether a size in cases is dealt over all training patients, one from each in turn;
        otherwise it is of as few patients as hold it.
    report_on
        None: as the recipe says.
    as_published
        Whether published values stand beside its scores.
    """

    plan: str = "pinned"
    by: SplitBy = "patient"
    seed: Count | Literal["run"] = 0
    validation: Count = 0
    data: str = "target"
    seeds: tuple[Count, ...] = ()
    spread: bool = False
    report_on: Part | None = None
    as_published: bool = True
    note: str = ""

    @field_validator("plan")
    @classmethod
    def _check(cls, text: str) -> str:
        folds = _FOLDS.match(text)
        if folds is None:
            if text.startswith("fold:"):
                raise ValueError("a study runs all folds; write 'folds:4'")
            parse_split(text)
        elif int(folds[1]) < 2:
            raise ValueError("use at least 2 folds")
        return text

    @property
    def folds(self) -> int:
        """Number of folds; 0 without."""
        match = _FOLDS.match(self.plan)
        return int(match[1]) if match else 0


class Simulation(Frozen):
    """Simulated scans that stand in where no data are given."""

    count: Annotated[int, Field(ge=2, le=10_000)] = 4
    seed: Count = 0
    device: Literal["A", "B"] = "A"
    n_bscans: Annotated[int, Field(ge=1, le=1024)] = 1
    depth: Annotated[int, Field(ge=64, le=4096)] = 496
    width: Annotated[int, Field(ge=64, le=4096)] = 768
    file_format: Literal["png", "tiff", "nifti"] = "png"


class DataRole(Frozen):
    """What a study needs from a dataset, and how it is made ready.

    Attributes
    ----------
    same_as
        The role whose files are taken, made ready in another way.
    classes
        New classes, each with the names that are merged into it; all others become
        background. Empty: the classes as they are.
    unannotated
        ``background`` only where a published protocol counted such pixels as background.
    size
        B-scans are resampled to this first, as some studies store them; empty: as they are.
    part
        ``A-B``: from A to B per cent of the patients, in a random order that is always the same,
        so that two roles of one dataset can share no patient. Empty: all.
    simulate
        Where no data are given.
    """

    description: str
    same_as: str = ""
    classes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    unannotated: Literal["ignore", "background"] = "ignore"
    size: Annotated[str, AfterValidator(_check_size)] = ""
    part: Annotated[str, AfterValidator(_check_part)] = ""
    simulate: Simulation | None = None


class Pretraining(Frozen):
    """A first stage on another dataset, shared by all runs that start from it."""

    data: str = "source"
    train: Options = Field(default_factory=dict)
    split: SplitSpec = SplitSpec(plan="80/20")
    seed: Count = 0


class Fidelity(Frozen):
    """How a recipe relates to the study that it follows."""

    faithful: tuple[str, ...] = ()
    corrected: tuple[str, ...] = ()
    not_reproducible: tuple[str, ...] = ()


class Comparison(Frozen):
    """Which levels are tested against which, on runs that are otherwise the same."""

    factor: str
    reference: str


class Recipe(Frozen):
    """A whole study.

    Attributes
    ----------
    data
        Roles by name: ``target`` is what the scores are of.
    train
        Options of every training.
    start
        ``new`` weights, the study's own pre-training (``pretrained``), or a model.
    splits
        By name; every run is done on each.
    sizes
        Numbers of training cases (or patients, `size_by`), nested for one seed; 0: all.
    select_on
        ``val``: the best iteration by mean foreground Dice there; ``nothing``: the last one.
    report_on
        Where the scores of the tables are from.
    with_background, generalised
        More columns in the tables, to compare with published ones.
    curves
        Colours of the score curves go by this factor.
    keep_models, keep_predictions
        Of finished runs.
    quick
        What is changed by ``--quick``, merged into the rest.
    """

    name: str
    title: str
    description: str
    source: str = ""
    data: dict[str, DataRole]
    train: Options = Field(default_factory=dict)
    start: str = NEW
    pretraining: Pretraining | None = None
    splits: dict[str, SplitSpec]
    seeds: tuple[Count, ...] = (0,)
    sizes: tuple[Count, ...] = (0,)
    size_by: Literal["patient", "case"] = "patient"
    grids: dict[str, Grid]
    select_on: Literal["nothing", "val"] = "nothing"
    report_on: Part = "val"
    metrics: tuple[Literal["dice", "iou", "precision", "recall"], ...] = ("dice", "iou")
    with_background: bool = False
    generalised: bool = False
    compare: tuple[Comparison, ...] = ()
    curves: str = ""
    keep_models: bool = False
    keep_predictions: bool = True
    fidelity: Fidelity = Fidelity()
    quick: dict[str, Any] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError("a recipe's name must consist of small letters, digits and '-'")
        return name

    @model_validator(mode="after")
    def _check_data(self) -> Recipe:
        if "target" not in self.data:
            raise ValueError("data has no 'target'")
        wanted = {f"data {name}": role.same_as for name, role in self.data.items()}
        wanted |= {f"split {name!r}": spec.data for name, spec in self.splits.items()}
        if self.pretraining is not None:
            wanted["pretraining"] = self.pretraining.data
        for what, role in wanted.items():
            if role and role not in self.data:
                raise ValueError(f"{what} uses data {role!r}, which does not exist")
        return self

    @model_validator(mode="after")
    def _check_grids(self) -> Recipe:
        if not self.grids or not self.splits:
            raise ValueError("no grid or no split, so there is nothing to run")
        for name, grid in self.grids.items():
            unknown = [split for split in grid.splits if split not in self.splits]
            if unknown:
                raise ValueError(f"grid {name!r} uses split {unknown[0]!r}, which does not exist")
        spread = [name for name, split in self.splits.items() if split.spread]
        if spread and self.size_by == "patient":
            raise ValueError(
                f"split {spread[0]!r} spreads cases, but sizes count patients; use size_by: case"
            )
        return self

    @property
    def factors(self) -> set[str]:
        """The factors of all grids."""
        return {factor for grid in self.grids.values() for factor in grid.factors}

"""What a study writes down: its own description, and the result of each run.

Volumes have hundreds of B-scans, studies hundreds of runs: of scores, the counts are kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr

from napari_retseg.config import Frozen
from napari_retseg.records import check_record, read_json
from napari_retseg.scorerecord import BscanRecord, Count, ScoresRecord
from napari_retseg.study.recipe import Recipe

#: From these counts follow all scores of a B-scan, and of the case that it is of.
_COUNTS = ("reference_pixels", "predicted_pixels", "false_positive_pixels")

#: A run's key is the name of its folder, too.
Key = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Real = Annotated[float, Field(allow_inf_nan=False)]


class _Training(BaseModel):
    model_config = ConfigDict(extra="allow")

    iterations: Count
    best_iteration: Count | None
    promoted: StrictBool | None


class _Scores(ScoresRecord):
    bscans: list[BscanRecord]


class ResultRecord(BaseModel):
    """The result of a run; values of later versions are allowed."""

    model_config = ConfigDict(extra="allow")

    seconds: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
    scores: _Scores
    start_scores: ScoresRecord | None
    training: _Training
    versions: dict[str, StrictStr] = Field(default_factory=dict)
    taken_from: StrictStr = ""


class RunPlace(Frozen):
    """Where a run stands in its study."""

    key: Key
    grid: str
    levels: dict[str, str]
    split: str
    by: str
    fold: Count
    size: Count
    seed: Count
    published: dict[str, Real]
    note: str


class StudyRecord(BaseModel):
    """What ``study.json`` says."""

    model_config = ConfigDict(extra="allow")

    recipe: Recipe
    runs: list[RunPlace]
    notes: list[StrictStr] = Field(default_factory=list)
    command: StrictStr = ""
    given: list[StrictStr] = Field(default_factory=list)
    data: dict[str, StrictStr] = Field(default_factory=dict)
    versions: dict[str, StrictStr] = Field(default_factory=dict)
    changes: list[tuple[StrictStr, StrictStr, StrictStr]] = Field(default_factory=list)


def read_result(path: Path) -> dict[str, Any]:
    """Read the result of a run.

    Raises
    ------
    InputError
        Where it cannot be read, or lacks what a report needs.
    """
    return check_result(read_json(path), path)


def check_result(values: Any, source: Path | str) -> dict[str, Any]:
    """Make sure that a result has all that a report reads; `source` is for the message.

    Raises
    ------
    InputError
        Naming the first thing that is wrong.
    """
    check_record(values, ResultRecord, source)
    return dict(values)


def slim_scores(scores: dict[str, Any]) -> dict[str, Any]:
    """Keep each B-scan's counts alone; scores of the whole part stay as they are."""
    bscans = [
        {
            "name": bscan["name"],
            "group": bscan["group"],
            "classes": {
                name: {count: own[count] for count in _COUNTS}
                for name, own in bscan["classes"].items()
            },
        }
        for bscan in scores["bscans"]
    ]
    return {**scores, "bscans": bscans}


def slim_start(scores: dict[str, Any] | None) -> dict[str, Any] | None:
    """Keep what is shown of a starting model: its scores of the whole part."""
    if scores is None:
        return None
    return {name: value for name, value in scores.items() if name != "bscans"}

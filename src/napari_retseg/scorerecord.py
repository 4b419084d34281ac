"""Scores as JSON: what each value may be, for all that read them from a file."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictStr

Count = Annotated[int, Field(strict=True, ge=0)]
Share = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
Score = Share | None


class _Open(BaseModel):
    """Values of later versions are allowed."""

    model_config = ConfigDict(extra="allow", frozen=True)


class ClassCountsRecord(_Open):
    """Pixels of a class; all of its scores follow from them."""

    reference_pixels: Count
    predicted_pixels: Count
    false_positive_pixels: Count


class ClassScoresRecord(ClassCountsRecord):
    """Scores of a class; None where there is nothing to divide by."""

    dice: Score
    iou: Score
    bscans_present: Count
    precision: Score = None
    recall: Score = None


class BscanRecord(_Open):
    """Counts of one B-scan."""

    name: StrictStr
    group: StrictStr
    classes: dict[StrictStr, ClassCountsRecord]


class ScoresRecord(_Open):
    """What :meth:`napari_retseg.scores.Scores.to_json` writes, with or without its B-scans."""

    classes: Annotated[dict[StrictStr, ClassScoresRecord], Field(min_length=1)]
    mean_foreground_dice: Score
    mean_foreground_iou: Score
    n_bscans: Count
    n_groups: Count
    mean_dice_with_background: Score = None
    mean_iou_with_background: Score = None
    n_exact: Count = 0
    n_kept: Count = 0
    bscans: list[BscanRecord] | None = None

"""Scores as JSON: what each value may be, for all that read them from a file."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictStr

Count = Annotated[int, Field(strict=True, ge=0)]
Share = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
Score = Share | None
Real = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Length = Annotated[Real, Field(ge=0)] | None


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


class BoundaryRecord(_Open):
    """The error of one boundary; None where it is not known."""

    ascans: Count
    missing: Count
    bias_px: Real | None
    mean_px: Length
    p95_px: Length
    bias_um: Real | None = None
    mean_um: Length = None
    p95_um: Length = None


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
    #: of layers only, and not in older files
    boundaries: dict[StrictStr, BoundaryRecord] | None = None
    mean_boundary_error_px: Length = None
    mean_boundary_error_um: Length = None
    p95_boundary_error_px: Length = None
    p95_boundary_error_um: Length = None

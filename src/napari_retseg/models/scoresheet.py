"""Scores as they lie in a description, with their types; see :mod:`napari_retseg.scores`."""

from __future__ import annotations

from typing import Annotated, NotRequired

from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

_Share = Annotated[float, Field(ge=0, le=1)] | None
_Count = Annotated[int, Field(ge=0)]
_LENIENT = ConfigDict(extra="ignore")
_Name = Annotated[str, Field(max_length=200)]


class ClassSheet(TypedDict):
    """Scores of one class, None where there is nothing to divide by; pixels are counted."""

    __pydantic_config__ = _LENIENT  # type: ignore[misc]

    dice: _Share
    iou: _Share
    precision: NotRequired[_Share]
    recall: NotRequired[_Share]
    bscans_present: _Count
    reference_pixels: _Count
    predicted_pixels: _Count
    false_positive_pixels: _Count


class ScoreSheet(TypedDict):
    """Scores of some B-scans together. What else a file holds is left out: names of B-scans."""

    __pydantic_config__ = _LENIENT  # type: ignore[misc]

    classes: Annotated[dict[_Name, ClassSheet], Field(max_length=255)]
    mean_foreground_dice: _Share
    mean_foreground_iou: _Share
    mean_dice_with_background: NotRequired[_Share]
    mean_iou_with_background: NotRequired[_Share]
    n_bscans: _Count
    n_exact: NotRequired[_Count]
    n_kept: NotRequired[_Count]
    n_groups: _Count

"""What a training's result says, as it is read from a run folder: checked before it is believed."""

from __future__ import annotations

from pydantic import BaseModel, StrictBool, StrictStr

from napari_retseg.scorerecord import Count, ScoresRecord, Share


class _Rehearsed(BaseModel):
    start: ScoresRecord | None = None
    last: ScoresRecord | None = None


class _Elsewhere(BaseModel):
    start: ScoresRecord
    best: ScoresRecord


class _Unlabelled(BaseModel):
    bscans: Count
    dice_without: Share
    dice_with: Share


class ResultRecord(BaseModel):
    """What is read of a training's result; the results of other jobs have parts of it."""

    start: ScoresRecord | None = None
    best: ScoresRecord | None = None
    last: ScoresRecord | None = None
    best_iteration: Count | None = None
    promoted: StrictBool | None = None
    rehearsed: _Rehearsed = _Rehearsed()
    elsewhere: _Elsewhere | None = None
    unlabelled: _Unlabelled | None = None
    iterations: Count = 0
    split: StrictStr = ""
    model: StrictStr = ""
    last_model: StrictStr = ""

"""A round of training in a workspace: said in words beforehand, watched, judged and kept.

Nothing here imports torch: a training runs as a job of :mod:`napari_retseg.engine`.
"""

from __future__ import annotations

from napari_retseg.rounds.command import train_command
from napari_retseg.rounds.curves import Curves, Measure, find_resumable
from napari_retseg.rounds.describe import check_round, describe_round, plan_split
from napari_retseg.rounds.duration import describe_duration, seconds_per_step
from napari_retseg.rounds.parameters import count_for_round, count_parameters
from napari_retseg.rounds.remarks import Judging, foresee_judging, list_remarks
from napari_retseg.rounds.verdict import (
    Verdict,
    VerdictRow,
    judge_round,
    keep_new,
    keep_old,
    read_verdict,
)

__all__ = [
    "Curves",
    "Judging",
    "Measure",
    "Verdict",
    "VerdictRow",
    "check_round",
    "count_for_round",
    "count_parameters",
    "describe_duration",
    "describe_round",
    "find_resumable",
    "foresee_judging",
    "judge_round",
    "keep_new",
    "keep_old",
    "list_remarks",
    "plan_split",
    "read_verdict",
    "seconds_per_step",
    "train_command",
]

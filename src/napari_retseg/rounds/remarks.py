"""What to know before a training, and how well its result can be judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from napari_retseg.config import TrainConfig
from napari_retseg.dataset import Dataset
from napari_retseg.errors import RetsegError
from napari_retseg.models import ModelInfo
from napari_retseg.plural import agree, count_noun
from napari_retseg.rounds.describe import FEW, check_labels, check_sides, plan_split
from napari_retseg.rounds.words import (
    count_bscans,
    join,
    make_sentence,
    name_heldout_places,
    name_patients,
)


@dataclass(frozen=True, slots=True)
class Judging:
    """How well the next training can be judged.

    Attributes
    ----------
    level
        ``well``; ``barely``: a score will say little; ``not``: nothing is held out to score on,
        so that no training starts.
    text
        Why, and what to do about it: sentences; empty where all is well.
    """

    level: Literal["well", "barely", "not"]
    text: str = ""


def foresee_judging(dataset: Dataset, config: TrainConfig, start: ModelInfo | None) -> Judging:
    """Say before a training how well its result can be judged."""
    try:
        divided = plan_split(dataset, config)
    except RetsegError as error:
        return Judging("not", make_sentence(error))
    missing = check_labels(dataset) or check_sides(divided)
    if missing is not None:
        return Judging("not", missing)
    remarks = [
        _remark_on_patients(divided),
        _remark_on_number(divided),
        _remark_on_seen(divided, start),
        _remark_on_begun(divided, start),
    ]
    text = " ".join(filter(None, remarks))
    return Judging("barely" if text else "well", text)


def list_remarks(dataset: Dataset, config: TrainConfig, start: ModelInfo | None) -> tuple[str, ...]:
    """Say what to know before a training that can start: sentences, the weightiest first.

    One patient only, few held-out B-scans, held-out patients that the starting model was trained
    on, and which classes it does not know.
    """
    try:
        divided = plan_split(dataset, config)
    except RetsegError:
        return ()  # check_round says why
    found = [
        _remark_on_patients(divided),
        _remark_on_number(divided),
        _remark_on_seen(divided, start),
        _remark_on_begun(divided, start),
    ]
    if start is not None and config.strategy != "scratch":
        found.append(_remark_on_classes(divided, start))
    return tuple(text for text in found if text)


def _remark_on_patients(divided: Dataset) -> str:
    shared = sorted({*divided.groups("train")} & {*divided.groups("val")})
    if not shared:
        return ""
    if len({case.group for case in divided.cases if case.split}) > 1:
        return (
            f"{name_patients(shared)} {agree(len(shared))} in both training and held-out data: "
            "the scores are too optimistic for other patients."
        )
    return (
        f"There is only one patient ({shared[0]}): {name_heldout_places(divided)} are held out, "
        "and the scores say nothing about other patients."
    )


def _remark_on_number(divided: Dataset) -> str:
    heldout = count_bscans(divided, "val")
    if heldout >= FEW:
        return ""
    return (
        f"Only {count_noun(heldout, 'B-scan')} {agree(heldout)} held out: small differences in "
        "the scores can be chance."
    )


def _remark_on_seen(divided: Dataset, start: ModelInfo | None) -> str:
    """Say which held-out patients the starting model was trained on: it looks better there."""
    trained = None if start is None else start.trained_on
    if start is None or trained is None:
        return ""
    only = {*divided.groups("val")} - {*divided.groups("train")}
    seen = trained.find_known(only)
    if not seen:
        return ""
    return (
        f"Model {start.name} was trained on {name_patients(seen)}, now held out: its scores on "
        "them are too optimistic. Use a starting model that was not trained on them."
    )


def _remark_on_begun(divided: Dataset, start: ModelInfo | None) -> str:
    """Say how many held-out labels began as the starting model's own prediction."""
    model = "" if start is None else start.weights_id
    if start is None or not model:
        return ""
    heldout = count_bscans(divided, "val")
    begun = sum(
        (case.bscans or {})[bscan].model == model
        for case in divided.of_split("val")
        if case.bscans
        for bscan in divided.annotated_bscans(case, "val")
    )
    if not begun:
        return ""
    return (
        f"{begun} of {count_noun(heldout, 'held-out B-scan')} started from a prediction of "
        f"{start.name}, so the scores favour this model. Check all boundaries on these B-scans, "
        "or label them without a prediction."
    )


def _remark_on_classes(divided: Dataset, start: ModelInfo) -> str:
    """Say which classes come over from the starting model: they are matched by name."""
    here = [c.name for c in divided.labels.foreground]
    there = [c.name for c in start.classes.foreground]
    new = [name for name in here if name not in there]
    left_out = [name for name in there if name not in here]
    if not new and not left_out:
        return ""
    if len(new) == len(here):
        return (
            f"Model {start.name} has none of the classes here ({join(here)}): its output layer "
            "is trained from scratch, all other weights are kept."
        )
    known = [name for name in here if name in there]
    parts = [f"{join(known)} {agree(len(known), 'starts', 'start')} from {start.name}"]
    if new:
        parts.append(f"{join(new)} {agree(len(new), 'starts', 'start')} from scratch")
    if left_out:
        parts.append(f"{join(left_out)} {agree(len(left_out))} not used here")
    return f"{'; '.join(parts)}."

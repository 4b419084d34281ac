"""Divisions of a data set for one run: shares or folds, by patient or by image."""

from __future__ import annotations

from collections.abc import Sequence

from napari_retseg.config import SplitBy, SplitPlan
from napari_retseg.dataset.case import Case, Split
from napari_retseg.dataset.collection import Dataset
from napari_retseg.dataset.split import pin_split, rank_groups
from napari_retseg.errors import InputError, UsageError


def divide(
    dataset: Dataset, plan: SplitPlan, *, by: SplitBy = "patient", seed: int
) -> Dataset:
    """Divide a data set for one run; nothing is written.

    Cases that the data set pins as ``test`` stay there. Units (patients, or images) are ranked
    by a hash of the seed and their name.

    Parameters
    ----------
    plan
        Shares, or a fold; neither: the pinned split.
    by
        ``image`` puts images of one patient on both sides, so that scores flatter.

    Raises
    ------
    InputError
        Where there are too few units.
    UsageError
        Where `by` is ``image`` and the plan is the pinned split.
    """
    if plan.fractions is None and not plan.folds:
        if by == "image":
            raise UsageError("--split-by image needs --split with shares (80/20) or a fold (fold:1/4)")
        return pin_split(dataset)
    free = [c for c in dataset.cases if c.has_annotation and c.split != "test"]
    names = {_unit(case, dataset, by) for case in free}
    ranked = rank_groups(names, seed)
    splits = _assign_fold(ranked, plan, dataset) if plan.folds else _assign(ranked, plan, dataset)
    images = {case.image for case in free}
    cases = tuple(
        _place(case, splits[_unit(case, dataset, by)]) if case.image in images else case
        for case in dataset.cases
    )
    return dataset.model_copy(update={"cases": cases})


def describe_split(plan: SplitPlan, by: SplitBy) -> str:
    """Say in words how the held-out scans were chosen."""
    if plan.folds:
        text = f"fold {plan.fold} of {plan.folds}, by {by}"
    elif plan.fractions is not None:
        shares = "/".join(f"{100 * share:.0f}" for share in plan.fractions if share)
        text = f"{shares}, by {by}"
    else:
        text = f"pinned, by {by}"
    if by == "image":
        text += ": patients are on both sides, so the scores flatter"
    return text


def _unit(case: Case, dataset: Dataset, by: SplitBy) -> str:
    if by == "patient":
        return case.group
    return case.image.relative_to(dataset.root).as_posix() if case.image.is_relative_to(
        dataset.root
    ) else case.image.as_posix()


def _place(case: Case, split: Split) -> Case:
    return case.model_copy(update={"split": split, "heldout_bscans": (), "unused_bscans": ()})


def _assign_fold(ranked: Sequence[str], plan: SplitPlan, dataset: Dataset) -> dict[str, Split]:
    if len(ranked) < plan.folds:
        raise InputError(
            f"{dataset.root}: {len(ranked)} patients or images cannot be divided into {plan.folds} folds"
        )
    return {
        name: "val" if place % plan.folds == plan.fold - 1 else "train"
        for place, name in enumerate(ranked)
    }


def _assign(ranked: Sequence[str], plan: SplitPlan, dataset: Dataset) -> dict[str, Split]:
    assert plan.fractions is not None
    wanted = [share for share in plan.fractions if share]
    if len(ranked) < len(wanted):
        raise InputError(
            f"{dataset.root}: {len(ranked)} patients or images cannot be divided into {len(wanted)} parts"
        )
    n_val = max(1, round(plan.fractions[1] * len(ranked)))
    n_test = max(1, round(plan.fractions[2] * len(ranked))) if plan.fractions[2] else 0
    splits: dict[str, Split] = dict.fromkeys(ranked, "train")
    splits |= dict.fromkeys(ranked[:n_val], "val")
    splits |= dict.fromkeys(ranked[n_val : n_val + n_test], "test")
    return splits

"""A division for one run: shares or folds, by patient or by image; nothing is pinned."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from napari_retseg.config import SplitBy, SplitPlan
from napari_retseg.dataset.case import Case, Split
from napari_retseg.dataset.collection import Dataset
from napari_retseg.dataset.split import check_fractions, count_share, pin_split, rank_groups
from napari_retseg.dataset.twins import list_twins
from napari_retseg.errors import InputError, UsageError
from napari_retseg.plural import agree


def divide(dataset: Dataset, plan: SplitPlan, *, by: SplitBy = "patient", seed: int) -> Dataset:
    """Divide a dataset for one run: into shares, or into folds of which one is held out.

    Patients (or images) are ranked by a hash of the seed and their name, as in
    :func:`napari_retseg.dataset.split.pin_split`. Of shares, the first ones are held out and
    the next ones are for the test; of k folds, number i holds ranks i, i + k, i + 2k, and so
    on. Earlier choices of train and val, and of single B-scans, do not count.

    Cases that the dataset itself pins as ``test`` stay there, and by patient so does every
    labelled scan of their patients. Where the plan has a share for the test they fill it, and
    shares are of all patients; otherwise shares are of those that are left. Cases without
    labels that count have no split.

    Parameters
    ----------
    plan
        Shares or a fold; neither: the pinned split.
    by
        ``image`` divides the images whoever they are of. Where each patient has one, that is
        the same as by patient; where not, :attr:`Dataset.warnings` names who is on both sides.
    seed
        Of the ranking.

    Raises
    ------
    UsageError
        Where the pinned split is asked for by image, or the shares are none.
    InputError
        Where there are fewer patients (or images) than parts.
    """
    _check_together(plan, by)
    if plan.fractions is None and not plan.folds:
        return pin_split(dataset, seed=seed)
    labelled = [case for case in dataset.cases if case.has_annotation]
    units = _join_twins(dataset, _name_units(dataset, labelled, by))
    tested = _find_tested(dataset, by)
    ranked = rank_groups({unit for image, unit in units.items() if image not in tested}, seed)
    n_tested = len({unit for image, unit in units.items() if image in tested})
    needed = _count_parts(plan, n_tested)
    if len(ranked) < needed:
        raise InputError(_describe_shortage(dataset, plan, by, (needed, len(ranked), n_tested)))
    parts = _deal(ranked, plan) if plan.folds else _share_out(ranked, plan, n_tested)
    cases = []
    for case in dataset.cases:
        split = "test" if case.image in tested else parts.get(units.get(case.image, ""))
        update = {"split": split, "heldout_bscans": (), "unused_bscans": ()}
        cases.append(case.model_copy(update=update))
    return dataset.model_copy(update={"cases": tuple(cases)})


def describe_split(plan: SplitPlan, by: SplitBy, *, seed: int | None = None) -> str:
    """Say in words how the held-out scans are chosen.

    Parameters
    ----------
    plan, by
        As for :func:`divide`.
    seed
        Named where it is given and decides something.

    Raises
    ------
    UsageError
        Where the two do not go together.
    """
    _check_together(plan, by)
    if plan.fractions is None and not plan.folds:
        return "by patient, pinned"
    text = f"{_name_plan(plan)}, by {by}"
    if seed is not None:
        text += f" (seed {seed})"
    if by == "image":
        text += (
            ": a patient can be in both training and held-out data, so the scores are too "
            "optimistic"
        )
    return text


def _check_together(plan: SplitPlan, by: SplitBy) -> None:
    if by == "image" and plan.fractions is None and not plan.folds:
        raise UsageError(
            "the pinned split is by patient; to split by image, give percentages (--split 80/20) "
            "or a fold (--split fold:1/4)"
        )
    if plan.fractions is not None:
        check_fractions(plan.fractions)


def _name_plan(plan: SplitPlan) -> str:
    if plan.folds:
        return f"fold {plan.fold} of {plan.folds}"
    train, val, test = (f"{100 * share:g}" for share in plan.fractions or (0, 0, 0))
    return f"{train}/{val}" if test == "0" else f"{train}/{val}/{test}"


def _join_twins(dataset: Dataset, units: dict[Path, str]) -> dict[Path, str]:
    """Let the same image under two names, and all that goes with it, be one unit."""
    names: dict[str, str] = {}
    for same in list_twins([case for case in dataset.cases if case.image in units]):
        first, *others = sorted({_lead(units[case.image], names) for case in same})
        names |= dict.fromkeys(others, first)
    return {image: _lead(unit, names) for image, unit in units.items()}


def _lead(unit: str, names: dict[str, str]) -> str:
    while unit in names:
        unit = names[unit]
    return unit


def _name_units(dataset: Dataset, cases: Sequence[Case], by: SplitBy) -> dict[Path, str]:
    """Name what is ranked, for each image; the place of the dataset does not count."""
    if by == "patient":
        return {case.image: case.group for case in cases}
    per_group = Counter(case.group for case in cases)
    return {
        case.image: case.group
        if per_group[case.group] == 1
        else f"{case.group}/{_relative(case.image, dataset.root)}"
        for case in cases
    }


def _relative(path: Path, root: Path) -> str:
    try:
        return Path(os.path.relpath(path, root)).as_posix()
    except ValueError:  # another drive
        return path.as_posix()


def _find_tested(dataset: Dataset, by: SplitBy) -> set[Path]:
    """Images that stay in the test."""
    pinned = [case for case in dataset.cases if case.split == "test"]
    images = {case.image for case in pinned}
    if by == "patient":
        groups = {case.group for case in pinned}
        images |= {c.image for c in dataset.cases if c.group in groups and c.has_annotation}
    return images


def _count_parts(plan: SplitPlan, n_tested: int) -> int:
    """How many patients or images are needed at least."""
    if plan.fractions is None:
        return plan.folds
    is_test_there = bool(plan.fractions[2] and n_tested)
    return sum(share > 0 for share in plan.fractions) - is_test_there


def _deal(ranked: Sequence[str], plan: SplitPlan) -> dict[str, Split]:
    """Deal the ranks to the folds in turn, so that their sizes differ by one at most."""
    heldout = set(ranked[plan.fold - 1 :: plan.folds])
    return {unit: "val" if unit in heldout else "train" for unit in ranked}


def _share_out(ranked: Sequence[str], plan: SplitPlan, n_tested: int) -> dict[str, Split]:
    """Give each share its part of the ranks, and at least one."""
    _, val, test = plan.fractions or (1.0, 0.0, 0.0)
    total = len(ranked) + (n_tested if test else 0)
    is_test_open = bool(test and not n_tested)
    n_val = min(count_share(val, total), len(ranked) - 1 - is_test_open)
    n_test = max(0, count_share(test, total) - n_tested) if test else 0
    n_test = min(n_test, len(ranked) - 1 - n_val)
    parts: dict[str, Split] = dict.fromkeys(ranked, "train")
    parts |= dict.fromkeys(ranked[:n_val], "val")
    return parts | dict.fromkeys(ranked[n_val : n_val + n_test], "test")


def _describe_shortage(
    dataset: Dataset, plan: SplitPlan, by: SplitBy, numbers: tuple[int, int, int]
) -> str:
    needed, there, n_tested = numbers
    kept = f", besides {n_tested} in the test set" if n_tested else ""
    advice = (
        "label more patients, or use --split pinned" if by == "patient" else "label more images"
    )
    advice += ", or use fewer folds" if plan.folds else ", or use fewer parts"
    return (
        f"{dataset.root}: {_name_plan(plan)} by {by} needs at least {needed} labelled {by}s, but "
        f"there {agree(there)} only {there}{kept}; {advice}"
    )

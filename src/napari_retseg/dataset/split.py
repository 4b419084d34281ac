"""The split by patient: it follows from the patients' names and a seed, and stays."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping

from napari_retseg.dataset.case import Case, Split
from napari_retseg.dataset.collection import Dataset
from napari_retseg.dataset.gap import add_bscans, hold_out_bscans
from napari_retseg.dataset.twins import find_twins, set_twins_aside
from napari_retseg.errors import UsageError

#: What a case's `about` says under ``split_source`` where the user has chosen its place.
CHOSEN = "user"
#: Shares of the patients that are trained on, held out while training, and kept for a test.
FRACTIONS = (0.8, 0.2, 0.0)


def pin_split(
    dataset: Dataset,
    *,
    fractions: tuple[float, float, float] = FRACTIONS,
    seed: int | None = None,
) -> Dataset:
    """Give every labelled case without a split one; those that have one keep it.

    Patients are ranked by a hash of the seed and their name. The first ones are held out,
    as many as are missing to their share (at least one where there are two patients or
    more), the next ones are for the test, the others are trained on. A new scan of a known
    patient goes where the patient is. Where all labelled scans are of one patient,
    B-scans are held out instead (:func:`napari_retseg.dataset.gap.hold_out_bscans`), and
    :attr:`Dataset.warnings` says so. Patients of whom the same image is there, told by its content,
    are on one side. Where the user has chosen who is held out
    (:func:`napari_retseg.dataset.sides.hold_out`), new patients are trained on.

    Cases without labels that count stay without a split until they have some.

    Parameters
    ----------
    fractions
        Shares of train, val and test.
    seed
        None: the dataset's own.

    Returns
    -------
    Dataset
        The same one where nothing was to be done.

    Raises
    ------
    UsageError
        Where `fractions` are no shares.
    InputError
        Where one patient's scans have to be read, and cannot be.
    """
    check_fractions(fractions)
    seed = dataset.split_seed if seed is None else seed
    dataset = set_twins_aside(dataset)
    new = [c for c in dataset.cases if c.split is None and c.has_annotation]
    if not new:
        return dataset
    pinned: dict[str, list[Case]] = {}
    for case in dataset.cases:
        if case.split is not None:
            pinned.setdefault(case.group, []).append(case)
    twins = find_twins(dataset)
    strangers = {case.group for case in new} - set(pinned)
    if any(is_chosen(case) for case in dataset.cases) and "val" in _splits(pinned):
        fractions = (1.0, 0.0, 0.0)  # who is held out is the user's own choice
    if len(strangers) == 1 and not {"train", "val"} & _splits(pinned):
        changed = hold_out_bscans(new, share=fractions[1])
    else:
        splits = _follow_twins(strangers, pinned, twins)
        left = _lead_twins(strangers - splits.keys(), twins)
        found = _assign(set(left.values()), pinned, fractions=fractions, seed=seed)
        splits |= {group: found[leader] for group, leader in left.items()}
        changed = [
            c.model_copy(update={"split": splits[c.group]}) for c in new if c.group in splits
        ]
        for group, known in pinned.items():
            changed += add_bscans([c for c in new if c.group == group], known)
    if all(case.split is None for case in changed):
        return dataset
    by_image = {case.image: case for case in changed}
    cases = tuple(by_image.get(case.image, case) for case in dataset.cases)
    return dataset.model_copy(update={"cases": cases, "split_seed": seed})


def _follow_twins(
    strangers: set[str], pinned: dict[str, list[Case]], twins: Mapping[str, str]
) -> dict[str, Split]:
    """Put patients beside pinned ones of whom they have the same image."""
    places: dict[str, Split] = {}
    for group, cases in pinned.items():
        split = cases[0].split
        if group in twins and split is not None:
            places.setdefault(twins[group], split)
    return {group: places[twins[group]] for group in strangers if twins.get(group) in places}


def _lead_twins(strangers: set[str], twins: Mapping[str, str]) -> dict[str, str]:
    """Let one patient stand for all who have an image in common."""
    leaders: dict[str, str] = {}
    for group in sorted(strangers):
        leaders.setdefault(twins.get(group, group), group)
    return {group: leaders[twins.get(group, group)] for group in strangers}


def is_chosen(case: Case) -> bool:
    """Whether the user has chosen the place of a case's patient in the split."""
    return case.about.get("split_source") == CHOSEN


def rank_groups(groups: Iterable[str], seed: int) -> list[str]:
    """Order patients by a hash of the seed and their name."""
    return sorted(groups, key=lambda group: hashlib.sha256(f"{seed}:{group}".encode()).digest())


def _assign(
    strangers: set[str],
    pinned: dict[str, list[Case]],
    *,
    fractions: tuple[float, float, float],
    seed: int,
) -> dict[str, Split]:
    """Choose the split of patients who have none yet."""
    labelled = [cases for cases in pinned.values() if any(c.has_annotation for c in cases)]
    total = len(strangers) + len(labelled)
    shares: dict[Split, float] = {"val": fractions[1], "test": fractions[2]}
    ranked = rank_groups(strangers, seed)
    splits: dict[str, Split] = {}
    if ranked and "train" not in _splits(pinned):
        splits[ranked.pop()] = "train"  # whatever the shares are
    for split, share in shares.items():
        there = sum({case.split for case in cases} == {split} for cases in labelled)
        missing = max(0, count_share(share, total) - there)
        splits |= dict.fromkeys(ranked[:missing], split)
        ranked = ranked[missing:]
    return splits | dict.fromkeys(ranked, "train")


def _splits(pinned: dict[str, list[Case]]) -> set[Split | None]:
    return {case.split for cases in pinned.values() for case in cases}


def count_share(share: float, total: int) -> int:
    """Round a share of some patients to a number: at least one, where another one is left."""
    return max(1, math.floor(share * total + 0.5)) if share and total > 1 else 0


def check_fractions(fractions: tuple[float, float, float]) -> None:
    """Raise a UsageError where they are no shares of train, val and test."""
    if (
        len(fractions) != 3
        or min(fractions) < 0
        or fractions[0] == 0
        or not math.isclose(sum(fractions), 1)
    ):
        raise UsageError(
            f"{fractions} are not valid fractions of train, val and test: they must add up "
            "to 1, and train must be above 0"
        )

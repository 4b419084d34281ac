"""Which cases a run is trained, validated and tested on; every choice follows from a seed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Literal

from natsort import natsorted

from napari_retseg.config import SplitBy, parse_split
from napari_retseg.dataset import Case, Dataset, divide
from napari_retseg.dataset.split import rank_groups
from napari_retseg.errors import InputError
from napari_retseg.plural import agree, plural
from napari_retseg.study.recipe import SplitSpec

Unit = Literal["patient", "case"]


def divide_for_run(dataset: Dataset, spec: SplitSpec, *, fold: int, seed: int) -> Dataset:
    """Divide a dataset; cases that are in no part are left out.

    Parameters
    ----------
    fold
        From 1; 0 where the plan has no folds.
    seed
        Of the run, where the split takes it.

    Raises
    ------
    InputError
        Where there are too few patients or images, or a patient would be on both sides of a
        split by patient.
    """
    plan = parse_split(f"fold:{fold}/{spec.folds}" if spec.folds else spec.plan)
    ranking = seed if spec.seed == "run" else spec.seed
    divided = divide(dataset, plan, by=spec.by, seed=ranking)
    cases = [case for case in divided.cases if case.split is not None and case.has_annotation]
    if spec.validation:
        cases = _set_validation_aside(cases, spec, ranking, dataset)
    parts = divided.model_copy(update={"cases": tuple(cases)})
    if spec.by == "patient":
        check_leakage(parts)
    return parts


def take_size(
    dataset: Dataset, size: int, *, by: Unit, seed: int, spread: bool = False
) -> Dataset | None:
    """Keep so many training patients or cases; for one seed, smaller choices lie in larger ones.

    Parameters
    ----------
    spread
        Whether cases are dealt over all patients in turn; otherwise they are of as few patients
        as hold them. Of one patient, the middle comes first, then what is farthest from those
        that are chosen.

    Returns
    -------
    Dataset or None
        None where there are not so many; the dataset itself for size 0.
    """
    if size == 0:
        return dataset
    training = [case for case in dataset.cases if case.split == "train"]
    ranked = rank_groups({case.group for case in training}, seed)
    if by == "patient":
        chosen = [case for case in training if case.group in ranked[:size]]
        enough = len(ranked) >= size
    else:
        dealt = _deal_cases(training, ranked, spread=spread)
        chosen, enough = dealt[:size], len(dealt) >= size
    if not enough:
        return None
    kept = {case.image for case in chosen}
    cases = tuple(c for c in dataset.cases if c.split != "train" or c.image in kept)
    return dataset.model_copy(update={"cases": cases})


def check_leakage(dataset: Dataset) -> None:
    """Raise an InputError where a patient is trained on and scored, or in two scored parts.

    A patient who is the only one is divided by B-scans with a gap, which the dataset's
    warnings say.
    """
    if len({case.group for case in dataset.cases}) < 2:
        return
    for first, second in (("train", "val"), ("train", "test"), ("val", "test")):
        shared = sorted({*dataset.groups(first)} & {*dataset.groups(second)})
        if shared:
            raise InputError(
                f"{dataset.root}: patient {shared[0]} would be in {first} and in {second}; "
                "correct the splits in dataset.json, or use percentages or folds in the recipe"
            )


def shared_patients(dataset: Dataset) -> tuple[str, ...]:
    """Patients who are trained on and scored."""
    scored = {*dataset.groups("val"), *dataset.groups("test")}
    return tuple(sorted({*dataset.groups("train")} & scored))


def _set_validation_aside(
    cases: Sequence[Case], spec: SplitSpec, seed: int, dataset: Dataset
) -> list[Case]:
    """What was held out becomes the test; some of the training part is held out instead."""
    names = {case.image: _name(case, spec.by, dataset) for case in cases if case.split == "train"}
    ranked = rank_groups(set(names.values()), seed)
    if len(ranked) <= spec.validation:
        raise InputError(
            f"{dataset.root}: validation needs {spec.validation} "
            f"{plural(spec.by, spec.validation)}, but only {len(ranked)} {agree(len(ranked))} "
            "left besides the test set; label more, or reduce 'validation'"
        )
    aside = set(ranked[: spec.validation])
    moved = []
    for case in cases:
        split = "test" if case.split in ("val", "test") else case.split
        if names.get(case.image) in aside:
            split = "val"
        moved.append(case.model_copy(update={"split": split}))
    return moved


def _name(case: Case, by: SplitBy, dataset: Dataset) -> str:
    if by == "patient":
        return case.group
    try:
        return case.image.relative_to(dataset.root).as_posix()
    except ValueError:  # referenced, not in the folder
        return case.image.as_posix()


def _deal_cases(training: Iterable[Case], ranked: Sequence[str], *, spread: bool) -> list[Case]:
    """Put all cases in the order in which sizes take them."""
    own: dict[str, list[Case]] = {group: [] for group in ranked}
    for case in training:
        own[case.group].append(case)
    rows = [_spread(natsorted(own[group], key=_path)) for group in ranked]
    if spread:
        return [case for turn in zip_longest(*rows) for case in turn if case is not None]
    return [case for row in rows for case in row]


def _path(case: Case) -> str:
    return case.image.as_posix()


def _spread(cases: Sequence[Case]) -> list[Case]:
    """The middle one first, then always the one that is farthest from those before it."""
    left = list(range(len(cases)))
    order = [left.pop(len(left) // 2)]
    while left:
        far = max(left, key=lambda place: min(abs(place - other) for other in order))
        left.remove(far)
        order.append(far)
    return [cases[place] for place in order]

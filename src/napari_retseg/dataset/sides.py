"""Who is held out, and why; and the user's own choice of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from napari_retseg.dataset.case import Case
from napari_retseg.dataset.collection import Dataset
from napari_retseg.dataset.gap import choose_bscans
from napari_retseg.dataset.split import CHOSEN, is_chosen, pin_split
from napari_retseg.errors import UsageError

Use = Literal["train", "val", "test", "both", "none"]

_SOURCE = "split_source"


@dataclass(frozen=True, slots=True)
class Side:
    """How the next training uses one patient.

    Attributes
    ----------
    group
        The patient.
    use
        ``train``, ``val`` (held out: scored, never trained on), ``test`` (neither), ``both`` (the
        only patient, of whom some B-scans are held out), ``none`` (without labels that count).
    scans
        Number of scans.
    training, heldout, unused
        Numbers of labelled B-scans that are trained on, held out, and neither.
    is_chosen
        Whether the user said so.
    reason
        Why it is so: a sentence.
    """

    group: str
    use: Use
    scans: int
    training: int
    heldout: int
    unused: int
    is_chosen: bool
    reason: str


def list_sides(dataset: Dataset) -> tuple[Side, ...]:
    """Say for each patient, by name, how the next training uses it.

    Patients that have no place yet get the one that the training will give them; nothing is kept.

    Raises
    ------
    InputError
        Where one patient's scans have to be read, and cannot be.
    """
    planned = pin_split(dataset)
    groups: dict[str, list[Case]] = {}
    for case in planned.cases:
        groups.setdefault(case.group, []).append(case)
    before = {case.group for case in dataset.cases if case.split is not None}
    return tuple(
        _describe(planned, group, cases, is_new=group not in before)
        for group, cases in sorted(groups.items())
    )


def hold_out(dataset: Dataset, groups: Collection[str]) -> Dataset:
    """Hold out these patients and no others; all other labelled ones are trained on.

    Those of the test stay there. Patients that come later are trained on.

    Raises
    ------
    UsageError
        Where there is no such patient, it is of the test, or nobody is left on one side.
    """
    wanted = set(groups)
    tested = {case.group for case in dataset.cases if case.split == "test"}
    known = {case.group for case in dataset.cases}
    if not wanted:
        raise UsageError("hold out at least one patient; otherwise there are no scores")
    if strangers := sorted(wanted - known):
        raise UsageError(f"{strangers[0]}: patient not found; choose another one to hold out")
    if kept := sorted(wanted & tested):
        raise UsageError(
            f"{kept[0]}: this patient is in the test set; choose another one to hold out"
        )
    if not known - wanted - tested:
        raise UsageError(
            "you cannot hold out all patients, because some are needed for training; if there is "
            "only one patient, hold out some B-scans"
        )
    cases = tuple(
        case if case.group in tested else _place(case, is_heldout=case.group in wanted)
        for case in dataset.cases
    )
    return dataset.model_copy(update={"cases": cases})


def hold_out_bscans(dataset: Dataset, bscans: Mapping[Path, Collection[int]]) -> Dataset:
    """Hold out B-scans of the only patient, by image; those beside them are left out.

    Raises
    ------
    UsageError
        Where there are more patients, no such image or B-scan, or nobody is left on one side.
    InputError
        Where a scan cannot be read.
    """
    labelled = {case.group for case in dataset.cases if case.has_annotation}
    groups = {case.group for case in dataset.cases if case.image in bscans}
    if len(labelled | groups) > 1:
        raise UsageError(
            "there are several patients: hold out whole patients, because B-scans of one eye "
            "are similar"
        )
    own = [case for case in dataset.cases if case.group in groups]
    changed = {case.image: _mark(case) for case in choose_bscans(own, bscans)}
    cases = tuple(changed.get(case.image, case) for case in dataset.cases)
    return dataset.model_copy(update={"cases": cases})


def forget_choice(dataset: Dataset) -> Dataset:
    """Let the patients' names and the seed decide again who is held out; the test stays."""
    cases = []
    for case in dataset.cases:
        about = {key: value for key, value in case.about.items() if key != _SOURCE}
        update: dict[str, Any] = {"about": about}
        if case.split != "test":
            update |= {"split": None, "heldout_bscans": (), "unused_bscans": ()}
        cases.append(case.model_copy(update=update))
    return pin_split(dataset.model_copy(update={"cases": tuple(cases)}))


def _place(case: Case, *, is_heldout: bool) -> Case:
    split = "val" if is_heldout else "train"
    if not is_heldout and not case.has_annotation and case.split is None:
        return case  # it gets its place when it has labels
    update = {"split": split, "heldout_bscans": (), "unused_bscans": ()}
    return _mark(case.model_copy(update=update))


def _mark(case: Case) -> Case:
    return case.model_copy(update={"about": {**case.about, _SOURCE: CHOSEN}})


def _describe(planned: Dataset, group: str, cases: list[Case], *, is_new: bool) -> Side:
    counts = {
        split: sum(len(planned.annotated_bscans(case, split)) for case in cases)
        for split in ("train", "val")
    }
    labelled = sum(len(case.annotated_bscans()) for case in cases)
    splits = {case.split for case in cases if case.split is not None}
    is_divided = any(case.heldout_bscans for case in cases) or len(splits) > 1
    use: Use = "both" if is_divided else next(iter(splits), "none")
    chosen = any(is_chosen(case) for case in cases)
    return Side(
        group=group,
        use=use,
        scans=len(cases),
        training=counts["train"],
        heldout=counts["val"],
        unused=labelled - sum(counts.values()),
        is_chosen=chosen,
        reason=_explain(use, is_chosen=chosen, is_new=is_new, was=planned.split_seed),
    )


def _explain(use: Use, *, is_chosen: bool, is_new: bool, was: int) -> str:
    if use == "none":
        return "Not decided: no confirmed B-scan yet."
    if use == "test":
        return "In the test set: used neither for training nor for scores during training."
    if is_chosen:
        return "Your choice."
    if use == "both":
        return "The only patient, so the last B-scans are held out, with a gap."
    when = "will be fixed when the next training starts" if is_new else "is fixed"
    return f"From the patient's name and the seed ({was}); {when}."

"""Files that come into a folder pair after its split was pinned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_retseg.dataset.case import Case
from napari_retseg.dataset.collection import Dataset
from napari_retseg.dataset.description import DESCRIPTION
from napari_retseg.dataset.pair import find_pair, is_whole, list_pair, name_groups
from napari_retseg.errors import InputError
from napari_retseg.io import is_scan_path
from napari_retseg.plural import agree, count_noun

#: Key and value in ``dataset.json`` where the folders, and not the list, say which scans there are.
LAYOUT, FOLDERS = "layout", "folders"
_NAMED = 4


def add_new(
    known: Sequence[Case], images: Path, labels: Path
) -> tuple[tuple[Case, ...], list[str]]:
    """Bring the known cases of a folder pair together with the files that are there now.

    Known scans keep their patient and their place in the split. A new scan of a known patient, as
    far as names tell, joins that patient.

    Returns
    -------
    cases, notes
        The notes name what is new.
    """
    listed, notes = list_pair(images, labels)
    found = {case.image: case for case in listed}
    merged = [_update(case, found.pop(case.image, None)) for case in known]
    new = list(found.values())
    if not new:
        return tuple(merged), list(notes)
    groups = {} if is_whole(images) else _known_groups(merged, new)
    joined = [c.model_copy(update={"group": groups.get(c.image, c.group)}) for c in new]
    more = sorted({case.group for case in joined} - {case.group for case in merged})
    patients = f"; new patients: {_list(more)}" if more else ", all of known patients"
    text = (
        f"{_count(new)} new in {images.name}/ since the split was pinned "
        f"({_list([case.name for case in new])}){patients}"
    )
    return (*merged, *joined), [*notes, text]


def describe_unlisted(dataset: Dataset) -> str:
    """Say which scans of a folder pair a list that somebody wrote leaves out; empty: none."""
    pair = find_pair(dataset.root)
    if pair is None:
        return ""
    images = pair[0]
    listed = {case.image for case in dataset.cases}
    try:
        there = sorted(p for p in images.iterdir() if not p.name.startswith("."))
    except OSError as error:
        raise InputError(f"{images}: cannot be listed ({error.strerror})") from error
    left = [p for p in there if p not in listed and p.resolve() not in listed and is_scan_path(p)]
    if not left:
        return ""
    names = _list([path.name for path in left])
    verb = "is" if len(left) == 1 else "are"
    return (
        f"{_count(left)} in {images.name}/ ({names}) {verb} not listed in {DESCRIPTION} and "
        f"{agree(len(left))} left out"
    )


def _update(case: Case, now: Case | None) -> Case:
    """Take over labels that were added, or taken away, since."""
    if now is None or now.label == case.label:
        return case
    return case.model_copy(update={"label": now.label})


def _known_groups(known: Sequence[Case], new: Sequence[Case]) -> dict[Path, str]:
    """Patients of new scans whose names share a prefix with those of known patients."""
    guessed = name_groups([case.name for case in (*known, *new)])
    places = {guessed[case.name]: case.group for case in known}
    return {case.image: places[guessed[case.name]] for case in new if guessed[case.name] in places}


def _count(found: Sequence[object]) -> str:
    return count_noun(len(found), "scan")


def _list(names: Sequence[str]) -> str:
    more = ", ..." if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"

"""Opening a workspace: what ``dataset.json`` says is compared with what lies in the folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_retseg.anchor import Anchor
from napari_retseg.classes import LabelSet
from napari_retseg.containment import resolve_within
from napari_retseg.dataset import BscanState, Case, Dataset
from napari_retseg.dataset.description import (
    DESCRIPTION,
    build_dataset,
    parse_cases,
    parse_labels,
    read_description,
)
from napari_retseg.dataset.planes import list_planes
from napari_retseg.dataset.registry import WORKSPACE
from napari_retseg.errors import InputError, RetsegError
from napari_retseg.plural import agree, count_noun, list_first
from napari_retseg.workspace.cases import MISSING
from napari_retseg.workspace.entry import shape_of
from napari_retseg.workspace.layout import KINDS, LABELS, choose_name, list_names
from napari_retseg.workspace.relocation import holds_scan, is_there

_LISTED = 3
#: Key of ``dataset.json``: entries that are wrong, as they were written.
UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Contents:
    """A workspace's dataset as found.

    Attributes
    ----------
    dataset
        Without cases.
    cases
        All, in order, with names.
    missing
        Names of those whose scan is not there.
    is_changed
        Whether ``dataset.json`` has to be written for it to say the same.
    notes
        What the user should know about that.
    """

    dataset: Dataset
    cases: tuple[Case, ...]
    missing: frozenset[str]
    is_changed: bool
    notes: tuple[str, ...]


def check_trust(folder: Path, *, is_trusted: bool) -> None:
    """Make sure that a workspace may be opened; it is only read.

    Raises
    ------
    InputError
        Where links lead out of it, ``dataset.json`` cannot be used, or it refers to scans outside
        and is not trusted.
    """
    for name in (WORKSPACE, DESCRIPTION):
        resolve_within(folder, Path(name))
    for kind in KINDS:
        if (folder / kind).is_symlink():
            raise InputError(
                f"{folder / kind}: this is a link, but a real folder is needed, so the workspace "
                "was not opened; replace the link with the folder it points to"
            )
    path = folder / DESCRIPTION
    _list_cases(read_description(path), path, is_trusted=is_trusted, refused=[])


def read_contents(anchor: Anchor, *, is_trusted: bool, former: Path | None) -> Contents:
    """Read a workspace's dataset, and set right what a killed program left half done.

    Parameters
    ----------
    anchor
        The workspace.
    is_trusted
        Whether scans may lie outside it.
    former
        Where the workspace lay when it was last opened; None where that is not known.

    Raises
    ------
    InputError
        Where ``dataset.json`` cannot be used, or refers to scans outside and is not trusted.
    """
    folder = anchor.root
    path = folder / DESCRIPTION
    data = read_description(path)
    refused: list[tuple[Any, str]] = []
    listed = _name_cases(_list_cases(data, path, is_trusted=is_trusted, refused=refused))
    labels = parse_labels(data, path) or LabelSet.from_names([])
    _check_twice(listed, path)
    dataset = build_dataset(data, path, labels=labels, cases=())
    about = {k: v for k, v in dataset.about.items() if k not in (MISSING, UNREADABLE)}
    if refused:
        about[UNREADABLE] = [entry for entry, _ in refused]
    found = [_find_scan(case, folder, former) for case in listed]
    repaired, notes = _repair(found, anchor)
    missing = frozenset(c.about["name"] for c in repaired if not is_there(c, folder, former))
    repaired = [c if c.about["name"] in missing else _measure(c) for c in repaired]
    return Contents(
        dataset=dataset.model_copy(update={"about": about}),
        cases=tuple(repaired),
        missing=missing,
        is_changed=repaired != listed
        or missing != _listed_missing(data)
        or about.get(UNREADABLE) != data.get(UNREADABLE),
        notes=(*notes, *(f"skipped one entry: {reason}" for _, reason in refused)),
    )


def _list_cases(
    data: Mapping[str, Any], path: Path, *, is_trusted: bool, refused: list[tuple[Any, str]]
) -> list[Case]:
    """Return the cases that load, and those that are missing, in the user's order.

    Entries that are wrong are kept for a time when they can be read, and name their reason.
    """

    def parse(entries: Mapping[str, Any]) -> tuple[Case, ...]:
        return parse_cases(
            entries, path, allow_outside=is_trusted, check_files=False, refused=refused
        )

    cases = [*parse(data), *parse({"training": data.get(UNREADABLE, [])})]
    aside = parse({"training": data.get(MISSING, [])})
    for case in sorted(aside, key=_position):
        about = {key: value for key, value in case.about.items() if key != "position"}
        cases.insert(_position(case), case.model_copy(update={"about": about}))
    return cases


def _position(case: Case) -> int:
    position = case.about.get("position")
    return position if isinstance(position, int) and position >= 0 else 0


def _listed_missing(data: Mapping[str, Any]) -> frozenset[str]:
    entries = data.get(MISSING, [])
    return frozenset(str(e.get("name")) for e in entries if isinstance(e, dict))


def _name_cases(cases: list[Case]) -> list[Case]:
    """Give names to cases that were written by hand, and make all of them distinct."""
    named: list[Case] = []
    taken: list[str] = []
    for case in cases:
        wanted = case.about.get("name")
        name = choose_name(wanted if isinstance(wanted, str) else case.name, taken)
        taken.append(name)
        named.append(case.model_copy(update={"about": {**case.about, "name": name}}))
    return named


def _check_twice(cases: list[Case], path: Path) -> None:
    seen: set[Path] = set()
    for image in (case.image for case in cases):
        if image not in seen:
            seen.add(image)
            continue
        raise InputError(f"{path}: {image} is listed twice; remove one of the entries")


def _find_scan(case: Case, folder: Path, former: Path | None) -> Case:
    """Find a scan outside that stayed where it was while the workspace moved."""
    if former in (None, folder) or case.image.is_relative_to(folder):
        return case
    if is_there(case, folder, former):
        return case
    try:
        before = Path(os.path.normpath(former / os.path.relpath(case.image, folder)))
    except ValueError:  # another drive
        return case
    return case.model_copy(update={"image": before}) if holds_scan(before, case) else case


def _repair(cases: list[Case], anchor: Anchor) -> tuple[list[Case], tuple[str, ...]]:
    """Bring the states of B-scans together with the files of labels.

    A file without a state was painted, and the program died before it could say so. A state
    without a file says nothing.
    """
    folder = anchor.root
    repaired, lost, adopted = [], 0, 0
    for case in cases:
        name = case.about["name"]
        labels = folder / LABELS / name
        if case.label not in (None, labels):
            raise InputError(
                f"{folder / DESCRIPTION}: labels of {name} are in {case.label}, but in a "
                f"workspace they must be in {LABELS}/{name}; add that dataset to a new workspace"
            )
        states = {i: b for i, b in (case.bscans or {}).items() if b.state != "predicted"}
        there = list_planes(anchor.listed(labels))
        kept = {i: states.get(i, BscanState(state="corrected")) for i in there}
        lost += len(states.keys() - kept.keys())
        adopted += len(kept.keys() - states.keys())
        update = {"label": labels if kept else None, "bscans": kept or None}
        repaired.append(case.model_copy(update=update))
    notes = []
    if lost:
        notes.append(f"{count_noun(lost, 'B-scan')} had labels, but the label files are gone")
    if adopted:
        notes.append(
            f"{count_noun(adopted, 'B-scan')} with labels had no state and "
            f"{agree(adopted, 'counts', 'count')} as corrected"
        )
    return repaired, (*notes, *_list_strangers(folder, cases))


def _measure(case: Case) -> Case:
    """Note the shape of a scan that was listed by hand; one that is damaged says so when read."""
    if shape_of(case) is not None:
        return case
    try:
        shape = case.read_scan().spatial_shape
    except RetsegError:
        return case
    return case.model_copy(update={"about": {**case.about, "shape": list(shape)}})


def _list_strangers(folder: Path, cases: list[Case]) -> list[str]:
    names = {case.about["name"] for case in cases}
    left = [
        name
        for name in list_names(folder / LABELS)
        if name not in names and not name.startswith(".") and list_planes(folder / LABELS / name)
    ]
    if not left:
        return []
    named = list_first(left, _LISTED)
    return [f"{LABELS}/ contains labels of scans that are not in the workspace: {named}"]

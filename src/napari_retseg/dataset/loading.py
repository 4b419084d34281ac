"""A dataset from whatever layout it has: ``dataset.json``, Decathlon, or a pair of folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_retseg.classes import LabelSet
from napari_retseg.dataset.case import Case
from napari_retseg.dataset.collection import Dataset
from napari_retseg.dataset.content import doubt_replaced
from napari_retseg.dataset.description import (
    DESCRIPTION,
    build_dataset,
    parse_cases,
    parse_labels,
    read_description,
)
from napari_retseg.dataset.files import kind_of
from napari_retseg.dataset.growing import FOLDERS, LAYOUT, add_new
from napari_retseg.dataset.pair import find_classes, find_pair, list_pair, list_scans
from napari_retseg.dataset.registry import is_own
from napari_retseg.errors import InputError
from napari_retseg.records import read_json

#: Names of the classes of a folder pair without ``dataset.json``.
CLASSES = "classes.json"


def load_dataset(path: Path, *, allow_outside: bool | None = None) -> Dataset:
    """Load a dataset; its images and labels are read later, when they are needed.

    Parameters
    ----------
    path
        A ``dataset.json`` or the folder that holds it (plain Decathlon ones included); a
        folder with ``images`` and ``labels`` (or ``imagesTr`` and ``labelsTr``), with or
        without a ``dataset.json`` or ``classes.json`` that names the classes; a folder of
        scans without labels. Files that were added to a folder pair since its split was pinned
        come in as new scans, and a note names them.
    allow_outside
        Whether images may lie outside the dataset's folder; None: where it is one of the
        user's own workspaces. Labels never may.

    Raises
    ------
    InputError
        Where there is no dataset, a file of it is missing, or a path leaves the folder.
    """
    path = Path(path)
    kind = kind_of(path)
    if kind is None:
        raise InputError(f"{path}: dataset not found; give a folder or its {DESCRIPTION}")
    if kind == "file":
        source = path.resolve()
        return _load_described(read_description(source), source, allow_outside=allow_outside)
    source = path.resolve() / DESCRIPTION
    data = _read_beside(source)
    if "training" in data:
        return _load_described(data, source, allow_outside=allow_outside)
    return load_pair(path)


def load_pair(folder: Path) -> Dataset:
    """Load a folder pair, or else a folder of scans without labels.

    Raises
    ------
    InputError
        Where it is neither.
    """
    root = folder.resolve()
    source = root / DESCRIPTION
    data = _read_beside(source)
    pair = find_pair(root)
    if pair is not None:
        cases, notes = list_pair(*pair)
    else:
        cases, notes = list_scans(root), ()
    if not cases:
        raise InputError(
            f"{folder}: not a dataset; it needs a {DESCRIPTION}, or folders 'images' and 'labels'"
        )
    labels = _name_classes(data, source, cases)
    if pair is not None:
        data = {**data, LAYOUT: FOLDERS}
    return build_dataset({**data, "notes": notes}, source, labels=labels, cases=cases)


def _load_described(data: dict[str, Any], source: Path, *, allow_outside: bool | None) -> Dataset:
    if "training" not in data:
        raise InputError(f"{source}: lists no cases under 'training'")
    if allow_outside is None:
        allow_outside = is_own(source.parent)
    cases = parse_cases(data, source, allow_outside=allow_outside)
    if not cases:
        raise InputError(f"{source}: lists no cases under 'training' and 'test'")
    pair = find_pair(source.parent)
    if pair is not None and data.get(LAYOUT) == FOLDERS:
        cases, new = add_new(cases, *pair)
        data = {**data, "notes": new}
    labels = _name_classes(data, source, cases)
    cases, doubts = doubt_replaced(cases)
    dataset = build_dataset(data, source, labels=labels, cases=cases)
    return dataset.model_copy(update={"notes": (*dataset.notes, *doubts)})


def _name_classes(data: dict[str, Any], source: Path, cases: tuple[Case, ...]) -> LabelSet:
    files = [case.label for case in cases if case.label is not None]
    labels = parse_labels(data, source)
    return name_classes(source.parent, files) if labels is None else labels


def name_classes(folder: Path, label_files: Sequence[Path]) -> LabelSet:
    """Return the classes of a folder's description, or of the values in its label files.

    ``dataset.json`` comes first, then ``classes.json`` (a mapping from values to names, from
    names to values, or a list with background first), then ``class 1``, ``class 2``, ...

    Raises
    ------
    InputError
        Where a description cannot be read, or label files hold no class.
    """
    for name in (DESCRIPTION, CLASSES):
        path = folder / name
        if kind_of(path) is not None:
            data = read_description(path) if name == DESCRIPTION else {"labels": read_json(path)}
            labels = parse_labels(data, path)
            if labels is not None:
                return labels
    return find_classes(label_files) if label_files else LabelSet.from_names([])


def _read_beside(source: Path) -> dict[str, Any]:
    return {} if kind_of(source) is None else read_description(source)

"""Labels that come into a workspace from another dataset, and that leave it as files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import BACKGROUND, IGNORE, LabelSet
from napari_retseg.dataset import BscanState, Case, Dataset, save_dataset
from napari_retseg.dataset.planes import plane_path, read_planes, write_plane
from napari_retseg.errors import InputError, explaining
from napari_retseg.io import label_path, write_labels
from napari_retseg.io.atomic import link_file
from napari_retseg.io.suffixes import suffix_of
from napari_retseg.workspace.layout import LABELS


def make_translation(theirs: LabelSet, ours: LabelSet, *, root: Path) -> NDArray[np.uint8]:
    """Table from another dataset's class values to ours, by name.

    Background becomes "not annotated" where we have classes that the other does not know: they
    may be there.

    Raises
    ------
    InputError
        Naming the classes that we do not have.
    """
    values = {c.name: c.value for c in ours.classes}
    strangers = [c.name for c in theirs.foreground if c.name not in values]
    if strangers:
        raise InputError(
            f"{root}: has classes that the workspace does not have: {', '.join(strangers)} "
            f"(workspace: {', '.join(ours.names)}); create a workspace with these classes"
        )
    table = np.full(256, IGNORE, np.uint8)
    for label_class in theirs.foreground:
        table[label_class.value] = values[label_class.name]
    if {c.name for c in ours.foreground} <= set(theirs.names):
        table[BACKGROUND] = BACKGROUND
    return table


def copy_labels(
    case: Case, classes: LabelSet, table: NDArray[np.uint8], target: Path
) -> dict[int, BscanState]:
    """Copy the labels of a case that count to a sparse folder.

    Returns
    -------
    dict
        The state of each B-scan that was copied: confirmed.

    Raises
    ------
    InputError
        Where the labels cannot be read or do not fit, or the folder cannot be written.
    """
    if not case.has_annotation:
        return {}
    values = case.read_labels(classes)
    planes = values[np.newaxis] if values.ndim == 2 else values
    states = {}
    for bscan in case.annotated_bscans():
        write_plane(plane_path(target, bscan), table[planes[bscan]])
        before = (case.bscans or {}).get(bscan)
        states[bscan] = before or BscanState(state="confirmed")
    return states


def export_cases(
    cases: list[tuple[str, Case]], folder: Path, *, only_confirmed: bool
) -> Iterator[Path]:
    """Write what `Workspace.export_labels` says, once all files are known to be new."""
    planned = [(name, case, _target(name, case, folder)) for name, case in cases]
    for _, _, path in planned:
        if path.exists():
            raise InputError(f"{path}: already exists; choose an empty folder")
    for _, case, path in planned:
        scan = case.read_scan()
        assert case.label is not None
        only = set(case.annotated_bscans()) if only_confirmed else None
        labels = read_planes(case.label, scan.spatial_shape, missing=IGNORE, only=only)
        yield write_labels(path, labels, scan=scan)


def _target(name: str, case: Case, folder: Path) -> Path:
    """The name is the workspace's, since scans of different folders may be named alike."""
    path = label_path(case.read_scan(), folder)
    return path.with_name(f"{name}{suffix_of(path)}")


def save_snapshot(dataset: Dataset, folder: Path) -> Path:
    """Write what `Workspace.save_snapshot` says; ``dataset.json`` comes last.

    Scans stay where they are. Label files are links: a file that is replaced later is another
    one, so that the snapshot stays as it is at no cost.
    """
    with explaining(folder, "cannot be listed"):
        if folder.exists() and any(folder.iterdir()):
            raise InputError(f"{folder}: not empty; choose a new folder")
    cases = []
    for case in dataset.cases:
        confirmed = {} if case.bscans is None else dict(case.bscans)
        confirmed = {i: b for i, b in confirmed.items() if b.state == "confirmed"}
        if case.label is None or not confirmed:
            cases.append(case.model_copy(update={"label": None, "bscans": None}))
            continue
        target = folder / LABELS / case.about["name"]
        for bscan in confirmed:
            link_file(plane_path(case.label, bscan), plane_path(target, bscan))
        cases.append(case.model_copy(update={"label": target, "bscans": confirmed}))
    return save_dataset(dataset.model_copy(update={"root": folder, "cases": tuple(cases)}))

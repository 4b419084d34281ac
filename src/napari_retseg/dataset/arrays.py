"""Stacks in NPY files: ``images.npy`` and ``labels.npy``, B-scan by B-scan."""

from __future__ import annotations

from pathlib import Path

from napari_retseg.dataset.case import Case
from napari_retseg.dataset.collection import Dataset
from napari_retseg.dataset.files import kind_of
from napari_retseg.dataset.loading import name_classes
from napari_retseg.errors import InputError
from napari_retseg.io import read_labels, read_scan, write_labels, write_scan
from napari_retseg.plural import count_noun
from napari_retseg.regular import read_limited
from napari_retseg.scan import OctScan

IMAGES = "images.npy"
LABELS = "labels.npy"
#: The patient of each B-scan, one a line.
GROUPS = "groups.txt"


def import_stacks(source: Path, folder: Path) -> Dataset:
    """Write each B-scan of a stack, and its labels, as a file of its own.

    Parameters
    ----------
    source
        Holds ``images.npy`` and ``labels.npy``, both ``(n, depth, width)``, and perhaps
        ``groups.txt`` with the patient of each B-scan; without it all are of one patient.
        ``dataset.json`` or ``classes.json`` may name the classes.

    Raises
    ------
    InputError
        Where a stack is missing, cannot be read, or the two do not fit.
    """
    scan = read_scan(source / IMAGES)
    if scan.axes != ("bscan", "depth", "width"):
        raise InputError(
            f"{source / IMAGES}: has shape {scan.pixels.shape}; shape (n, depth, width) needed"
        )
    labels = read_labels(source / LABELS, shape=scan.spatial_shape)
    groups, notes = _read_groups(source, scan.n_bscans)
    suffix = ".png" if scan.pixels.dtype.name in ("uint8", "uint16") else ".tif"
    width = len(str(scan.n_bscans))
    cases = []
    for index, group in enumerate(groups):
        stem = f"{group}_B{index + 1:0{width}d}"
        image, label = folder / "images" / f"{stem}{suffix}", folder / "labels" / f"{stem}.png"
        write_scan(image, OctScan(pixels=scan.read_bscan(index)[0], axes=("depth", "width")))
        write_labels(label, labels[index])
        cases.append(Case(image=image, label=label, group=group))
    classes = name_classes(source, [source / LABELS])
    return Dataset(
        root=folder, name=source.resolve().name, labels=classes, cases=tuple(cases), notes=notes
    )


def _read_groups(source: Path, n_bscans: int) -> tuple[list[str], tuple[str, ...]]:
    path = source / GROUPS
    if kind_of(path) is None:
        note = (
            f"{IMAGES} does not name the patient of each B-scan, so all count as one patient; "
            f"add {GROUPS} beside it, with one patient per line"
        )
        return ["P1"] * n_bscans, (note,)
    try:
        groups = read_limited(path).decode("utf-8-sig").split()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: cannot be read as text ({error})") from error
    if len(groups) != n_bscans:
        raise InputError(
            f"{path}: names {count_noun(len(groups), 'patient')} for {n_bscans} B-scans"
        )
    unusable = [group for group in groups if not group.replace("-", "").replace("_", "").isalnum()]
    if unusable:
        raise InputError(
            f"{path}: {unusable[0]!r} is not a valid name; use letters, digits, '-' and '_'"
        )
    return groups, ()

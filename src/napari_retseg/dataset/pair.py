"""A folder pair: scans in ``images/``, their labels under the same names in ``labels/``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from natsort import natsorted, ns
from numpy.typing import NDArray

from napari_retseg.classes import BACKGROUND, IGNORE, LabelSet
from napari_retseg.dataset.case import Case
from napari_retseg.dataset.files import check_links, check_name, find_inside
from napari_retseg.errors import InputError
from napari_retseg.io import is_scan_path, read_labels
from napari_retseg.io.suffixes import stem_of
from napari_retseg.plural import count_noun

#: Names of the two folders; the second pair is Decathlon's and nnU-Net's.
PAIRS = (("images", "labels"), ("imagesTr", "labelsTr"))
_CHANNEL = re.compile(r"_(\d{4})$")


def find_pair(folder: Path) -> tuple[Path, Path] | None:
    """Return the two folders of a pair, where `folder` holds one."""
    for images, labels in PAIRS:
        if (folder / images).is_dir() and (folder / labels).is_dir():
            return folder / images, folder / labels
    return None


def list_pair(images: Path, labels: Path) -> tuple[tuple[Case, ...], tuple[str, ...]]:
    """List the cases of a folder pair, and what the user should know about them.

    An image is a file, or a folder of B-scans; its label has the same name without suffix.
    nnU-Net's ``NAME_0000`` has its label under ``NAME``. Images without a label are
    unlabelled cases.

    In ``images/`` the patient is the text before the first ``_`` of a name where several
    images share it, and the whole name otherwise. In ``imagesTr/`` it is the whole name.

    Raises
    ------
    InputError
        Where there are no images, names are ambiguous, a label has no image, no image has
        a label, or a file is a link that leaves the folder.
    """
    scans, left_out = _index(images)
    if not scans:
        raise InputError(f"{images}: contains no scans")
    targets, _ = _index(labels)
    names = _name_cases(scans, targets)
    lonely = sorted(set(targets) - set(names))
    if lonely:
        raise InputError(f"{targets[lonely[0]]}: this label has no image in {images}")
    if not targets:
        raise InputError(
            f"{labels}: contains no labels; label files must have the names of their images"
        )
    whole = is_whole(images)
    groups = {name: name for name in names} if whole else name_groups(names)
    cases = [
        Case(
            image=_inside(names[name], images.parent),
            label=_inside(targets[name], images.parent) if name in targets else None,
            group=groups[name],
        )
        for name in natsorted(names, alg=ns.IGNORECASE)
    ]
    notes = [] if whole else [_describe_groups(groups)]
    if left_out:
        notes.append(
            f"skipped {count_noun(len(left_out), 'file')} of other types in {images.name}/ "
            f"({left_out[0]}{', ...' if len(left_out) > 1 else ''})"
        )
    return tuple(cases), tuple(notes)


def is_whole(images: Path) -> bool:
    """Whether each image of a folder is of a patient of its own, as in Decathlon's."""
    return images.name == "imagesTr"


def list_scans(folder: Path) -> tuple[Case, ...]:
    """List the scan files of a folder as cases without labels, by the same rule for patients."""
    scans, _ = _index(folder)
    files = {name: path for name, path in scans.items() if path.is_file()}
    groups = name_groups(files)
    return tuple(
        Case(image=_inside(files[name], folder), group=groups[name])
        for name in natsorted(files, alg=ns.IGNORECASE)
    )


def name_groups(names: Iterable[str]) -> dict[str, str]:
    """Guess the patient of each name: the text before the first ``_`` that several share."""
    names = list(names)
    prefixes = {name: name.split("_", 1)[0] for name in names}
    counts = Counter(prefixes.values())
    return {name: p if (p := prefixes[name]) and counts[p] > 1 else name for name in names}


def find_classes(label_files: Sequence[Path]) -> LabelSet:
    """Name the values that label files hold: ``class 1``, ``class 2``, ...

    Raises
    ------
    InputError
        Where a file cannot be read, or they hold nothing but background and 255.
    """
    values: set[int] = set()
    for path in label_files:
        values |= _find_values(read_labels(path), path)
    return _name(values, str(label_files[0].parent) if label_files else "the dataset")


def name_values(labels: NDArray[np.uint8], path: Path) -> LabelSet:
    """Name the values of labels that were read from a file, as :func:`find_classes` does."""
    return _name(_find_values(labels, path), str(path.parent))


def _name(values: set[int], where: str) -> LabelSet:
    if not values:
        raise InputError(
            f"{where}: the labels contain no class, only {BACKGROUND} (background) and {IGNORE} "
            "(not annotated); number the classes from 1"
        )
    return LabelSet.from_names({value: f"class {value}" for value in sorted(values)})


def _find_values(labels: NDArray[np.uint8], path: Path) -> set[int]:
    nothing = LabelSet.from_names([])
    found = set(nothing.unknown_values(labels))
    if IGNORE - 1 in found:
        raise InputError(
            f"{path}: contains the value {IGNORE - 1}; classes must be 1 to {IGNORE - 2}"
        )
    return found - {BACKGROUND, IGNORE}


def _index(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """Scans (or labels) of a folder by name without suffix, and the other files' names."""
    found: dict[str, Path] = {}
    left_out = []
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({error.strerror})") from error
    for path in entries:
        if path.name.startswith("."):
            continue
        if not is_scan_path(path):
            left_out.append(path.name)
            continue
        name = stem_of(path)
        if name in found:
            raise InputError(f"{path}: {found[name].name} has the same name; rename one of them")
        found[name] = check_name(path)
    return found, left_out


def _name_cases(scans: Mapping[str, Path], targets: Mapping[str, Path]) -> dict[str, Path]:
    """Take nnU-Net's channel number off names whose label has none."""
    names: dict[str, Path] = {}
    for stem, path in scans.items():
        channel = _CHANNEL.search(stem)
        name = stem[: -len(channel[0])] if channel else stem
        if stem in targets or name not in targets:
            name = stem
        if name in names:
            raise InputError(
                f"{path}: {names[name].name} is another channel of the same scan; merge the "
                "channels into one file"
            )
        names[name] = path
    return names


def _inside(path: Path, root: Path) -> Path:
    found = find_inside(root, str(path.relative_to(root)), path)
    if found is None:
        raise InputError(f"{path}: this link leads out of {root}; copy the file there")
    if path.is_dir():
        check_links(root, path)
    return found


def _describe_groups(groups: Mapping[str, str]) -> str:
    n = len(set(groups.values()))
    shown = ", ".join(natsorted(set(groups.values()))[:4]) + (", ..." if n > 4 else "")
    return (
        f"{count_noun(n, 'patient')} guessed from the file names (the text before the first '_' "
        f"that several share): {shown}; to set patients, use 'group' in dataset.json"
    )

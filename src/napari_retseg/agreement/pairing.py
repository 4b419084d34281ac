"""Two files or two folders of labels: which belong together, and what their classes are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import LabelSet
from napari_retseg.dataset.description import DESCRIPTION
from napari_retseg.dataset.files import kind_of
from napari_retseg.dataset.loading import CLASSES, name_classes
from napari_retseg.dataset.pair import find_classes
from napari_retseg.errors import InputError, explaining
from napari_retseg.io import read_labels, read_scan
from napari_retseg.io.suffixes import LABEL_SUFFIXES, stem_of, suffix_of
from napari_retseg.layers import translate_classes
from napari_retseg.plural import count_noun, list_first
from napari_retseg.scan import OctScan

_NAMED = 5
#: Pixel sizes of the same scan may be rounded.
_TOLERANCE = 0.01


@dataclass(frozen=True)
class Pair:
    """Two label files of one scan."""

    first: Path
    second: Path

    @property
    def name(self) -> str:
        """Of the scan."""
        return stem_of(self.first)


@dataclass(frozen=True)
class Pairs:
    """What belongs together of two files or folders.

    Attributes
    ----------
    found
        The pairs.
    alone
        A line for each side that has label files without a partner.
    first, second
        The classes of both sides: the same names, perhaps other values.
    """

    found: tuple[Pair, ...]
    alone: tuple[str, ...]
    first: LabelSet
    second: LabelSet


def find_pairs(
    first: Path,
    second: Path,
    *,
    classes: LabelSet | None = None,
    recall: Callable[[Path], LabelSet | None] = lambda _: None,
) -> Pairs:
    """Pair two label files, or the files of two folders by their names.

    Parameters
    ----------
    first, second
        Two files or two folders.
    classes
        Of both. By default those that ``dataset.json`` or ``classes.json`` names, in the folder of
        the labels or the one above it. If only one side has names, they are those of both.
    recall
        Gives the classes of a label file that are known otherwise, where no file names them.

    Raises
    ------
    InputError
        Where nothing belongs together, or the classes differ.
    """
    if first.is_dir() != second.is_dir():
        folder, file = (first, second) if first.is_dir() else (second, first)
        raise InputError(f"{folder} is a folder, but {file} is not; give two of a kind")
    found: tuple[Pair, ...] = (Pair(first, second),)
    alone: tuple[str, ...] = ()
    if first.is_dir():
        found, alone = _match(first, second)
    if classes is not None:
        for path in (found[0].first, found[0].second):
            refuse_other_names(path, classes, find_named(path.parent) or recall(path))
        return Pairs(found, alone, classes, classes)
    return Pairs(found, alone, *_name_both(found, recall))


def _match(first: Path, second: Path) -> tuple[tuple[Pair, ...], tuple[str, ...]]:
    ours, theirs = _list_stems(first), _list_stems(second)
    found = tuple(Pair(path, theirs[stem]) for stem, path in ours.items() if stem in theirs)
    if not found:
        raise InputError(
            f"{first} and {second}: no label files have the same name "
            f"({next(iter(ours.values())).name}, {next(iter(theirs.values())).name})"
        )
    alone = []
    for folder, own, other in ((first, ours, theirs), (second, theirs, ours)):
        names = [path.name for stem, path in own.items() if stem not in other]
        if names:
            alone.append(
                f"{folder}: {count_noun(len(names), 'label file')} without a partner: "
                f"{list_first(names, _NAMED)}"
            )
    return found, tuple(alone)


def _list_stems(folder: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    with explaining(folder, "cannot be read", advice="choose another folder"):
        places = sorted(folder.iterdir())
    for path in places:
        if path.name.startswith(".") or suffix_of(path) not in LABEL_SUFFIXES or path.is_dir():
            continue
        stem = stem_of(path).casefold()
        if stem in files:
            raise InputError(f"{path}: {files[stem].name} has the same name; keep one of them")
        files[stem] = path
    if not files:
        raise InputError(f"{folder}: contains no label files")
    return files


def _name_both(
    pairs: Sequence[Pair], recall: Callable[[Path], LabelSet | None]
) -> tuple[LabelSet, LabelSet]:
    sides = [pair.first for pair in pairs], [pair.second for pair in pairs]
    first, second = (find_named(files[0].parent) or recall(files[0]) for files in sides)
    if first is None or second is None:
        named = first or second or find_classes([*sides[0], *sides[1]])
        return named, named
    check_same(first, second, str(sides[0][0].parent), str(sides[1][0].parent))
    return first, second


def check_same(first: LabelSet, second: LabelSet, ours: str, theirs: str) -> None:
    """Refuse label sets of other names.

    Raises
    ------
    InputError
        Naming the classes that only one side has.
    """
    names = [{c.name for c in classes.foreground} for classes in (first, second)]
    only = [list_first(sorted(a - b), _NAMED) or "none" for a, b in (names, names[::-1])]
    if names[0] != names[1]:
        raise InputError(
            f"the classes differ: only {ours} has {only[0]}; only {theirs} has {only[1]}; give the "
            "same names to the same classes"
        )


def refuse_other_names(labels: Path, given: LabelSet, named: LabelSet | None) -> None:
    """Refuse names that are not those which are kept with the labels.

    Raises
    ------
    InputError
        Naming the first value that is called otherwise.
    """
    called = {} if named is None else {c.value: c.name for c in named.foreground}
    for one in given.foreground:
        own = called.get(one.value, one.name)
        if own != one.name:
            raise InputError(
                f"{labels}: value {one.value} is {own} there, not {one.name}; name no classes and "
                "no model, or those of the labels"
            )


def find_named(folder: Path) -> LabelSet | None:
    """Return the classes that are named beside labels, or above a dataset's folder of labels."""
    for place in (folder, folder.resolve().parent):
        if any(kind_of(place / name) is not None for name in (DESCRIPTION, CLASSES)):
            named = name_classes(place, [])
            if named.foreground:
                return named
    return None


def find_scan(pair: Pair, scan: Path, *, is_one: bool) -> Path:
    """Find the scan of a pair.

    Parameters
    ----------
    scan
        The scan itself, or a folder of scans with the names of the label files.
    is_one
        Whether there is only one pair.

    Raises
    ------
    InputError
        Where there is none of that name.
    """
    if scan.is_dir():
        for path in sorted(scan.iterdir()):
            if stem_of(path).casefold() == pair.name.casefold() and not path.name.startswith("."):
                return path
    if is_one:
        return scan
    raise InputError(f"{pair.first}: no scan {pair.name} in {scan}; give the folder of its scan")


def read_pair(
    pair: Pair, pairs: Pairs, scan: OctScan | None
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], OctScan]:
    """Read the labels of a pair.

    Parameters
    ----------
    scan
        Their scan; without one, the scale is that of the label files.

    Returns
    -------
    first, second, scan
        Both with the class values of the first.

    Raises
    ------
    InputError
        Where a file cannot be read, or the two do not fit each other.
    """
    first, second = (read_labels(path, scan=scan) for path in (pair.first, pair.second))
    if first.shape != second.shape:
        raise InputError(
            f"{pair.first} has shape {first.shape}, but {pair.second} {second.shape}; compare "
            "labels of the same scan"
        )
    if scan is None:
        scan = _read_scale(pair)
    return first, translate(second, pairs.second, pairs.first, pair.second), scan


def _read_scale(pair: Pair) -> OctScan:
    scan, other = read_scan(pair.first), read_scan(pair.second)
    for own, theirs in zip(scan.spacing_um, other.spacing_um, strict=False):
        if own is not None and theirs is not None and abs(own / theirs - 1) > _TOLERANCE:
            raise InputError(
                f"{pair.first} and {pair.second}: pixel sizes differ ({own:g} and {theirs:g} um); "
                "give the scan"
            )
    return scan if scan.spacing_um[-2] is not None else other


def translate(
    values: NDArray[np.uint8], own: LabelSet, to: LabelSet, name: object
) -> NDArray[np.uint8]:
    """Bring labels to the class values of another label set; 255 stays.

    Raises
    ------
    InputError
        Where a value has no class.
    """
    unknown = own.unknown_values(values)
    if unknown:
        raise InputError(f"{name}: label values {unknown} have no class; name all classes")
    return translate_classes(to, own)[values]

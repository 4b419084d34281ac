"""Label files of a volume's B-scans: which belongs to which, told by names, never by order."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import IGNORE
from napari_retseg.errors import InputError
from napari_retseg.io import read_labels
from napari_retseg.io.suffixes import holds_export, list_bscans, stem_of

_CHANNEL = re.compile(r"_\d{4}$")
_NUMBER = re.compile(r"\d+")
#: Files that are named in a message.
_NAMED = 3

#: What two names have in common, the surest first; None: nothing.
_KEYS: tuple[Callable[[str], object], ...] = (
    lambda stem: stem,
    str.casefold,
    lambda stem: _CHANNEL.sub("", stem).casefold(),
    lambda stem: tuple(map(int, _NUMBER.findall(stem))) or None,
    lambda stem: int(found[-1]) if (found := _NUMBER.findall(stem)) else None,
)


def read_label_folder(label: Path, image: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Read a folder with one label file for each labelled B-scan of a volume.

    Parameters
    ----------
    label
        The folder.
    image
        The scan: of a folder of B-scans, labels go by the files' names (nnU-Net's channel number
        left out, then by their numbers); of a file, by the labels' own numbers, from 0 or 1.
    shape
        Of the scan, without its channels.

    Returns
    -------
    ndarray of uint8
        255 where a B-scan has no label file.

    Raises
    ------
    InputError
        Naming the files that go with no B-scan, or with more than one.
    """
    files = list_bscans(label)
    if not files:
        raise InputError(f"{label}: contains no label files")
    if len(shape) == 2:
        raise InputError(f"{label}: is a folder, but {image.name} is a single B-scan")
    if image.is_dir() and not holds_export(image):
        places = _match(label, files, list_bscans(image))
    else:
        places = _number(label, files, shape[0])
    labels = np.full(shape, IGNORE, np.uint8)
    for file, place in zip(files, places, strict=True):
        labels[place] = read_labels(file, shape=shape[1:])
    return labels


def _match(label: Path, files: Sequence[Path], images: Sequence[Path]) -> list[int]:
    """Return the place of each label file's B-scan among the images."""
    ours, theirs = [stem_of(file) for file in files], [stem_of(image) for image in images]
    for key in _KEYS:
        known = {key(stem): place for place, stem in enumerate(theirs)}
        wanted = [key(stem) for stem in ours]
        is_distinct = len(known) == len(theirs) and len(set(wanted)) == len(wanted)
        if is_distinct and None not in wanted and known.keys() >= set(wanted):
            return [known[one] for one in wanted]
    names = {stem.casefold() for stem in theirs}
    odd = [
        file.name for file, stem in zip(files, ours, strict=True) if stem.casefold() not in names
    ]
    raise InputError(
        f"{label}: cannot tell which B-scan of {images[0].parent if images else label} these "
        f"labels belong to: {_list(odd or [file.name for file in files])}; give each label file "
        "the name of its B-scan"
    )


def _number(label: Path, files: Sequence[Path], n_bscans: int) -> list[int]:
    """Return the place of each label file in a volume of one file: their numbers follow on."""
    found = [_NUMBER.findall(stem_of(file)) for file in files]
    numbers = [int(one[-1]) if one else -1 for one in found]
    first = min(numbers)
    if first in (0, 1) and sorted(numbers) == list(range(first, first + n_bscans)):
        return [number - first for number in numbers]
    odd = [f.name for f, n in zip(files, numbers, strict=True) if not 0 <= n <= n_bscans]
    raise InputError(
        f"{label}: cannot tell which of {n_bscans} B-scans these labels belong to: "
        f"{_list(odd or [file.name for file in files])}; number the files from 0 or 1, one for "
        "each B-scan, or save the labels in one file"
    )


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"

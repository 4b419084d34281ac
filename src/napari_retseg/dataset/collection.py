"""A dataset: cases, their classes, and which patients are trained on, held out or tested."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from napari_retseg.classes import IGNORE, LabelSet
from napari_retseg.dataset.case import Case
from napari_retseg.dataset.planes import list_planes, plane_path
from napari_retseg.errors import InputError
from napari_retseg.io.sources import hash_source
from napari_retseg.scan import hash_path

#: So many patients are named in a warning.
_NAMED = 12


class Dataset(BaseModel):
    """Labelled scans of some patients.

    Attributes
    ----------
    root
        The folder; label paths do not leave it.
    ignore
        Label value of pixels that are not annotated: always 255.
    cases
        Those of the test split without labels come last.
    split_seed
        What new patients are ranked with when the split is pinned.
    notes
        What the user should know about how the dataset was read.
    about
        What else ``dataset.json`` says, kept as it is.
    """

    model_config = ConfigDict(frozen=True)

    root: Path
    name: str = Field(max_length=1000)
    labels: LabelSet
    ignore: int = IGNORE
    cases: tuple[Case, ...]
    split_seed: int = 0
    simulated: bool = False
    notes: tuple[str, ...] = ()
    about: dict[str, Any] = Field(default_factory=dict)

    @field_validator("cases")
    @classmethod
    def _order(cls, cases: tuple[Case, ...]) -> tuple[Case, ...]:
        return tuple(sorted(cases, key=is_unlabelled_test))

    @model_validator(mode="after")
    def _check(self) -> Dataset:
        if not self.root.is_absolute():
            raise ValueError("root is an absolute path")
        if self.ignore != IGNORE:
            raise ValueError(
                f"pixels that are not annotated must have the value {IGNORE}, not {self.ignore}"
            )
        counts = Counter(case.image for case in self.cases)
        twice, number = counts.most_common(1)[0] if counts else (None, 1)
        if number > 1:
            raise ValueError(f"{twice} is listed twice")
        return self

    def of_split(self, split: str) -> tuple[Case, ...]:
        """Return the cases of a split; those with held-out B-scans are in ``val``, too."""
        return tuple(
            case
            for case in self.cases
            if case.split == split or (split == "val" and case.heldout_bscans)
        )

    def groups(self, split: str) -> tuple[str, ...]:
        """Return the patients of a split, sorted."""
        return tuple(sorted({case.group for case in self.of_split(split)}))

    def annotated_bscans(self, case: Case, split: str | None = None) -> list[int]:
        """Return the B-scans that may be trained on or scored.

        Parameters
        ----------
        case
            One of the dataset's.
        split
            Only those of this split; None: all.

        Returns
        -------
        list of int
            Ascending indices; confirmed ones only where the case has states of B-scans,
            otherwise those that are not 255 altogether.
        """
        found = case.annotated_bscans()
        if split is None:
            return found
        heldout = set(case.heldout_bscans)
        if split == "val" and heldout and case.split != "val":
            return [i for i in found if i in heldout]
        if case.split != split:
            return []
        return [i for i in found if i not in heldout and i not in case.unused_bscans]

    def fingerprint(self, cases: Iterable[Case]) -> str:
        """Hash images, labels and choice of B-scans; order and place of the files do not count.

        Returns
        -------
        str
            SHA-256, hexadecimal.

        Raises
        ------
        InputError
            Where a file cannot be read.
        """
        parts = sorted(_fingerprint(case) for case in cases)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def hash_content(self) -> str:
        """Hash what a training takes of it: images, labels, parts and classes.

        Raises
        ------
        InputError
            Where a file cannot be read.
        """
        parts = [self.fingerprint(self.of_split(split)) for split in ("train", "val")]
        parts += [f"{c.value}={c.name}" for c in self.labels.classes]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to read before trusting a score: the notes, and patients on both sides."""
        shared = sorted({*self.groups("train")} & {*self.groups("val"), *self.groups("test")})
        if not shared:
            return self.notes
        groups = {case.group for case in self.cases if case.split is not None}
        if len(groups) == 1:
            has_gap = any(case.unused_bscans for case in self.cases)
            text = (
                f"all labelled scans are of one patient ({shared[0]}), so some of the B-scans "
                f"are held out, {'with a gap' if has_gap else 'without a gap'} to the others; "
                "the scores say nothing about other patients"
            )
        else:
            more = f" and {len(shared) - _NAMED} more" if len(shared) > _NAMED else ""
            text = (
                f"patients {', '.join(shared[:_NAMED])}{more} are in both training and held-out "
                "data; the scores are too optimistic for other patients"
            )
        return (*self.notes, text)


def is_unlabelled_test(case: Case) -> bool:
    """Whether Decathlon lists the case under ``test``, without labels."""
    return case.split == "test" and case.label is None


def _fingerprint(case: Case) -> str:
    states = case.bscans or {}
    confirmed = sorted(i for i, b in states.items() if b.state == "confirmed")
    choice = {
        "image": _hash(case.image, hash_source),
        "label": None if case.label is None else _hash_labels(case, case.label, confirmed),
        "confirmed": confirmed if case.bscans is not None else None,
        "heldout": sorted(case.heldout_bscans),
        "unused": sorted(case.unused_bscans),
    }
    return json.dumps(choice, sort_keys=True)


def _hash_labels(case: Case, label: Path, confirmed: list[int]) -> str | dict[int, str]:
    """Of a sparse folder only what counts: somebody may be painting on the rest."""
    if case.bscans is None or not label.is_dir():
        return _hash(label)
    planes = set(list_planes(label))
    if not planes:
        return _hash(label)
    return {i: _hash(plane_path(label, i)) for i in confirmed if i in planes}


def _hash(path: Path, hasher: Callable[[Path], str] = hash_path) -> str:
    try:
        return hasher(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error

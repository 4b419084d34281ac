"""Whose scan it is: what the file says, or what its name lets one guess."""

from __future__ import annotations

import re
from collections.abc import Iterable

from napari_retseg.dataset import Case

#: Key of a case's `about`: where its patient came from.
SOURCE = "group_source"
GUESSED = "guessed"
_BSCAN = re.compile(r"(?P<patient>.+?)[_-][Bb]\d+")
_DIGIT = re.compile(r"\d")


def guess_group(name: str) -> str:
    """Guess the patient of a scan by its name: ``S06`` of ``S06_B10``, else the whole name."""
    found = _BSCAN.fullmatch(name)
    return found["patient"] if found else name


def join_groups(new: Case, cases: Iterable[Case]) -> list[Case]:
    """Give a new case, and cases like it, the patient that their names share.

    As in a folder pair that is the text before the first ``_`` of names, but only where it
    holds a digit: ``P1_OD`` and ``P1_OS`` are of one patient, ``scan_1`` and ``scan_2`` are
    not. A case whose split is pinned keeps its patient, and the new one joins it.

    Parameters
    ----------
    new
        A case whose patient was guessed.
    cases
        The others.

    Returns
    -------
    list of Case
        The new one, and those of the others that changed.
    """
    prefix = _prefix(new)
    if prefix is None or guess_group(new.name) != new.name:
        return [new]
    alike = [c for c in cases if c.about.get(SOURCE) == GUESSED and _prefix(c) == prefix]
    pinned = [c for c in alike if c.split is not None]
    if not alike:
        return [new]
    group = pinned[0].group if pinned else prefix
    changed = [c for c in alike if c.split is None and c.group != group]
    return [c.model_copy(update={"group": group}) for c in (new, *changed)]


def _prefix(case: Case) -> str | None:
    """The text before the first ``_``, where it may be a patient's name."""
    prefix, separator, _ = case.name.partition("_")
    return prefix if separator and _DIGIT.search(prefix) else None

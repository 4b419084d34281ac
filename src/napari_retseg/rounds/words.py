"""Words for numbers, patients and B-scans."""

from __future__ import annotations

from collections.abc import Sequence

from napari_retseg.dataset import Case, Dataset
from napari_retseg.errors import RetsegError
from napari_retseg.plural import plural

#: So many patients or classes are named; of more, the number is said.
NAMED = 4


def name_ranges(bscans: Sequence[int]) -> str:
    """Write B-scans, counted from 0: ``3, 5 to 7``."""
    parts: list[tuple[int, int]] = []
    for bscan in bscans:
        if parts and parts[-1][1] == bscan - 1:
            parts[-1] = (parts[-1][0], bscan)
        else:
            parts.append((bscan, bscan))
    return join([f"{a}" if a == b else f"{a} to {b}" for a, b in parts])


def count_bscans(divided: Dataset, split: str, *, group: str | None = None) -> int:
    """Count the B-scans of a split that are trained on or scored; None: of all patients."""
    cases = [case for case in divided.of_split(split) if group in (None, case.group)]
    return sum(len(divided.annotated_bscans(case, split)) for case in cases)


def name_patients(groups: Sequence[str]) -> str:
    """Name patients: a few, or their number."""
    if len(groups) > NAMED:
        return f"{len(groups)} patients ({', '.join(groups[:NAMED])}, ...)"
    if len(groups) > 1:
        return f"{len(groups)} patients ({', '.join(groups)})"
    return groups[0] if groups else "no patient"


def join(names: Sequence[str]) -> str:
    """Write a list: ``a``, ``a and b``, ``a, b and c``."""
    if len(names) > 2 * NAMED:
        names = [*names[: 2 * NAMED], f"{len(names) - 2 * NAMED} more"]
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def make_sentence(error: RetsegError) -> str:
    """Write an error as a sentence."""
    text = " ".join(str(error).split())
    return text if text.endswith(".") else f"{text}."


def _name_scan(case: Case) -> str:
    """Name a scan as the workspace does, where it is of one."""
    return str(case.about.get("name", case.name))


def name_heldout_places(divided: Dataset) -> str:
    """Name what is held out: B-scans of a patient who is alone, or else patients."""
    volumes = [case for case in divided.cases if case.heldout_bscans]
    if volumes:
        if len(volumes) > 1:
            return "the last B-scans of each volume"
        case = volumes[0]
        noun = plural("B-scan", len(case.heldout_bscans))
        return f"{noun} {name_ranges(case.heldout_bscans)} of {_name_scan(case)}"
    names = [_name_scan(case) for case in divided.of_split("val")]
    groups = {case.group for case in divided.cases if case.split}
    if len(groups) == 1 and names:
        return join(names)
    return name_patients(divided.groups("val"))

"""Held-out B-scans of a patient who is alone: one part of the eye, with a gap beside it.

Neighbouring B-scans look alike. Held-out ones are therefore the last part of a volume (or of
a row of single B-scans in natural order), and the B-scans just before it are neither trained
nor scored on. The part is one of the whole volume, so that B-scans which are annotated later
fall on one side or into the gap, and none moves.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from natsort import natsort_keygen, ns

from napari_retseg.dataset.case import Case
from napari_retseg.errors import UsageError

#: Share of the B-scans that lies in the gap; at least one B-scan does.
GAP = 0.05

_natural = natsort_keygen(key=lambda case: case.image.as_posix(), alg=ns.IGNORECASE)


def hold_out_bscans(cases: Sequence[Case], *, share: float) -> list[Case]:
    """Pin the B-scans of the only patient: the last part of each volume is held out.

    Parameters
    ----------
    cases
        Labelled ones without a split.
    share
        Of the annotated B-scans; at least one is held out unless it is 0.

    Returns
    -------
    list of Case
        Unchanged where fewer than two B-scans are annotated.
    """
    if share == 0:
        return [case.model_copy(update={"split": "train"}) for case in cases]
    lengths = {case.image: case.read_scan().n_bscans for case in cases}
    volumes = [case for case in cases if lengths[case.image] > 1]
    cut = _find_cut(volumes, lengths, share)
    if cut is None:
        return _divide_row(sorted(cases, key=_natural), lengths, share)
    gap = _gap_that_fits(volumes, lengths, cut)
    divided = [_divide_volume(case, lengths[case.image], cut, gap) for case in volumes]
    row = sorted((case for case in cases if lengths[case.image] == 1), key=_natural)
    if len(row) == 1:
        return [*divided, row[0].model_copy(update={"split": "train"})]
    return [*divided, *_divide_row(row, lengths, share)]


def add_bscans(new: Sequence[Case], pinned: Sequence[Case]) -> list[Case]:
    """Pin further scans of a patient where the patient is.

    Of a patient with held-out B-scans, a new volume is divided at the same place, and a
    single B-scan goes with its neighbours in natural order, or into the gap between them.
    """
    splits = {case.split for case in pinned}
    divided = next((case for case in pinned if case.heldout_bscans), None)
    if len(splits) == 1 and divided is None:
        return [case.model_copy(update={"split": pinned[0].split}) for case in new]
    found = []
    for case in new:
        length = case.read_scan().n_bscans
        if divided is not None and length > 1:
            whole = divided.read_scan().n_bscans
            cut = divided.heldout_bscans[0] / whole
            found.append(_divide_volume(case, length, cut, GAP))
        else:
            found.append(_place_between(case, length, pinned))
    return found


def choose_bscans(cases: Sequence[Case], chosen: Mapping[Path, Collection[int]]) -> list[Case]:
    """Pin the B-scans of the only patient: those that the user names are held out.

    Those beside them are neither trained nor scored on, where that leaves something to train on.

    Raises
    ------
    UsageError
        Where there is no such image or B-scan, or nothing is left on one side.
    """
    lengths = {case.image: case.read_scan().n_bscans for case in cases}
    for image, bscans in chosen.items():
        if image not in lengths:
            raise UsageError(f"{image}: scan not found; choose another scan to hold out")
        if bad := [b for b in bscans if not 0 <= b < lengths[image]]:
            raise UsageError(f"{image}: has no B-scan {bad[0]} of 0 to {lengths[image] - 1}")
    row = [(case, b) for case in sorted(cases, key=_natural) for b in range(lengths[case.image])]
    heldout = {n for n, (case, b) in enumerate(row) if b in chosen.get(case.image, ())}
    if not heldout or len(heldout) == len(row):
        raise UsageError("hold out at least one B-scan, but not all of them")
    for width in (max(1, round(GAP * len(row))), 0):
        beside = _list_beside(row, heldout, width)
        if not width or _count_labelled(row, heldout | beside):
            break
    return [_pin_chosen(case, row, heldout, beside) for case in cases]


def _list_beside(row: Sequence[tuple[Case, int]], heldout: set[int], width: int) -> set[int]:
    """Places beside held-out ones: in the same volume, or in a row of single B-scans."""
    near = {n + step for n in heldout for step in range(-width, width + 1)}
    return {n for n in near - heldout if 0 <= n < len(row)}


def _count_labelled(row: Sequence[tuple[Case, int]], taken: set[int]) -> int:
    left = {(case.image, b) for n, (case, b) in enumerate(row) if n not in taken}
    cases = {case.image: case for case, _ in row}
    return sum((c.image, b) in left for c in cases.values() for b in c.annotated_bscans())


def _pin_chosen(
    case: Case, row: Sequence[tuple[Case, int]], heldout: set[int], beside: set[int]
) -> Case:
    own = {n: b for n, (other, b) in enumerate(row) if other.image == case.image}
    held = tuple(sorted(own[n] for n in own.keys() & heldout))
    unused = tuple(sorted(own[n] for n in own.keys() & beside))
    if len(held) == len(own):
        return case.model_copy(update={"split": "val", "heldout_bscans": (), "unused_bscans": ()})
    update = {"split": "train", "heldout_bscans": held, "unused_bscans": unused}
    return case.model_copy(update=update)


def _find_cut(volumes: Sequence[Case], lengths: dict[Path, int], share: float) -> float | None:
    """Where in a volume the held-out part begins, 0 to 1; None where no place divides them."""
    places = sorted(i / lengths[case.image] for case in volumes for i in case.annotated_bscans())
    if len(places) < 2:
        return None
    cut = places[-_count_share(share, len(places))]
    return cut if places[0] < cut else None


def _gap_that_fits(volumes: Sequence[Case], lengths: dict[Path, int], cut: float) -> float:
    """The share of the gap, or 0 where it would leave nothing to train on."""
    divided = [_divide_volume(case, lengths[case.image], cut, GAP) for case in volumes]
    for case in divided:
        taken = {*case.heldout_bscans, *case.unused_bscans}
        if any(i not in taken for i in case.annotated_bscans()):
            return GAP
    return 0.0


def _divide_volume(case: Case, length: int, cut: float, gap: float) -> Case:
    first = math.ceil(round(cut * length, 6))
    width = max(1, round(gap * length)) if gap else 0
    update = {
        "split": "train",
        "heldout_bscans": tuple(range(first, length)),
        "unused_bscans": tuple(range(max(0, first - width), first)),
    }
    return case.model_copy(update=update)


def _divide_row(cases: Sequence[Case], lengths: dict[Path, int], share: float) -> list[Case]:
    """Hold out the last ones of a row of cases."""
    if len(cases) < 2:
        return list(cases)
    heldout = len(cases) - _count_share(share, len(cases))
    width = max(1, round(GAP * len(cases))) if 2 <= heldout < len(cases) else 0
    divided = []
    for number, case in enumerate(cases):
        if number >= heldout:
            divided.append(case.model_copy(update={"split": "val"}))
        elif number >= heldout - width:
            divided.append(_set_aside(case, lengths[case.image]))
        else:
            divided.append(case.model_copy(update={"split": "train"}))
    return divided


def _count_share(share: float, total: int) -> int:
    """Number of B-scans for a share: at least one, and not all."""
    return min(max(1, math.floor(share * total + 0.5)), total - 1)


def _set_aside(case: Case, length: int) -> Case:
    return case.model_copy(update={"split": "train", "unused_bscans": tuple(range(length))})


def _place_between(case: Case, length: int, pinned: Sequence[Case]) -> Case:
    """Pin a case as its neighbours in natural order are; the gap is between unlike ones."""
    row = sorted(pinned, key=_natural)
    before = [c for c in row if _natural(c) < _natural(case)]
    after = row[len(before) :]
    sides = [_kind(c) for c in (*before[-1:], *after[:1])]
    kinds = set(sides)
    if len(kinds) == 2:
        kinds = {"train"} if kinds == {"train", "unused"} else {"unused"}
    (kind,) = kinds
    if kind == "unused":
        return _set_aside(case, length)
    return case.model_copy(update={"split": kind})


def _kind(case: Case) -> str:
    """How the end of a case is used."""
    if case.heldout_bscans:
        return "val"
    return "unused" if case.unused_bscans else str(case.split)

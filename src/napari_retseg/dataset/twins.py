"""The same image under two names: told by content, and never on both sides of a split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from napari_retseg.dataset.case import Case, Stamp, stamp
from napari_retseg.dataset.collection import Dataset
from napari_retseg.errors import InputError
from napari_retseg.io.sources import hash_source

_NAMED = 3


def list_twins(cases: Sequence[Case]) -> list[list[Case]]:
    """List cases whose images are the same, byte for byte; files that are not there have none.

    Only files of one size are read.
    """
    sizes: dict[tuple[int, ...], list[tuple[Case, Stamp]]] = defaultdict(list)
    for case in cases:
        try:
            where = stamp(case.image)
        except InputError:
            continue
        sizes[tuple(sorted(size for _, _, _, size, _ in where))].append((case, where))
    found: list[list[Case]] = []
    for alike in sizes.values():
        if len(alike) < 2:
            continue
        contents: dict[str, list[Case]] = defaultdict(list)
        for case, where in alike:
            contents[_content(case, where)].append(case)
        found += [same for same in contents.values() if len(same) > 1]
    return found


def find_twins(dataset: Dataset) -> dict[str, str]:
    """Name for each patient who shares an image with another one of them, the same for all."""
    leaders: dict[str, str] = {}

    def lead(group: str) -> str:
        while leaders.get(group, group) != group:
            group = leaders[group]
        return group

    for same in list_twins(dataset.cases):
        groups = sorted({lead(case.group) for case in same})
        for group in groups:
            leaders[group] = groups[0]
    return {group: lead(group) for group in leaders}


def set_twins_aside(dataset: Dataset) -> Dataset:
    """Take images out of the training that are also held out, where both sides are pinned."""
    changed: dict[Path, Case] = {}
    for same in list_twins(dataset.cases):
        held = {c.split for c in same} & {"val", "test"} or any(c.heldout_bscans for c in same)
        for case in same if held and len({c.split for c in same}) > 1 else ():
            if case.split == "train" and not case.heldout_bscans:
                unused = tuple(range(case.read_scan().n_bscans))
                changed[case.image] = case.model_copy(update={"unused_bscans": unused})
    if not changed:
        return dataset
    cases = tuple(changed.get(case.image, case) for case in dataset.cases)
    return dataset.model_copy(update={"cases": cases})


def describe_twins(dataset: Dataset) -> str:
    """Say which images are there under two names; empty where none is."""
    pairs = [" and ".join(case.name for case in same) for same in list_twins(dataset.cases)]
    if not pairs:
        return ""
    more = f" and {len(pairs) - _NAMED} more" if len(pairs) > _NAMED else ""
    return (
        f"the same image exists under several names ({'; '.join(pairs[:_NAMED])}{more}) and is "
        "kept on one side of the split; remove the copies, or correct the patients"
    )


def _content(case: Case, where: Stamp) -> str:
    """Return the hash of an image: a workspace has noted it."""
    noted = case.about.get("sha256")
    return noted if isinstance(noted, str) else _hash(case.image, where)


@lru_cache(maxsize=4096)
def _hash(path: Path, _where: Stamp) -> str:
    return hash_source(path)

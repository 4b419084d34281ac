"""Scans that were taken out: their labels are kept, and return when the scan does."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from napari_retseg.anchor import Anchor
from napari_retseg.dataset import BscanState, Case
from napari_retseg.dataset.description import describe_case
from napari_retseg.dataset.planes import list_planes, plane_path
from napari_retseg.errors import InputError, explaining
from napari_retseg.io.atomic import write_bytes, write_json
from napari_retseg.records import read_record
from napari_retseg.regular import read_limited
from napari_retseg.workspace.layout import LABELS, PREDICTIONS, REMOVED, choose_name, list_names

_ENTRY = "case.json"


class _Entry(BaseModel):
    """Of what was noted of a case, what brings it back."""

    name: str = ""
    sha256: str | None = None
    bscans: dict[Annotated[int, Field(ge=0)], BscanState] | None = None


def note_removal(anchor: Anchor, case: Case) -> Path:
    """Make the place for what is kept of a case, and say there what it was.

    Raises
    ------
    InputError
        Where it cannot be written.
    """
    folder = anchor.folder(Path(REMOVED))
    kept = anchor.folder(folder / choose_name(case.about["name"], list_names(folder)))
    write_json(kept / _ENTRY, describe_case(case, anchor.root))
    return kept


def move_away(anchor: Anchor, name: str, kept: Path) -> None:
    """Move labels and predictions of a case that is taken out to the place made for them.

    What lies there already stays.

    Raises
    ------
    InputError
        Where the system refuses.
    """
    for kind in (LABELS, PREDICTIONS):
        source, target = anchor.folder(Path(kind, name)), anchor.folder(kept / kind)
        with explaining(source, f"cannot be moved to {kept}"):
            if source.is_dir() and not target.exists():
                source.replace(target)


def finish_removals(anchor: Anchor, names: Collection[str]) -> None:
    """Move away what a program that died in between left of the cases that it took out.

    Parameters
    ----------
    names
        Of the cases that are there.

    Raises
    ------
    InputError
        Where the system refuses.
    """
    newest: dict[str, Path] = {}
    there = {name.casefold() for name in names}  # some systems see no capital letters
    for folder in list_names(anchor.folder(Path(REMOVED))):
        kept = anchor.root / REMOVED / folder
        entry = None if kept.is_symlink() else _read_entry(kept)
        if entry is None or choose_name(entry.name, there) != entry.name:
            continue
        other = newest.get(entry.name)
        if other is None or _noted_at(kept) > _noted_at(other):
            newest[entry.name] = kept
    for name, kept in newest.items():
        move_away(anchor, name, kept)


def _noted_at(kept: Path) -> int:
    return (kept / _ENTRY).stat().st_mtime_ns


def bring_back(anchor: Anchor, case: Case) -> tuple[Case, Path | None]:
    """Copy labels that were kept for the same scan to a case that has none yet.

    Returns
    -------
    case
        With the states as they were.
    kept
        Where the labels came from; None where there were none.

    Raises
    ------
    InputError
        Where they cannot be copied.
    """
    expected = case.about.get("sha256")
    for name in reversed(list_names(anchor.folder(Path(REMOVED)))):
        kept = anchor.root / REMOVED / name
        if expected is None or kept.is_symlink():
            continue
        entry = _read_entry(kept)
        if entry is None or entry.sha256 != expected:
            continue
        states = entry.bscans or {}
        labels = anchor.folder(Path(LABELS, case.about["name"]))
        source = anchor.listed(kept / LABELS)
        there = list_planes(source)
        for bscan in there:
            write_bytes(plane_path(labels, bscan), read_limited(plane_path(source, bscan)))
        bscans = {i: states.get(i, BscanState(state="corrected")) for i in there}
        if not bscans:  # another one of the same content may have some
            continue
        return case.model_copy(update={"label": labels, "bscans": bscans}), kept
    return case, None


def _read_entry(kept: Path) -> _Entry | None:
    """Read what was noted; where that is damaged nothing is brought back, and all stays."""
    try:
        return read_record(kept / _ENTRY, _Entry)
    except InputError:
        return None

"""Scans that were taken out: their labels are kept, and return when the scan does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from napari_retseg.dataset import BscanState, Case
from napari_retseg.dataset.description import describe_case
from napari_retseg.dataset.planes import list_planes, plane_path
from napari_retseg.errors import InputError
from napari_retseg.io.atomic import write_json
from napari_retseg.workspace.layout import LABELS, PREDICTIONS, REMOVED, choose_name, list_names

_ENTRY = "case.json"
_STATES = TypeAdapter(dict[int, BscanState])


def note_removal(folder: Path, case: Case) -> Path:
    """Make the place for what is kept of a case, and say there what it was.

    Raises
    ------
    InputError
        Where it cannot be written.
    """
    kept = folder / REMOVED / choose_name(case.about["name"], list_names(folder / REMOVED))
    write_json(kept / _ENTRY, describe_case(case, folder))
    return kept


def move_away(folder: Path, name: str, kept: Path) -> None:
    """Move labels and predictions of a case that is taken out to the place made for them.

    Raises
    ------
    InputError
        Where the system refuses.
    """
    for kind in (LABELS, PREDICTIONS):
        source = folder / kind / name
        try:
            if source.is_dir():
                source.replace(kept / kind)
        except OSError as error:
            raise InputError(f"{source}: cannot be moved to {kept} ({error.strerror})") from error


def bring_back(folder: Path, case: Case) -> tuple[Case, Path | None]:
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
    for name in reversed(list_names(folder / REMOVED)):
        kept = folder / REMOVED / name
        entry = _read_entry(kept)
        if expected is None or entry.get("sha256") != expected:
            continue
        states = _read_states(entry)
        labels = folder / LABELS / case.about["name"]
        there = list_planes(kept / LABELS)
        _copy(kept / LABELS, labels, there)
        bscans = {i: states.get(i, BscanState(state="corrected")) for i in there}
        if not bscans:
            return case, None
        return case.model_copy(update={"label": labels, "bscans": bscans}), kept
    return case, None


def _read_entry(kept: Path) -> dict[str, Any]:
    """Read what was noted; where that is damaged nothing is brought back, and all stays."""
    try:
        content = json.loads((kept / _ENTRY).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _read_states(entry: dict[str, Any]) -> dict[int, BscanState]:
    try:
        return _STATES.validate_python(entry.get("bscans") or {})
    except ValidationError:
        return {}


def _copy(source: Path, target: Path, bscans: list[int]) -> None:
    try:
        target.mkdir(parents=True, exist_ok=True)
        for bscan in bscans:
            shutil.copyfile(plane_path(source, bscan), plane_path(target, bscan))
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror}); make room") from error

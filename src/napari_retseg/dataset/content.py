"""What a scan's file held when its labels were made: told by hash, and by what changes with it."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

from napari_retseg.dataset.case import Case
from napari_retseg.errors import InputError
from napari_retseg.io.sources import hash_source, list_sources
from napari_retseg.volume_path import file_of

#: Keys of a case's `about`.
HASH, SIZE, STAMP = "sha256", "size", "stamp"
#: The coarsest clock of a file system ticks so often.
_SETTLED_NS = 2_000_000_000


def identify(path: Path) -> dict[str, Any]:
    """Return what tells a scan from all others: its SHA-256, its size, and its stamp.

    Raises
    ------
    InputError
        Where it cannot be read.
    """
    try:
        stamp, file = stamp_scan(path) or "", file_of(path)
        size = {SIZE: file.stat().st_size} if file.is_file() else {}
        return {HASH: hash_source(path), **size, STAMP: stamp}
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def stamp_scan(path: Path) -> str | None:
    """Return a text that changes with the files of a scan: made of their sizes and times.

    To read it costs nothing beside the hash. Where it is the same, the content is; where it is
    another, the hash has to tell. None for files that were written just now: they could be
    written again before their times change.

    Raises
    ------
    OSError
        Where the system does not tell.
    """
    files, path = list_sources(path), file_of(path)
    if files is None:
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    folder = path if path.is_dir() else path.parent
    digest = hashlib.sha256()
    settled = time.time_ns() - _SETTLED_NS
    for file in files:
        status = file.stat()
        if max(status.st_mtime_ns, status.st_ctime_ns) > settled:
            return None
        name = file.relative_to(folder).as_posix()
        # the time of the last change of status: nobody can set it back
        seen = (name, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        digest.update(repr(seen).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]


def is_unchanged(case: Case) -> bool:
    """Whether the files of a case's scan are, by their stamp, those of the known hash."""
    try:
        stamp = stamp_scan(case.image)
    except OSError:
        return False
    return stamp is not None and case.about.get(STAMP) == stamp


def is_other(case: Case, found: dict[str, Any]) -> bool:
    """Whether what :func:`identify` found is another content than the one that was noted."""
    return case.about.get(HASH) not in (None, found[HASH])


def doubt(case: Case) -> Case:
    """Return a case whose labels count no longer: confirmed B-scans are corrected ones."""
    states = case.bscans or {}
    doubted = {i: b.model_copy(update={"state": "corrected"}) for i, b in states.items()}
    return case.model_copy(update={"bscans": doubted or None})


def doubt_replaced(cases: tuple[Case, ...]) -> tuple[tuple[Case, ...], tuple[str, ...]]:
    """Take labels as not confirmed where the scan's file was replaced since.

    Returns
    -------
    cases
        In the same order.
    notes
        One for each that was replaced.

    Raises
    ------
    InputError
        Where a scan cannot be read.
    """
    settled, notes = [], []
    for case in cases:
        counts = any(b.state == "confirmed" for b in (case.bscans or {}).values())
        if not counts or HASH not in case.about or is_unchanged(case):
            settled.append(case)
            continue
        if not is_other(case, identify(case.image)):
            settled.append(case)
            continue
        settled.append(doubt(case))
        notes.append(
            f"{case.image}: the scan has changed since its labels were confirmed, so the labels "
            "are not used; check them in the workbench and confirm them again"
        )
    return tuple(settled), tuple(notes)

"""Names of a workspace's files and folders, and its own description."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from napari_retseg.anchor import Anchor
from napari_retseg.containment import resolve_within
from napari_retseg.dataset.registry import WORKSPACE
from napari_retseg.errors import InputError, NotThereError, explaining
from napari_retseg.io.atomic import write_json
from napari_retseg.records import check_record, read_json

SCHEMA_VERSION = 1
LABELS = "labels"
PREDICTIONS = "predictions"
SCANS = "scans"
REMOVED = "removed"
RESTORE = "restore"
ROUNDS = "rounds"
#: In the folder of a round: the data as they were when it began.
SNAPSHOT = "data"
KINDS = (LABELS, PREDICTIONS, SCANS, REMOVED, RESTORE, ROUNDS)
LOCK = ".lock"
#: Restore points that are not whole yet, or not any more.
STAGED = ".staged-"

_LONGEST = 80
_UNSAFE = re.compile(r'[\x00-\x1f\x7f\ud800-\udfff<>:"/\\|?*]+')
#: Windows keeps these names for itself, whatever the suffix.
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


class Header(BaseModel):
    """What ``workspace.json`` says."""

    model_config = ConfigDict(frozen=True, strict=True)

    id: str = Field(min_length=1, max_length=200)
    settings: dict[str, Any] = Field(default_factory=dict)


def read_header(folder: Path) -> Header:
    """Read ``workspace.json``.

    Raises
    ------
    InputError
        Where there is no workspace, or one that this program does not understand.
    """
    path = folder / WORKSPACE
    if not folder.is_dir():
        raise InputError(f"{folder}: folder not found; it may have been moved or renamed")
    try:
        content = read_json(resolve_within(folder, path))
    except NotThereError as error:
        raise InputError(
            f"{folder}: not a workspace (no {WORKSPACE} in it); choose another folder, or create "
            "a new workspace"
        ) from error
    return _check_header(content, path)


def _check_header(content: Any, path: Path) -> Header:
    version = content.get("schema_version", 1) if isinstance(content, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise InputError(
            f"{path.parent}: created by a newer napari-retseg (version {version} of its files; "
            f"this program knows {SCHEMA_VERSION}); update napari-retseg to open it. Nothing was "
            "changed"
        )
    try:
        return check_record(content if isinstance(version, int) else None, Header, path)
    except InputError as error:
        raise InputError(f"{error}; not a workspace description, restore it from a copy") from error


def write_header(folder: Path, header: Header) -> None:
    """Write ``workspace.json``.

    Raises
    ------
    InputError
        Where it cannot be written.
    """
    content = {"schema_version": SCHEMA_VERSION, "id": header.id, "settings": header.settings}
    write_json(folder / WORKSPACE, content)


def check_room(folder: Path) -> None:
    """Refuse a folder for a new workspace that holds something already.

    Raises
    ------
    InputError
        With what to do instead.
    """
    if (folder / WORKSPACE).exists():
        raise InputError(f"{folder}: already a workspace; open it")
    with explaining(folder, "cannot be read"):
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: this is a file; choose a new folder for the workspace")
        there = [e.name for e in folder.iterdir()] if folder.exists() else []
    visible = sorted(name for name in there if not name.startswith("."))
    if visible:
        raise InputError(
            f"{folder}: not empty ({visible[0]}); choose a new folder for the workspace. Scans "
            "can stay in their own folders"
        )


def choose_name(wanted: str, taken: Iterable[str]) -> str:
    """Make a name that every system takes as a folder's, unlike all others.

    Capital letters alone make no difference, since some systems see none.
    """
    name = _UNSAFE.sub("_", unicodedata.normalize("NFC", wanted))
    name = name[:_LONGEST].lstrip(". ").rstrip(". ") or "scan"
    if _RESERVED.fullmatch(name):
        name = f"{name}_"
    known = {other.casefold() for other in taken}
    number, chosen = 1, name
    while chosen.casefold() in known:
        number += 1
        chosen = f"{name}-{number}"
    return chosen


def list_names(folder: Path) -> list[str]:
    """Return what lies in a folder; nothing where there is none."""
    with explaining(folder, "cannot be listed"), suppress(FileNotFoundError):
        return sorted(entry.name for entry in folder.iterdir())
    return []


def list_rounds(anchor: Anchor) -> list[Path]:
    """Return the run folders of a workspace, in order."""
    folder = anchor.folder(Path(ROUNDS))
    # one that is a link may lie anywhere
    paths = (folder / f"{number:04d}" for number in _number_rounds(folder))
    return [path for path in paths if not path.is_symlink()]


def _number_rounds(folder: Path) -> list[int]:
    return sorted(int(name) for name in list_names(folder) if name.isdecimal())


def next_round(anchor: Anchor) -> Path:
    """Return where the next round comes to lie; nothing is made."""
    folder = anchor.folder(Path(ROUNDS))
    return folder / f"{max(_number_rounds(folder), default=0) + 1:04d}"

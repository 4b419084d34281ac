"""Names of a workspace's files and folders, and its own description."""

from __future__ import annotations

import json
import re
import unicodedata
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_retseg.dataset.registry import WORKSPACE
from napari_retseg.errors import InputError
from napari_retseg.io.atomic import write_json

SCHEMA_VERSION = 1
LABELS = "labels"
PREDICTIONS = "predictions"
SCANS = "scans"
REMOVED = "removed"
RESTORE = "restore"
ROUNDS = "rounds"
LOCK = ".lock"

_LONGEST = 80
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]+')
#: Windows keeps these names for itself, whatever the suffix.
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Header:
    """What ``workspace.json`` says."""

    id: str
    settings: dict[str, Any] = field(default_factory=dict)


def make_header() -> Header:
    """Make the description of a new workspace."""
    return Header(id=str(uuid.uuid4()))


def read_header(folder: Path) -> Header:
    """Read ``workspace.json``.

    Raises
    ------
    InputError
        Where there is no workspace, or one that this program does not understand.
    """
    path = folder / WORKSPACE
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; it may have been moved or renamed")
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise InputError(
            f"{folder}: is no workspace (it holds no {WORKSPACE}); choose another folder, or make "
            "a new workspace"
        ) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is no JSON file ({error}); correct or replace it") from error
    return _check_header(content, path)


def _check_header(content: Any, path: Path) -> Header:
    version = content.get("schema_version", 1) if isinstance(content, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise InputError(
            f"{path.parent}: was made by a newer napari-retseg (its files are of version "
            f"{version}, this program knows {SCHEMA_VERSION}); update napari-retseg to open it, "
            "nothing was changed"
        )
    known = content if isinstance(version, int) else {}
    settings = known.get("settings", {})
    if not isinstance(known.get("id"), str) or not isinstance(settings, dict):
        raise InputError(f"{path}: describes no workspace; restore it from a copy")
    return Header(id=known["id"], settings=settings)


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
        raise InputError(f"{folder}: is a workspace already; open it")
    try:
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: is a file; name a new folder for the workspace")
        there = [e.name for e in folder.iterdir()] if folder.exists() else []
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror})") from error
    visible = sorted(name for name in there if not name.startswith("."))
    if visible:
        raise InputError(
            f"{folder}: holds something already ({visible[0]}); name a new folder for the "
            "workspace, scans are added to it from wherever they lie"
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
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({error.strerror})") from error


def list_rounds(folder: Path) -> list[Path]:
    """Return the run folders of a workspace, in order."""
    numbers = sorted(int(name) for name in list_names(folder / ROUNDS) if name.isdecimal())
    return [folder / ROUNDS / f"{number:04d}" for number in numbers]


def next_round(folder: Path) -> Path:
    """Return where the next round comes to lie; nothing is made."""
    known = list_rounds(folder)
    return folder / ROUNDS / f"{int(known[-1].name) + 1 if known else 1:04d}"


def make_round(folder: Path) -> Path:
    """Make the folder of the next round.

    Raises
    ------
    InputError
        Where it cannot be made.
    """
    path = next_round(folder)
    try:
        path.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be made ({error.strerror})") from error
    return path

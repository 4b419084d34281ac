"""Which workspaces this user made or opened: theirs may refer to scans outside."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock, Timeout

from napari_retseg.errors import InputError
from napari_retseg.io.atomic import write_json

#: Describes a workspace, beside its ``dataset.json``.
WORKSPACE = "workspace.json"
_FILE = "workspaces.json"
_LOCK = ".workspaces.lock"
#: Seconds that one program waits for another to write the list.
_PATIENCE = 5.0
_SHOWN = 20
_KEPT = 1000
#: A round's data set lies so deep in its workspace: ``rounds/0001/data``.
_DEPTH = 3


def state_folder() -> Path:
    """Where the list of workspaces is kept; ``NAPARI_RETSEG_STATE`` moves it."""
    moved = os.environ.get("NAPARI_RETSEG_STATE")
    return Path(moved) if moved else platformdirs.user_data_path("napari-retseg")


def remember(folder: Path, workspace_id: str) -> None:
    """Put a workspace first in the list; where it was moved, its old place is forgotten.

    Raises
    ------
    InputError
        Where the list cannot be written.
    """
    place = str(folder.resolve())
    with _locked():
        others = [e for e in _read() if workspace_id != e["id"] and place != e["folder"]]
        _write([{"id": workspace_id, "folder": place}, *others])


def forget(folder: Path) -> None:
    """Take a workspace off the list; its files stay.

    Raises
    ------
    InputError
        Where the list cannot be written.
    """
    place = str(folder.resolve())
    with _locked():
        _write([entry for entry in _read() if entry["folder"] != place])


def recent() -> list[Path]:
    """Return the workspaces that exist, the one opened last first; at most 20."""
    folders = (Path(entry["folder"]) for entry in _read())
    return [folder for folder in folders if _has_workspace(folder)][:_SHOWN]


def last_place(workspace_id: str) -> Path | None:
    """Return where a workspace lay when it was last opened; None where it is not known."""
    places = (Path(entry["folder"]) for entry in _read() if entry["id"] == workspace_id)
    return next(places, None)


def is_own(folder: Path) -> bool:
    """Whether a folder is a workspace of this user, or the data of one of its rounds.

    Told by the workspace's id, so that one that was moved stays theirs.
    """
    folder = folder.resolve()
    for place in (folder, *folder.parents[:_DEPTH]):
        if _has_workspace(place):
            found = _read_id(place / WORKSPACE)
            return any(entry["id"] == found for entry in _read())
    return False


def _has_workspace(folder: Path) -> bool:
    try:
        return (folder / WORKSPACE).is_file()
    except OSError:  # a folder above it may not be entered
        return False


def _read_id(path: Path) -> str | None:
    content = _read_json(path)
    found = content.get("id") if isinstance(content, dict) else None
    return found if isinstance(found, str) else None


def _read() -> list[dict[str, str]]:
    """Read the list; one that is damaged counts as empty, since it can be made again."""
    content = _read_json(state_folder() / _FILE)
    entries = content.get("workspaces") if isinstance(content, dict) else None
    return [
        {"id": entry["id"], "folder": entry["folder"]}
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict)
        and isinstance(entry.get("id"), str)
        and isinstance(entry.get("folder"), str)
    ]


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _write(entries: list[dict[str, str]]) -> None:
    content = {"schema_version": 1, "workspaces": entries[:_KEPT]}
    write_json(state_folder() / _FILE, content)


@contextmanager
def _locked() -> Iterator[None]:
    """Let one program at a time change the list."""
    folder = state_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / _LOCK, timeout=_PATIENCE)
        lock.acquire()
    except Timeout as error:
        raise InputError(f"{folder}: another program writes the list of workspaces") from error
    except OSError as error:
        raise InputError(
            f"{folder}: the list of workspaces cannot be kept there ({error.strerror}); set "
            "NAPARI_RETSEG_STATE to a folder that can be written"
        ) from error
    try:
        yield
    finally:
        lock.release()

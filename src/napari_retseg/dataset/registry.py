"""Which workspaces this user made or opened, and which of them may refer to scans outside."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import BaseModel, ConfigDict, Field

from napari_retseg.errors import InputError, NotThereError
from napari_retseg.io.atomic import remove_leftovers, write_json
from napari_retseg.io.lock import hold_folder
from napari_retseg.records import check_record, read_json, read_record

#: Describes a workspace, beside its ``dataset.json``.
WORKSPACE = "workspace.json"
_FILE = "workspaces.json"
_LOCK = ".workspaces.lock"
#: Seconds that one program waits for another to write the list.
_PATIENCE = 5.0
_SHOWN = 20
_KEPT = 1000
#: A round's dataset lies so deep in its workspace: ``rounds/0001/data``.
_DEPTH = 3


class Known(BaseModel):
    """A workspace that this user made or opened.

    Attributes
    ----------
    id, folder
        Which one it is, and where it lay when it was last opened.
    may_lead_out
        Whether it may refer to scans outside: the user made it, or agreed to it.
    """

    model_config = ConfigDict(frozen=True)

    id: str = Field(min_length=1, max_length=200)
    folder: Path
    may_lead_out: bool = True


class _Identity(BaseModel):
    id: str


def state_folder() -> Path:
    """Where the list of workspaces is kept; ``NAPARI_RETSEG_STATE`` moves it."""
    moved = os.environ.get("NAPARI_RETSEG_STATE")
    return Path(moved) if moved else platformdirs.user_data_path("napari-retseg")


def remember(folder: Path, workspace_id: str, *, may_lead_out: bool = True) -> None:
    """Put a workspace first in the list; where it was moved, its old place is forgotten.

    Raises
    ------
    InputError
        Where the list cannot be written.
    """
    place = folder.resolve()
    known = Known(id=workspace_id, folder=place, may_lead_out=may_lead_out)
    _put_first([known], others=lambda one: workspace_id != one.id and place != one.folder)


def forget(folder: Path) -> None:
    """Take a workspace off the list; its files stay.

    Raises
    ------
    InputError
        Where the list cannot be written.
    """
    _put_first([], others=lambda one: one.folder != folder.resolve())


def _put_first(first: list[Known], *, others: Callable[[Known], bool]) -> None:
    with writing_state():
        _write([*first, *filter(others, _read())])


def recent() -> list[Path]:
    """Return the workspaces that exist, the one opened last first; at most 20."""
    folders = (known.folder for known in _read())
    return [folder for folder in folders if _has_workspace(folder)][:_SHOWN]


def find(workspace_id: str) -> Known | None:
    """Return what is known of a workspace; None where this user has not opened it yet."""
    return next((known for known in _read() if known.id == workspace_id), None)


def find_problem() -> str:
    """Return one sentence, why the list cannot be read; empty where all is well."""
    try:
        _read_list()
    except NotThereError:
        return ""
    except InputError as error:
        return f"{error}; until this is repaired, the list of workspaces is empty"
    return ""


def is_own(folder: Path) -> bool:
    """Whether a folder is a workspace that may refer to scans outside, or data of its rounds.

    Told by the workspace's id, so that one that was moved stays the user's.
    """
    folder = folder.resolve()
    for place in (folder, *folder.parents[:_DEPTH]):
        if _has_workspace(place):
            known = find(_read_id(place / WORKSPACE))
            return known is not None and known.may_lead_out
    return False


def _has_workspace(folder: Path) -> bool:
    try:
        return (folder / WORKSPACE).is_file()
    except (OSError, ValueError):  # a folder above it may not be entered; no path at all
        return False


def _read_id(path: Path) -> str:
    """Return a workspace's id; empty where it cannot be read."""
    try:
        return read_record(path, _Identity).id
    except InputError:
        return ""


def _read() -> list[Known]:
    """Read the list; one that is damaged counts as empty, and `find_problem` says so."""
    try:
        entries = _read_list()
    except InputError:
        return []
    found = []
    for entry in entries:
        try:
            found.append(check_record(entry, Known, _FILE))
        except InputError:  # an entry that says nothing keeps no other from being read
            continue
    return found


def _read_list() -> list[Any]:
    path = state_folder() / _FILE
    content = read_json(path)
    entries = content.get("workspaces") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise InputError(f"{path}: not a list of workspaces; restore it from a copy, or delete it")
    return entries


def _write(known: list[Known]) -> None:
    path = state_folder() / _FILE
    if find_problem():
        _set_aside(path)
    entries = [one.model_dump(mode="json") for one in known[:_KEPT]]
    write_json(path, {"schema_version": 1, "workspaces": entries})


def _set_aside(path: Path) -> None:
    """Keep a list that cannot be read, so that its user can still mend it."""
    try:
        path.replace(path.with_suffix(".unreadable"))
    except OSError as error:
        raise InputError(f"{path}: cannot be moved away ({error.strerror or error})") from error


@contextmanager
def writing_state() -> Iterator[None]:
    """Let one program at a time write into the user's folder; leftovers there are removed first.

    Raises
    ------
    InputError
        Where another one does not end, or the folder cannot be written.
    """
    folder = state_folder()
    busy = InputError(f"{folder}: another program is changing the list of workspaces; try again")
    advice = "set NAPARI_RETSEG_STATE to a writable folder for the list of workspaces"
    with hold_folder(folder, patience=_PATIENCE, busy=busy, advice=advice, name=_LOCK):
        remove_leftovers(folder, below=False)
        yield

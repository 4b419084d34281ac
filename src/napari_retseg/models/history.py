"""Earlier models of a name: what was replaced or removed is kept, under numbers.

``.history/NAME/0001`` beside the models is a whole bundle; a higher number was put aside later.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from napari_retseg.errors import ModelError
from napari_retseg.io.atomic import replace_atomically
from napari_retseg.models.description import (
    CARD,
    DESCRIPTION,
    INTERVALS,
    REPEATABILITY,
    WEIGHTS,
    ModelInfo,
    read_info,
)
from napari_retseg.models.lookup import models_folder, own_folder

#: In the order in which a bundle's files are replaced: with the weights the model is another one.
FILES = (WEIGHTS, DESCRIPTION, CARD, INTERVALS, REPEATABILITY)


@dataclass(frozen=True, slots=True)
class Version:
    """A model that a name means, or meant.

    Attributes
    ----------
    number
        Under which it was put aside, from 1; 0 is the current one.
    info
        None where it cannot be read.
    when
        Since when it is the current one, or was for the last time.
    """

    folder: Path
    number: int
    info: ModelInfo | None
    when: datetime

    @property
    def is_current(self) -> bool:
        """Whether it is what the name means now."""
        return self.number == 0

    @property
    def label(self) -> str:
        """What it is called in the list: ``current``, ``0001``, ``0002``."""
        return f"{self.number:04d}" if self.number else "current"


def history_folder() -> Path:
    """Where all that was put aside lies; hidden, so that no name reaches it."""
    return models_folder() / ".history"


def list_versions(name: str) -> list[Version]:
    """List the models of a name: the current one, then the others, the last put aside first.

    Raises
    ------
    ModelError
        Where there never was one among the user's own.
    """
    current = own_folder(name)
    found = [_open(current, 0)] if has_files(current) else []
    found += [_open(folder, int(folder.name)) for folder in reversed(_list_folders(name))]
    if not found:
        raise ModelError(
            f"{name}: you have no model of this name, now or in the history; 'napari-retseg "
            "models list' shows your models"
        )
    return found


def find_version(name: str, wanted: str | None = None) -> Version:
    """Find the version to go back to.

    Parameters
    ----------
    wanted
        Its number, or the beginning of its weights_id; None: the one that was put aside last,
        of those that can be read and are another model than the current one.

    Raises
    ------
    ModelError
        Where there is none, or several different ones.
    """
    versions = list_versions(name)
    older = [version for version in versions if not version.is_current]
    if wanted is None:
        now = versions[0].info if versions[0].is_current else None
        others = [version for version in older if version.info not in (None, now)]
        if not others:
            raise ModelError(f"{name}: no other version of this model to roll back to")
        return others[0]
    found = [version for version in older if _is_meant(version, wanted)]
    if not found:
        known = ", ".join(version.label for version in older) or "none"
        raise ModelError(f"{name}: has no version {wanted!r}; choose from {known}")
    if any(version.info != found[0].info for version in found):
        labels = ", ".join(version.label for version in found)
        raise ModelError(
            f"{name}: {wanted!r} fits several versions ({labels}); give a version number"
        )
    return found[0]


def put_aside(name: str) -> int:
    """Keep a copy of the current model under the next number, whole or not at all.

    Files are linked where the system can; they are replaced later, never written to. Where the
    last version is linked to the current model already, a crash came after it was put aside.

    Returns
    -------
    int
        The number.
    """
    kept = _list_folders(name)
    if kept and _is_linked(own_folder(name), kept[-1]):
        return int(kept[-1].name)
    staged = history_folder() / ".aside"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    try:
        for file in FILES:
            source = own_folder(name) / file
            if source.is_file():
                _link(source, staged / file)
        number, place = _next_place(name)
        staged.replace(place)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return number


def move_aside(name: str) -> int:
    """Take the current model away, to the next number, in one step; see :func:`put_aside`."""
    number, place = _next_place(name)
    own_folder(name).replace(place)
    return number


def discard(folder: Path) -> None:
    """Delete a version; it is out of the history in one step."""
    gone = history_folder() / ".gone"
    shutil.rmtree(gone, ignore_errors=True)
    folder.replace(gone)
    shutil.rmtree(gone, ignore_errors=True)


def has_files(folder: Path) -> bool:
    """Whether any file of a bundle is in it."""
    return any((folder / file).is_file() for file in FILES)


def _list_folders(name: str) -> list[Path]:
    kept = history_folder() / name
    folders = [path for path in kept.iterdir() if path.is_dir()] if kept.is_dir() else []
    return sorted((p for p in folders if p.name.isdecimal()), key=lambda path: int(path.name))


def _next_place(name: str) -> tuple[int, Path]:
    folders = _list_folders(name)
    number = 1 + (int(folders[-1].name) if folders else 0)
    place = history_folder() / name / f"{number:04d}"
    place.parent.mkdir(parents=True, exist_ok=True)
    return number, place


def _open(folder: Path, number: int) -> Version:
    try:
        info = read_info(folder)
    except ModelError:
        info = None
    paths = [path for file in FILES if (path := folder / file).is_file()]
    seconds = max(path.stat().st_mtime for path in (paths or [folder]))
    return Version(folder, number, info, _read_time(seconds))


def _read_time(seconds: float) -> datetime:
    """Turn a file's time into a date; a damaged one may be of no year that there is."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OSError, OverflowError, ValueError):
        return datetime.fromtimestamp(0, UTC)


def _is_meant(version: Version, wanted: str) -> bool:
    if wanted.isdecimal() and int(wanted) == version.number:
        return True
    known = "" if version.info is None else version.info.weights_id
    # fewer characters do not name a version
    return len(wanted) >= 6 and known.startswith(wanted)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without links
        with replace_atomically(target) as temporary:
            shutil.copyfile(source, temporary)
        shutil.copystat(source, target)


def _is_linked(one: Path, other: Path) -> bool:
    """Whether two folders hold the very same files of a bundle."""
    pairs = [(one / file, other / file) for file in FILES]
    return all(
        a.samefile(b) if a.is_file() and b.is_file() else a.is_file() == b.is_file()
        for a, b in pairs
    )

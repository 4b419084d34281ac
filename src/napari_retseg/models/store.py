"""The user's own models: added, replaced, removed, rolled back; nothing is lost.

A model of the same name is replaced file by file, weights first. The weights file holds the
description, too, so that at every moment the folder is either the old model or the new one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from napari_retseg.errors import InputError, ModelError
from napari_retseg.io.atomic import remove_leftovers, replace_atomically
from napari_retseg.io.lock import hold_folder
from napari_retseg.models.archive import LARGEST_CARD, unpack
from napari_retseg.models.calibrated import read_intervals, read_retest
from napari_retseg.models.description import (
    CARD,
    DESCRIPTION,
    INTERVALS,
    LARGEST_DESCRIPTION,
    LARGEST_INTERVALS,
    REPEATABILITY,
    WEIGHTS,
    check_links,
    read_info,
)
from napari_retseg.models.history import (
    FILES,
    discard,
    find_version,
    has_files,
    history_folder,
    move_aside,
    put_aside,
)
from napari_retseg.models.lookup import STARTER, find_model, models_folder, own_folder
from napari_retseg.models.sharing import check_finite, check_whole, clean
from napari_retseg.models.weightsfile import LARGEST_WEIGHTS
from napari_retseg.models.wording import describe_verdict
from napari_retseg.regular import open_regular

#: Largest file of a bundle, by name.
_LIMITS = {
    WEIGHTS: LARGEST_WEIGHTS,
    DESCRIPTION: LARGEST_DESCRIPTION,
    CARD: LARGEST_CARD,
    INTERVALS: LARGEST_INTERVALS,
    REPEATABILITY: LARGEST_INTERVALS,
}
#: Seconds to wait for another command that changes models.
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a name.

    Attributes
    ----------
    folder
        Where the model of this name lies.
    kept_as
        Number of the version under which the model before is kept; None where there was none.
    restored
        Number of the version that is the current model again.
    """

    folder: Path
    kept_as: int | None = None
    restored: int | None = None


def add_model(
    source: Path, *, name: str | None = None, replace: bool = False, force: bool = False
) -> Change:
    """Copy a bundle (folder, run folder or exported ``.zip``) among the user's own models.

    Parameters
    ----------
    name
        None: that of the folder or file.
    replace
        Whether it may take the place of another of this name, which goes into the history.
    force
        Whether it may do so even if it was not promoted.

    Raises
    ------
    ModelError
        Where the name is taken or is none, there is no model in `source`, or the gate is closed.
    """
    name = name or (source.stem if source.suffix == ".zip" else source.name)
    target = own_folder(name)
    with _lock_models():
        _check_place(target)
        if has_files(target) and not replace:
            raise ModelError(
                f"{name}: this name is already used; choose another one or add --replace"
            )
        with _stage(source) as staged:
            info = clean(staged)
            check_finite(staged / WEIGHTS)
            read_intervals(staged)
            read_retest(staged)
            if not has_files(target):
                _settle(staged, target)
                return Change(target)
            if info.promoted is False and not force:
                raise ModelError(
                    f"{name}: not replaced, because {source} was {describe_verdict(info)}; add "
                    "--force to replace it anyway"
                )
            number = put_aside(name)
            _replace_files(staged, target)
    return Change(target, kept_as=number)


def roll_back(name: str, *, to: str | None = None) -> Change:
    """Make an earlier model of a name the current one; the current one goes into the history.

    Parameters
    ----------
    to
        Number of the version, or the beginning of its weights_id; None: the one that was put
        aside last, so that rolling back twice returns.

    Raises
    ------
    ModelError
        Where there is no such version, or its files are not whole.
    """
    target = own_folder(name)
    with _lock_models():
        version = find_version(name, to)
        check_whole(version.folder)
        read_info(version.folder)
        if not has_files(target):
            _check_place(target)
            _settle(version.folder, target)
            return Change(target, restored=version.number)
        number = put_aside(name)
        _replace_files(version.folder, target)
        if number != version.number:
            discard(version.folder)
    return Change(target, kept_as=number, restored=version.number)


def remove_model(name: str) -> Change:
    """Take a model out of the list; :func:`roll_back` brings it back.

    Raises
    ------
    ModelError
        Where there is none of this name among the user's own.
    """
    target = own_folder(name)
    with _lock_models():
        if not has_files(target):
            why = (
                "the built-in model cannot be changed"
                if name == STARTER
                else "not one of your own models"
            )
            raise ModelError(f"{name}: {why}; 'napari-retseg models list' shows the models")
        return Change(target, kept_as=move_aside(name))


@contextmanager
def _lock_models() -> Iterator[None]:
    """Let one command at a time change the models."""
    folder = models_folder()
    busy = ModelError(f"{folder}: another command is changing the models; try again")
    advice = "set NAPARI_RETSEG_MODELS to a writable folder"
    with hold_folder(folder, patience=_PATIENCE, busy=busy, advice=advice):
        yield


@contextmanager
def _stage(source: Path) -> Iterator[Path]:
    """Copy a bundle's files, and nothing else, into a hidden folder beside the models."""
    staged = history_folder() / ".new"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    try:
        if source.suffix == ".zip" and not source.is_dir():
            unpack(source, staged)
        else:
            _replace_files(find_model(source), staged)
        check_whole(staged, source)
        yield staged
    except (InputError, ModelError) as error:  # of what was given, not of the copy
        raise ModelError(str(error).replace(str(staged), str(source))) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _replace_files(source: Path, target: Path) -> None:
    """Bring a bundle's files to their places, each whole, with the time of now."""
    remove_leftovers(target)
    check_links(source)
    for file in FILES:
        if (source / file).is_file():
            with (
                open_regular(source / file, limit=_LIMITS[file]) as found,
                replace_atomically(target / file) as temporary,
                temporary.open("wb") as out,
            ):
                shutil.copyfileobj(found, out)
        else:
            (target / file).unlink(missing_ok=True)


def _settle(source: Path, target: Path) -> None:
    """Move a bundle to a place that is free, in one step, with the time of now."""
    for file in FILES:
        if (source / file).is_file():
            os.utime(source / file)
    if target.is_dir():
        target.rmdir()
    source.replace(target)


def _check_place(target: Path) -> None:
    """Refuse a place where something lies that is no model."""
    if target.exists() and not has_files(target) and (target.is_file() or any(target.iterdir())):
        raise ModelError(
            f"{target}: exists and is not a model; move it away or choose another name"
        )

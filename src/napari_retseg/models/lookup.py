"""Where models lie, and which one a name means."""

from __future__ import annotations

import os
import re
from pathlib import Path

import platformdirs

from napari_retseg.errors import ModelError
from napari_retseg.models.description import DESCRIPTION, WEIGHTS
from napari_retseg.samples import sample_folder

STARTER = "starter"

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?")


def models_folder() -> Path:
    """The user's own models; ``NAPARI_RETSEG_MODELS`` moves it."""
    moved = os.environ.get("NAPARI_RETSEG_MODELS")
    return Path(moved) if moved else platformdirs.user_data_path("napari-retseg") / "models"


def own_folder(name: str) -> Path:
    """The folder of one of the user's own models, whether it is there or not.

    Raises
    ------
    ModelError
        Where a model cannot have this name: it would be another folder, or be hidden.
    """
    if not _NAME.fullmatch(name):
        raise ModelError(
            f"{name!r} is not a valid model name; use letters, digits, '.', '_' and '-', start "
            "with a letter or digit, and do not end with '.'"
        )
    return models_folder() / name


def find_model(name_or_folder: str | Path) -> Path:
    """Find a bundle's folder by name (the user's own first, then ``starter``) or by path.

    Raises
    ------
    ModelError
        Where there is no such bundle.
    """
    given = Path(name_or_folder)
    candidates = [given]
    if len(given.parts) == 1:
        candidates = [models_folder() / given, given]
        if str(name_or_folder) == STARTER:
            candidates.append(sample_folder() / STARTER)
    for folder in candidates:
        if (folder / DESCRIPTION).is_file():
            return folder
    if given.is_dir() and (given / "model" / DESCRIPTION).is_file():
        return given / "model"
    if given.is_file():
        raise ModelError(
            f"{given}: this is a file, but a model is a folder with {DESCRIPTION} and {WEIGHTS}; "
            "weights of other programs cannot be loaded"
        )
    raise ModelError(
        f"{name_or_folder}: found no model of this name and no folder with {DESCRIPTION}; "
        "'napari-retseg models list' shows the models"
    )


def check_own(folder: Path) -> None:
    """Raise a ModelError where a bundle is the one that comes with the program."""
    if folder == sample_folder() / STARTER:
        raise ModelError(
            "the built-in model cannot be changed; make a copy of it with 'napari-retseg models "
            f"add {folder} --name NAME'"
        )


def list_models() -> list[Path]:
    """Folders of all models that a name reaches: the user's own, and the starter.

    One that cannot be opened is among them: :func:`napari_retseg.models.read_info` says why.

    Raises
    ------
    ModelError
        Where the folder of the user's own cannot be opened.
    """
    found = sorted(folder for folder in _list_own() if _may_be_model(folder))
    starter = sample_folder() / STARTER
    if (starter / DESCRIPTION).is_file() and not any(p.name == STARTER for p in found):
        found.append(starter)
    return found


def _list_own() -> list[Path]:
    own = models_folder()
    try:
        return [folder for folder in own.iterdir() if not folder.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ModelError(
            f"{own}: cannot be opened ({error.strerror}); change its permissions"
        ) from error


def _may_be_model(folder: Path) -> bool:
    """Whether a folder holds a description, of whatever kind, or cannot be looked into."""
    try:
        return any(path.name == DESCRIPTION for path in folder.iterdir())
    except PermissionError:
        return True
    except OSError:  # a file, or a link to nothing
        return False

"""Model bundles on disk, as far as one can know them without torch.

A bundle is a folder with ``model.safetensors``, ``model.json`` (:class:`ModelInfo`) and
``MODEL_CARD.md``. :mod:`napari_retseg.nets.bundle` reads and writes the weights.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import Field, ValidationError

from napari_retseg.classes import LabelSet
from napari_retseg.config import Frozen, NetworkConfig, PreprocessConfig
from napari_retseg.errors import ModelError
from napari_retseg.samples import sample_folder

SCHEMA_VERSION = 1
WEIGHTS = "model.safetensors"
DESCRIPTION = "model.json"
CARD = "MODEL_CARD.md"
STARTER = "starter"

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*$")


class TrainedOn(Frozen):
    """What a model was trained on, by hash: no path, no patient."""

    dataset: str
    sha256: str = Field(description="of the training cases' image and label files")
    groups: tuple[str, ...]
    heldout_groups: tuple[str, ...]
    bscans: int
    iterations: int
    simulated: bool = False
    split: str = Field("by patient", description="how the held-out scans were chosen, in words")


class ModelInfo(Frozen):
    """The content of ``model.json``."""

    schema_version: int = SCHEMA_VERSION
    name: str
    network: NetworkConfig
    classes: LabelSet
    preprocess: PreprocessConfig
    parent: str | None = Field(None, description="weights_id of the model that it started from")
    weights_id: str = Field("", description="SHA-256 of the weights file's tensors")
    trained_on: TrainedOn | None = None
    scores: dict[str, Any] | None = Field(None, description="on the held-out scans")
    start_scores: dict[str, Any] | None = Field(
        None, description="of the model that it started from, on the same held-out scans"
    )
    promoted: bool | None = Field(
        None, description="whether it is not worse than that; None: nothing to compare with"
    )
    thresholds: dict[str, float] = Field(
        default_factory=dict, description="operating point: a threshold for each class named here"
    )


def models_folder() -> Path:
    """The user's own models; ``NAPARI_RETSEG_MODELS`` moves it."""
    moved = os.environ.get("NAPARI_RETSEG_MODELS")
    return Path(moved) if moved else platformdirs.user_data_path("napari-retseg") / "models"


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
            f"{given}: a model is a folder with {DESCRIPTION} and {WEIGHTS}, not a file; "
            "weights of other programs are not loaded"
        )
    raise ModelError(
        f"{name_or_folder}: no model of this name and no folder with {DESCRIPTION}; "
        "'napari-retseg models list' shows the models"
    )


def read_info(folder: Path) -> ModelInfo:
    """Read and check a bundle's ``model.json``.

    Raises
    ------
    ModelError
        Where it cannot be read, or its schema is newer than this program's.
    """
    path = folder / DESCRIPTION
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelError(f"{path}: cannot be read as a model description ({error})") from error
    return parse_info(data, path)


def parse_info(data: Any, path: Path) -> ModelInfo:
    """Check the content of a ``model.json``; `path` is for the message."""
    version = data.get("schema_version") if isinstance(data, dict) else None
    if not isinstance(version, int):
        raise ModelError(f"{path}: not a model description (no schema_version)")
    if version > SCHEMA_VERSION:
        raise ModelError(
            f"{path}: schema version {version} is newer than this program's {SCHEMA_VERSION}; "
            "update napari-retseg"
        )
    try:
        return ModelInfo.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ModelError(f"{path}: {where}: {first['msg']}") from error


def list_models() -> list[Path]:
    """Folders of all models that a name reaches: the user's own, and the starter."""
    own = models_folder()
    found = sorted(p.parent for p in own.glob(f"*/{DESCRIPTION}")) if own.is_dir() else []
    starter = sample_folder() / STARTER
    if (starter / DESCRIPTION).is_file() and not any(p.name == STARTER for p in found):
        found.append(starter)
    return found


def add_model(source: Path, *, name: str | None = None, replace: bool = False) -> Path:
    """Copy a bundle (folder, run folder or exported ``.zip``) among the user's own models."""
    target_name = name or (source.stem if source.suffix == ".zip" else source.name)
    if not _NAME.match(target_name):
        raise ModelError(f"{target_name!r} is no model name: use letters, digits, '.', '_' and '-'")
    target = models_folder() / target_name
    if target.exists() and not replace:
        raise ModelError(f"{target_name}: this name is taken; choose another or use --replace")
    staged = target.with_name(f".{target_name}.new")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    try:
        _stage(source, staged)
        read_info(staged)
        if target.exists():
            shutil.rmtree(target)
        staged.replace(target)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return target


def export_model(folder: Path, target: Path) -> Path:
    """Write a bundle as one ``.zip`` that :func:`add_model` reads."""
    staged = target.with_name(f".{target.name}.new")
    try:
        with zipfile.ZipFile(staged, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in (DESCRIPTION, WEIGHTS, CARD):
                if (folder / name).is_file():
                    archive.write(folder / name, name)
        staged.replace(target)
    finally:
        staged.unlink(missing_ok=True)
    return target


def _stage(source: Path, staged: Path) -> None:
    """Copy a bundle's files, and nothing else, from a folder or a zip."""
    if source.suffix != ".zip" or source.is_dir():
        folder = find_model(source)
        for name in (DESCRIPTION, WEIGHTS, CARD):
            if (folder / name).is_file():
                shutil.copyfile(folder / name, staged / name)
        return
    try:
        with zipfile.ZipFile(source) as archive:
            for name in (DESCRIPTION, WEIGHTS, CARD):
                if name in archive.namelist():
                    with archive.open(name) as packed, (staged / name).open("wb") as out:
                        shutil.copyfileobj(packed, out)
    except (OSError, zipfile.BadZipFile) as error:
        raise ModelError(f"{source}: cannot be read as an exported model ({error})") from error

"""``model.json``: what a bundle says about itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from napari_retseg.classes import LabelSet
from napari_retseg.config import Frozen, NetworkConfig, PreprocessConfig
from napari_retseg.errors import ModelError

SCHEMA_VERSION = 1
WEIGHTS = "model.safetensors"
DESCRIPTION = "model.json"
CARD = "MODEL_CARD.md"

#: A weights file whose header is longer is none of ours.
_LONGEST_HEADER = 100_000_000


class TrainedOn(Frozen):
    """What a model was trained on: the data by hash, no path; patients by their group's name."""

    dataset: str
    sha256: str = Field(description="of the training cases' image and label files")
    groups: tuple[str, ...]
    heldout_groups: tuple[str, ...]
    bscans: int
    iterations: int
    kept_start: float = Field(0.0, description="share of the starting model's weights")
    simulated: bool = False
    split: str = Field("by patient", description="how the held-out scans were chosen, in words")


class Measurement(Frozen):
    """Scores on scans that had no part in the training, kept with the model."""

    data: str = Field(description="which scans, how many and of how many patients, in words")
    dice: dict[str, float] = Field(description="of each foreground class, pooled over them")


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
    about: str = Field("", description="what it is for and where it fails, in words")
    measured: tuple[Measurement, ...] = Field((), description="on further data")
    thresholds: dict[str, float] = Field(
        default_factory=dict, description="operating point: a threshold for each class named here"
    )


def read_info(folder: Path) -> ModelInfo:
    """Read and check a bundle's description.

    The weights file holds it, too. Where ``model.json`` is of other weights, because the program
    died between the two files, the one in the weights file counts.

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
    info = parse_info(data, path)
    embedded = _read_embedded(folder / WEIGHTS)
    if embedded is None or embedded.get("weights_id") == info.weights_id:
        return info
    return parse_info(embedded, folder / WEIGHTS)


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


def _read_embedded(weights: Path) -> dict[str, Any] | None:
    """Read the description in a weights file's header; None where there is none to be read.

    A safetensors file begins with the length of its header (8 bytes, little-endian) and the
    header, a JSON object; free text is under ``__metadata__``.
    """
    try:
        with weights.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = stream.read(length) if length <= _LONGEST_HEADER else b""
        data = json.loads(json.loads(header)["__metadata__"][DESCRIPTION])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None  # loading the weights says what is wrong with them
    return data if isinstance(data, dict) else None

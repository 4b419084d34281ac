"""``model.json``: what a bundle says about itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from napari_retseg.classes import LabelSet
from napari_retseg.config import Frozen, NetworkConfig, PreprocessConfig
from napari_retseg.containment import resolve_within
from napari_retseg.errors import InputError, ModelError
from napari_retseg.models.parameter_counts import ParameterCounts
from napari_retseg.models.scoresheet import ScoreSheet
from napari_retseg.models.trained import LONGEST_NAME, TrainedOn, forget_names
from napari_retseg.models.weightsfile import read_header
from napari_retseg.records import check_record, parse_json, read_json

#: Version 1 named the patients' groups; it is read, and they are forgotten.
SCHEMA_VERSION = 2
WEIGHTS = "model.safetensors"
DESCRIPTION = "model.json"
CARD = "MODEL_CARD.md"
#: Only where the model was calibrated, see :mod:`napari_retseg.models.calibrated`.
INTERVALS = "intervals.json"
#: Only where it is known how well its numbers repeat.
REPEATABILITY = "repeatability.json"
#: Only where the model was exported for other runtimes, see :mod:`napari_retseg.models.onnxfile`.
ONNX = "model.onnx"
DEPLOYMENT = "deployment.json"
#: All that a bundle may hold.
FILES = (DESCRIPTION, WEIGHTS, CARD, INTERVALS, REPEATABILITY, ONNX, DEPLOYMENT)

#: Bytes of a description; the longest of ours has some 100 kB.
LARGEST_DESCRIPTION = 8 * 1024**2
#: And of what else it was calibrated for; the starter's intervals have 30 kB.
LARGEST_INTERVALS = 4 * 1024**2

_Identity = Annotated[str, Field(max_length=128)]
_ClassName = Annotated[str, Field(max_length=200)]
_Dice = Annotated[float, Field(ge=0, le=1)]
_Threshold = Annotated[float, Field(gt=0, lt=1)]
_Dices = Annotated[dict[_ClassName, _Dice], Field(max_length=255)]


class Measurement(Frozen):
    """Scores on scans that had no part in the training, kept with the model."""

    data: str = Field(max_length=1000, description="which scans, how many and of how many patients")
    dice: _Dices = Field(description="Dice of each foreground class, pooled over the scans")


class ModelInfo(Frozen):
    """The content of ``model.json``."""

    schema_version: int = SCHEMA_VERSION
    name: str = Field(min_length=1, max_length=LONGEST_NAME)
    network: NetworkConfig
    classes: LabelSet
    preprocess: PreprocessConfig
    parent: _Identity | None = Field(None, description="weights_id of the starting model")
    weights_id: _Identity = Field("", description="SHA-256 of the weights file's tensors")
    parameters: ParameterCounts | None = Field(
        None, description="number of parameters of each part of the network; None: not known"
    )
    trained_on: TrainedOn | None = None
    scores: ScoreSheet | None = Field(None, description="scores on the held-out scans")
    start_scores: ScoreSheet | None = Field(
        None, description="scores of the starting model on the same held-out scans"
    )
    promoted: bool | None = Field(
        None,
        description="whether it is at least as good as the starting model; None: nothing to "
        "compare with",
    )
    about: str = Field("", max_length=20_000, description="what it is for and where it fails")
    measured: Annotated[tuple[Measurement, ...], Field(max_length=100)] = Field(
        (), description="scores on further data"
    )
    thresholds: Annotated[dict[_ClassName, _Threshold], Field(max_length=255)] = Field(
        default_factory=dict, description="operating point: a threshold for each class named here"
    )

    @property
    def mean_dice(self) -> float | None:
        """Mean foreground Dice on the held-out scans; None where it was not measured."""
        return None if self.scores is None else self.scores["mean_foreground_dice"]

    @model_validator(mode="after")
    def _check_together(self) -> ModelInfo:
        problem = self.preprocess.find_misfit(self.network)
        unknown = [name for name in self.thresholds if name not in self.classes.names]
        if unknown:
            problem = f"thresholds for unknown classes: {', '.join(unknown)}"
        if problem:
            raise ValueError(problem)
        return self


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
    check_links(folder)
    try:
        data = read_json(path, limit=LARGEST_DESCRIPTION)
    except InputError as error:
        raise ModelError(str(error)) from error
    info = parse_info(data, path)
    embedded = read_embedded(folder / WEIGHTS)
    if embedded is None or embedded.get("weights_id") == info.weights_id:
        return info
    return parse_info(embedded, folder / WEIGHTS)


def check_links(folder: Path) -> None:
    """Make sure that a bundle's files are its own, not links to others.

    Raises
    ------
    ModelError
        Naming the first that leads out of the folder.
    """
    try:
        for file in FILES:
            resolve_within(folder, Path(file))
    except InputError as error:
        raise ModelError(str(error)) from error


def parse_info(data: Any, path: Path) -> ModelInfo:
    """Check the content of a ``model.json``; `path` is for the message.

    Raises
    ------
    ModelError
        Where a value is not what it must be, or the schema is newer than this program's.
    """
    version = data.get("schema_version") if isinstance(data, dict) else None
    if type(version) is not int or version < 1:
        raise ModelError(f"{path}: not a model description (no schema_version)")
    if version > SCHEMA_VERSION:
        raise ModelError(
            f"{path}: schema version {version} is newer than this program knows "
            f"({SCHEMA_VERSION}); update napari-retseg"
        )
    if version < SCHEMA_VERSION:
        trained = forget_names(data.get("trained_on"))
        data = {**data, "schema_version": SCHEMA_VERSION, "trained_on": trained}
    try:
        info = check_record(data, ModelInfo, path)
    except InputError as error:
        raise ModelError(str(error)) from error
    problem = info.network.find_problem()
    if problem:
        raise ModelError(f"{path}: network: {problem}")
    return info


def read_embedded(weights: Path) -> dict[str, Any] | None:
    """Read the description in a weights file's header; None where there is none to be read."""
    try:
        text = read_header(weights).metadata.get(DESCRIPTION)
        data = None if text is None else parse_json(text, weights)
    except (InputError, ModelError):
        return None  # loading the weights says what is wrong with them
    return data if isinstance(data, dict) else None

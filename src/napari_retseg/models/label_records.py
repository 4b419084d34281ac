"""What predicted labels were made from: kept beside them, so that nobody guesses it from times."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from napari_retseg import __version__
from napari_retseg.classes import LabelSet
from napari_retseg.config import Frozen, PredictConfig
from napari_retseg.errors import InputError, ModelError
from napari_retseg.events import Runs
from napari_retseg.io.atomic import write_json
from napari_retseg.io.devices import is_device_file
from napari_retseg.io.labels import read_label_planes
from napari_retseg.io.sources import hash_source
from napari_retseg.io.suffixes import list_bscans
from napari_retseg.models.calibrated import find_bundles
from napari_retseg.models.description import WEIGHTS, ModelInfo, read_info
from napari_retseg.models.onnxfile import find_onnx
from napari_retseg.records import read_record
from napari_retseg.scan import hash_path

#: The folder of the records, in that of the labels.
FOLDER = ".retseg"

_NAMED = "names of the classes: as predict recorded them beside the labels"
#: What of a model's description decides on the labels; the rest is about the model.
_DECIDING = {"network", "classes", "preprocess", "thresholds"}
#: What of the options does not: how many B-scans at once, and what else is written.
_INDIFFERENT = {"batch_size", "uncertainty"}

_Names = Annotated[
    dict[Annotated[int, Field(ge=1, le=253)], Annotated[str, Field(min_length=1, max_length=200)]],
    Field(max_length=253),
]
State = Literal["none", "ours", "changed", "unknown", "unreadable"]


class Origin(Frozen):
    """What labels are made from, by content.

    Attributes
    ----------
    scan
        SHA-256 of the scan's file, or of the pictures of a folder.
    weights
        SHA-256 of the model's weights file.
    model
        SHA-256 of what else of the model decides: network, classes, preprocessing, thresholds.
    options
        How it was predicted, device and precision included.
    program
        The version of napari-retseg.
    """

    scan: str
    weights: str
    model: str
    options: dict[str, Any]
    program: str


class Record(Frozen):
    """What is known of a label file.

    Attributes
    ----------
    made_from
        Scan, model and options.
    weights_id
        Of the model, as its description has it; empty in records of older versions.
    labels
        Of the class values, see :func:`hash_planes`.
    before
        Of the labels that lay there when this record was written. It is written before the labels
        take their place: whenever the program dies, the file is one of the two.
    uncertainty, overlay
        Whether these were written, too.
    doubtful
        By B-scan, the runs of A-scans in which the evidence for the layers is poor.
    classes
        Names by value; empty in records of older versions.
    """

    schema_version: Literal[1] = 1
    made_from: Origin
    weights_id: str = ""
    labels: str
    before: str | None = None
    uncertainty: bool = False
    overlay: bool = False
    doubtful: dict[Annotated[int, Field(ge=0)], Runs] = Field(default_factory=dict)
    classes: _Names = Field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """What lies where labels shall go.

    Attributes
    ----------
    state
        ``ours``: as predict wrote it; ``changed``: by somebody since; ``unknown``: nothing is
        known of it; ``unreadable``: not whole, or no labels.
    record
        What it was made from; None also for an older prediction than the record is about.
    digest
        Of its class values.
    """

    state: State
    record: Record | None = None
    digest: str | None = None
    reason: str = ""

    @property
    def said_by(self) -> frozenset[str]:
        """The model that predicted the labels, where nobody has changed them since."""
        if self.state != "ours" or self.record is None:
            return frozenset()
        return frozenset([self.record.made_from.weights])


class ModelOrigin:
    """The part of an origin that all scans of a batch share."""

    def __init__(self, folder: Path, info: ModelInfo, config: PredictConfig) -> None:
        about = info.model_dump(mode="json", include=_DECIDING)
        self._model = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
        uses_torch = config.runtime == "torch"
        self._weights = hash_path(_find_weights(folder) if uses_torch else find_onnx(folder))
        # torch is not named, so that labels of older versions stay up to date
        without = _INDIFFERENT | ({"runtime"} if uses_torch else set())
        self._options = config.model_dump(mode="json", exclude=without)

    def of_scan(self, path: Path) -> Origin:
        """Return the origin of a scan's labels; the whole scan is read for it."""
        return Origin(
            scan=hash_scan(path),
            weights=self._weights,
            model=self._model,
            options=self._options,
            program=__version__,
        )


def _find_weights(folder: Path) -> Path:
    if not (folder / WEIGHTS).is_file():
        raise ModelError(
            f"{folder / WEIGHTS}: weights file not found; export or copy the model again, or use a "
            "folder from 'models export --onnx' with --runtime onnx"
        )
    return folder / WEIGHTS


class Records:
    """The records of the folder `output` of labels, one small file for each label file."""

    def __init__(self, output: Path) -> None:
        self._output = output

    def look(self, target: Path, *, shape: tuple[int, ...] | None = None) -> Found:
        """Say what lies at a label file's place; `shape` is that of the scan."""
        if not target.exists() and not target.is_symlink():
            return Found("none")
        try:
            shape, planes = read_label_planes(target, shape=shape)
            digest = hash_planes(shape, {k: hash_plane(one) for k, one in enumerate(planes)})
        except InputError as error:
            return Found("unreadable", reason=str(error))
        return self._judge(target, digest)

    def look_at(self, target: Path, labels: NDArray[np.uint8]) -> Found:
        """Say what labels that were read from a file are."""
        return self._judge(target, hash_labels(labels))

    def _judge(self, target: Path, digest: str) -> Found:
        try:
            record = read_record(self.path_of(target), Record)
        except InputError:
            return Found("unknown", digest=digest)
        if digest == record.labels:
            return Found("ours", record, digest)
        if digest == record.before:  # the program died before the new labels were in place
            return Found("ours", None, digest)
        return Found("changed", record, digest)

    def write(self, target: Path, record: Record) -> None:
        """Keep a record; call it when the labels are known and before they are in place."""
        write_json(self.path_of(target), record.model_dump(mode="json"))

    def path_of(self, target: Path) -> Path:
        """Return where the record of a label file lies."""
        return self._output / FOLDER / target.relative_to(self._output).parent / _name(target)


def recall_classes(labels: Path) -> LabelSet | None:
    """Return the classes of a label file as predict recorded them, whoever changed it since."""
    try:
        found = name_recorded(read_record(Records(labels.parent).path_of(labels), Record))
    except InputError:
        return None
    return None if found is None else found[0]


def name_recorded(record: Record | None) -> tuple[LabelSet, str] | None:
    """Name the classes of predicted labels as their record has them.

    Returns
    -------
    classes, note
        None where the record names none, and its model is not among the user's.
    """
    if record is None:
        return None
    if record.classes:
        return LabelSet.from_names(record.classes), _NAMED
    for folder in find_bundles(record.made_from.weights):
        info = read_info(folder)
        return info.classes, f"{_NAMED} (model {info.name})"
    return None


def _name(target: Path) -> str:
    return f"{target.name}.json"


def hash_labels(labels: NDArray[np.uint8]) -> str:
    """Hash the class values of a B-scan or volume."""
    planes = labels.reshape(-1, *labels.shape[-2:])
    return hash_planes(labels.shape, {k: hash_plane(one) for k, one in enumerate(planes)})


def hash_plane(plane: NDArray[np.uint8]) -> str:
    """Hash the class values of one B-scan."""
    return hashlib.sha256(np.ascontiguousarray(plane).tobytes()).hexdigest()


def hash_planes(shape: Iterable[int], planes: Mapping[int, str]) -> str:
    """Join the hashes of all B-scans, which may have come in any order."""
    parts = [*(str(size) for size in shape), *(planes[index] for index in sorted(planes))]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


def hash_scan(path: Path) -> str:
    """Hash a file, or the names and contents of the pictures in a folder."""
    if not path.is_dir() or is_device_file(path):
        return hash_source(path)
    parts = [f"{file.name}\0{hash_path(file)}" for file in list_bscans(path)]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()

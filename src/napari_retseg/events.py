"""What an engine function tells while it works, and how it is told to stop.

Events are facts in the past tense. They travel between processes and into
``events.jsonl`` as plain dictionaries (:func:`encode`, :func:`decode`).
"""

from __future__ import annotations

import math
import threading
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Annotated, Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    StrictBool,
    StrictBytes,
    StrictStr,
    TypeAdapter,
    ValidationError,
)

from napari_retseg.errors import InputError
from napari_retseg.records import first_problem
from napari_retseg.resultrecord import ResultRecord
from napari_retseg.scorerecord import Count, ScoresRecord, Share

Real = Annotated[float, Field(strict=True, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Scale = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Extent = Annotated[int, Field(strict=True, ge=1, le=1 << 20)]
#: In a B-scan with a larger share of doubtful A-scans the layers are to be checked.
POOR = 0.2

#: Labels of one message; a B-scan has less than a thousandth of it.
_LARGEST = 1 << 30


def _check_runs(runs: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    last = -1
    for start, stop in runs:
        if not last < start < stop:
            raise ValueError("runs of A-scans overlap, or are out of order")
        last = stop
    return runs


#: Runs of A-scans in order, each from its first to the one behind its last.
Runs = Annotated[
    tuple[tuple[Count, Count], ...], Field(max_length=1 << 16), AfterValidator(_check_runs)
]


def measure_share(runs: Runs, n_ascans: int) -> float:
    """Return the share of a B-scan's A-scans that lie in runs, 0 to 1."""
    inside = sum(max(0, min(stop, n_ascans) - start) for start, stop in runs)
    return inside / n_ascans if n_ascans else 0.0


class Cancel(Protocol):
    """Asked once a batch; an engine function that sees True ends cleanly."""

    def is_cancelled(self) -> bool:
        """Whether the work shall stop."""
        ...


class CancelToken:
    """A cancel that any thread of this process may set."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the work to stop."""
        self._event.set()

    def is_cancelled(self) -> bool:
        """Whether the work shall stop."""
        return self._event.is_set()


def _check_scores(values: dict[str, Any] | None) -> dict[str, Any] | None:
    if values is not None:
        ScoresRecord.model_validate(values)
    return values


def _check_result(values: dict[str, Any]) -> dict[str, Any]:
    ResultRecord.model_validate(values)
    return values


@dataclass(frozen=True, slots=True)
class Message:
    """Something that the user should read."""

    text: StrictStr
    level: Literal["info", "warning"] = "info"


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` units of work are finished."""

    done: Count
    total: Count
    unit: StrictStr = "B-scan"


@dataclass(frozen=True, slots=True)
class BscanUncertainty:
    """How unsure a model is of one B-scan.

    Attributes
    ----------
    score
        0 (sure) to 1, see :func:`napari_retseg.infer.uncertainty.measure_uncertainty`.
    entropy
        Of each pixel, ``(depth, width)``, uint8: 255 where all classes are equally likely.
    descriptor
        What the B-scan looks like to the model, in a fixed number of values.
    """

    score: float
    entropy: NDArray[np.uint8] = field(compare=False)
    descriptor: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class BscanPredicted:
    """The labels of one B-scan: class values, ``(depth, width)``, uint8.

    `uncertainty` is there where it was asked for. `doubtful` lists the A-scans in which the
    evidence for the layers is poor, as runs from the first A-scan to the one behind the last.
    """

    index: int
    labels: NDArray[np.uint8] = field(compare=False)
    uncertainty: BscanUncertainty | None = None
    doubtful: Runs = ()

    @property
    def doubtful_share(self) -> float:
        """Share of the A-scans that are doubtful, 0 to 1."""
        return measure_share(self.doubtful, self.labels.shape[-1])


@dataclass(frozen=True, slots=True)
class EvidenceFound:
    """Class probabilities of one B-scan on the network's grid, for editing.

    `probabilities` is ``(class, rows, columns)``, float16. `rows` and `columns` say where it lies:
    pixel i at ``scale * i + offset`` of the scan.
    """

    index: int
    probabilities: NDArray[np.float16] = field(compare=False)
    rows: tuple[float, float]
    columns: tuple[float, float]


@dataclass(frozen=True, slots=True)
class SamplesDrawn:
    """Samples as a training would see them: grey and class values, ``(n, depth, width)``, uint8."""

    images: NDArray[np.uint8] = field(compare=False)
    labels: NDArray[np.uint8] = field(compare=False)


@dataclass(frozen=True, slots=True)
class TrainingPlanned:
    """What a training is about to do, stated before its first step.

    `iterations` is 0 where `minutes` limit the training; `split` says in words how the held-out
    scans were chosen.
    """

    device: StrictStr
    precision: StrictStr
    parameters_trainable: Count
    parameters_frozen: Count
    training_groups: tuple[StrictStr, ...]
    training_bscans: Count
    heldout_groups: tuple[StrictStr, ...]
    heldout_bscans: Count
    iterations: Count
    start_iteration: Count = 0
    minutes: NotNegative = 0.0
    strategy: StrictStr = "all"
    split: StrictStr = "by patient"


@dataclass(frozen=True, slots=True)
class StepDone:
    """One optimizer step; `loss` is of its batch, before the step.

    `position` is the share of the training that is done, 0 to 1.
    """

    iteration: Count
    loss: Real
    learning_rate: NotNegative
    seconds: NotNegative
    position: Share = 0.0


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores on the held-out scans after `iteration` steps.

    `scores` is :meth:`napari_retseg.scores.Scores.to_json` without the per-B-scan list;
    `rehearsed` is the same on the held-out scans of the older dataset, where one is mixed in.
    """

    iteration: Count
    scores: Annotated[dict[str, Any], AfterValidator(_check_scores)]
    is_best: StrictBool
    rehearsed: Annotated[dict[str, Any] | None, AfterValidator(_check_scores)] = None


@dataclass(frozen=True, slots=True)
class CheckpointSaved:
    """The full state is on disk."""

    iteration: Count
    path: StrictStr


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of a job that did all it had to do, or was stopped on request."""

    cancelled: StrictBool = False
    result: Annotated[dict[str, Any], AfterValidator(_check_result)] = field(default_factory=dict)


Event = (
    Message
    | Progress
    | BscanPredicted
    | EvidenceFound
    | SamplesDrawn
    | TrainingPlanned
    | StepDone
    | Scored
    | CheckpointSaved
    | Finished
)

_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(Event)}


def encode(event: Event) -> dict[str, Any]:
    """Turn an event into a dictionary of plain values (labels as zlib-compressed bytes)."""
    data: dict[str, Any] = {"event": type(event).__name__}
    if isinstance(event, BscanPredicted):
        shape = list(event.labels.shape)
        data |= {"index": event.index, "shape": shape, "labels": _pack(event.labels)}
        if event.doubtful:
            data["doubtful"] = [list(run) for run in event.doubtful]
        if event.uncertainty is not None:
            data["score"] = event.uncertainty.score
            data["entropy"] = _pack(event.uncertainty.entropy)
            data["descriptor"] = list(event.uncertainty.descriptor)
        return data
    if isinstance(event, EvidenceFound):
        shape = list(event.probabilities.shape)
        data |= {"index": event.index, "shape": shape, "packed": _pack(event.probabilities)}
        return {**data, "rows": list(event.rows), "columns": list(event.columns)}
    if isinstance(event, SamplesDrawn):
        shape = list(event.images.shape)
        packed = {"images": _pack(event.images), "labels": _pack(event.labels)}
        return {**data, "shape": shape, **packed}
    return {**data, **asdict(event)}


def decode(data: Mapping[str, Any]) -> Event:
    """Turn a dictionary made by :func:`encode` back into its event.

    Values that a later version has added are left out.

    Raises
    ------
    InputError
        Where it is no event of this version, or a value has another type or range than it must.
    """
    values = dict(data)
    name = values.pop("event", None)
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise InputError(f"{str(name)[:40]!r} is not an event of this version")
    try:
        if kind is BscanPredicted:
            return _decode_bscan(values)
        if kind is EvidenceFound:
            return _decode_evidence(values)
        if kind is SamplesDrawn:
            return _decode_samples(values)
        event: Event = _adapter(name).validate_python(values)
    except ValidationError as error:
        raise InputError(f"{name}: {first_problem(error)}") from error
    return event


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(_KINDS[name])


def is_known(data: Mapping[str, Any]) -> bool:
    """Whether a dictionary is of an event that this version knows."""
    name = data.get("event")
    return isinstance(name, str) and name in _KINDS


class _BscanRecord(BaseModel):
    index: Count
    shape: tuple[Extent, Extent]
    labels: StrictBytes
    score: Share = 0.0
    entropy: StrictBytes | None = None
    descriptor: tuple[Real, ...] = ()
    doubtful: Runs = ()


class _EvidenceRecord(BaseModel):
    index: Count
    shape: tuple[Extent, Extent, Extent]
    packed: StrictBytes
    rows: tuple[Scale, Real]
    columns: tuple[Scale, Real]


class _SamplesRecord(BaseModel):
    shape: tuple[Extent, ...]
    images: StrictBytes
    labels: StrictBytes


def _decode_bscan(values: dict[str, Any]) -> BscanPredicted:
    record = _BscanRecord.model_validate(values)
    uncertainty = None
    if record.entropy is not None:
        entropy = _unpack(record.entropy, record.shape)
        uncertainty = BscanUncertainty(record.score, entropy, record.descriptor)
    labels = _unpack(record.labels, record.shape)
    return BscanPredicted(record.index, labels, uncertainty, record.doubtful)


def _decode_evidence(values: dict[str, Any]) -> EvidenceFound:
    record = _EvidenceRecord.model_validate(values)
    *outer, last = record.shape
    found = _unpack(record.packed, (*outer, 2 * last)).view(np.float16)
    if not np.isfinite(found).all():
        raise InputError("probabilities of a message are not finite")
    return EvidenceFound(record.index, found, record.rows, record.columns)


def _decode_samples(values: dict[str, Any]) -> SamplesDrawn:
    record = _SamplesRecord.model_validate(values)
    images, labels = (_unpack(one, record.shape) for one in (record.images, record.labels))
    return SamplesDrawn(images, labels)


def _pack(plane: NDArray[Any]) -> bytes:
    return zlib.compress(np.ascontiguousarray(plane).tobytes(), 1)


def _unpack(packed: bytes, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    size = math.prod(shape)
    if size > _LARGEST:
        raise InputError(f"labels of shape {shape} are too large for a message")
    try:
        plain = zlib.decompressobj().decompress(packed, size + 1)
    except zlib.error as error:
        raise InputError(f"labels of a message cannot be unpacked ({error})") from error
    if len(plain) != size:
        raise InputError(
            f"a message holds {len(plain)} labels where its shape {shape} needs {size}"
        )
    return np.frombuffer(plain, dtype=np.uint8).reshape(shape)

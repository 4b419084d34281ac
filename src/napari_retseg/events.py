"""What an engine function tells while it works, and how it is told to stop.

Events are facts in the past tense. They travel between processes and into
``events.jsonl`` as plain dictionaries (:func:`encode`, :func:`decode`).
"""

from __future__ import annotations

import threading
import zlib
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray


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


@dataclass(frozen=True, slots=True)
class Message:
    """Something that the user should read."""

    text: str
    level: Literal["info", "warning"] = "info"


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` units of work are finished."""

    done: int
    total: int
    unit: str = "B-scan"


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

    `uncertainty` is there where it was asked for.
    """

    index: int
    labels: NDArray[np.uint8] = field(compare=False)
    uncertainty: BscanUncertainty | None = None


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

    device: str
    precision: str
    parameters_trainable: int
    parameters_frozen: int
    training_groups: tuple[str, ...]
    training_bscans: int
    heldout_groups: tuple[str, ...]
    heldout_bscans: int
    iterations: int
    start_iteration: int = 0
    minutes: float = 0.0
    strategy: str = "all"
    split: str = "by patient"


@dataclass(frozen=True, slots=True)
class StepDone:
    """One optimiser step; `loss` is of its batch, before the step.

    `position` is the share of the training that is done, 0 to 1.
    """

    iteration: int
    loss: float
    learning_rate: float
    seconds: float
    position: float = 0.0


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores on the held-out scans after `iteration` steps.

    `scores` is :meth:`napari_retseg.scores.Scores.to_json` without the per-B-scan list;
    `rehearsed` is the same on the held-out scans of the older data set, where one is mixed in.
    """

    iteration: int
    scores: dict[str, Any]
    is_best: bool
    rehearsed: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class CheckpointSaved:
    """The full state is on disk."""

    iteration: int
    path: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of a job that did all it had to do, or was stopped on request."""

    cancelled: bool = False
    result: dict[str, Any] = field(default_factory=dict)


Event = (
    Message
    | Progress
    | BscanPredicted
    | SamplesDrawn
    | TrainingPlanned
    | StepDone
    | Scored
    | CheckpointSaved
    | Finished
)

_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        Message,
        Progress,
        BscanPredicted,
        SamplesDrawn,
        TrainingPlanned,
        StepDone,
        Scored,
        CheckpointSaved,
        Finished,
    )
}


def encode(event: Event) -> dict[str, Any]:
    """Turn an event into a dictionary of plain values (labels as zlib-compressed bytes)."""
    data: dict[str, Any] = {"event": type(event).__name__}
    if isinstance(event, BscanPredicted):
        shape = list(event.labels.shape)
        data |= {"index": event.index, "shape": shape, "labels": _pack(event.labels)}
        if event.uncertainty is not None:
            data["score"] = event.uncertainty.score
            data["entropy"] = _pack(event.uncertainty.entropy)
            data["descriptor"] = list(event.uncertainty.descriptor)
        return data
    if isinstance(event, SamplesDrawn):
        shape = list(event.images.shape)
        packed = {"images": _pack(event.images), "labels": _pack(event.labels)}
        return {**data, "shape": shape, **packed}
    return {**data, **asdict(event)}


def decode(data: dict[str, Any]) -> Event:
    """Turn a dictionary made by :func:`encode` back into its event."""
    values = dict(data)
    kind = _KINDS[values.pop("event")]
    if kind is BscanPredicted:
        return _decode_bscan(values)
    if kind is SamplesDrawn:
        drawn = tuple(values["shape"])
        return SamplesDrawn(_unpack(values["images"], drawn), _unpack(values["labels"], drawn))
    if kind is TrainingPlanned:
        for name in ("training_groups", "heldout_groups"):
            values[name] = tuple(values[name])
    event: Event = kind(**values)
    return event


def _decode_bscan(values: dict[str, Any]) -> BscanPredicted:
    shape = tuple(values["shape"])
    uncertainty = None
    if "entropy" in values:
        uncertainty = BscanUncertainty(
            values["score"], _unpack(values["entropy"], shape), tuple(values["descriptor"])
        )
    return BscanPredicted(values["index"], _unpack(values["labels"], shape), uncertainty)


def _pack(plane: NDArray[np.uint8]) -> bytes:
    return zlib.compress(np.ascontiguousarray(plane).tobytes(), 1)


def _unpack(packed: bytes, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    return np.frombuffer(zlib.decompress(packed), dtype=np.uint8).reshape(shape)

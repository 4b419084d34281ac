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
class BscanPredicted:
    """The labels of one B-scan: class values, ``(depth, width)``, uint8."""

    index: int
    labels: NDArray[np.uint8] = field(compare=False)


@dataclass(frozen=True, slots=True)
class TrainingPlanned:
    """What a training is about to do, stated before its first step."""

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


@dataclass(frozen=True, slots=True)
class StepDone:
    """One optimiser step; `loss` is of its batch, before the step."""

    iteration: int
    loss: float
    learning_rate: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores on the held-out scans after `iteration` steps.

    `scores` is :meth:`napari_retseg.scores.Scores.to_json` without the per-B-scan list.
    """

    iteration: int
    scores: dict[str, Any]
    is_best: bool


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
        packed = zlib.compress(np.ascontiguousarray(event.labels).tobytes(), 1)
        return {**data, "index": event.index, "shape": list(event.labels.shape), "labels": packed}
    return {**data, **asdict(event)}


def decode(data: dict[str, Any]) -> Event:
    """Turn a dictionary made by :func:`encode` back into its event."""
    values = dict(data)
    kind = _KINDS[values.pop("event")]
    if kind is BscanPredicted:
        flat = np.frombuffer(zlib.decompress(values["labels"]), dtype=np.uint8)
        return BscanPredicted(values["index"], flat.reshape(values["shape"]))
    if kind is TrainingPlanned:
        for name in ("training_groups", "heldout_groups"):
            values[name] = tuple(values[name])
    event: Event = kind(**values)
    return event

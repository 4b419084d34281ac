"""Events of strangers: every value has its type and range, whatever a file says."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_retseg.errors import InputError
from napari_retseg.events import (
    BscanPredicted,
    BscanUncertainty,
    CheckpointSaved,
    Event,
    EvidenceFound,
    Finished,
    Message,
    Progress,
    SamplesDrawn,
    Scored,
    StepDone,
    TrainingPlanned,
    decode,
    encode,
)
from tests.conftest import check_line
from tests.rounds.conftest import make_scores

SCORES = make_scores({"upper": 0.9, "lower": 0.8, "fluid": None})
PLANE = np.arange(12, dtype=np.uint8).reshape(3, 4)
RESULT = {"best": SCORES, "start": None, "promoted": True, "model": "run/model", "iterations": 4}
EVENTS: list[Event] = [
    Message("done", "warning"),
    Progress(1, 4),
    BscanPredicted(2, PLANE),
    BscanPredicted(2, PLANE, BscanUncertainty(0.5, PLANE, (0.1, 0.2))),
    BscanPredicted(2, PLANE, None, ((0, 2), (3, 4))),
    EvidenceFound(1, np.full((2, 3, 4), 0.5, np.float16), (1.5, 0.25), (2.0, -3.0)),
    SamplesDrawn(PLANE[np.newaxis], PLANE[np.newaxis]),
    TrainingPlanned("cpu", "fp32", 9, 1, ("P1",), 8, ("P3",), 4, 10, 0, 0.0),
    StepDone(3, 0.5, 0.1, 2.0, 0.3),
    Scored(3, SCORES, is_best=True, rehearsed=SCORES),
    CheckpointSaved(3, "run/checkpoints/last.pt"),
    Finished(cancelled=False, result=RESULT),
]
IDS = [type(event).__name__ for event in EVENTS]
#: Values that no field takes.
WRONG: list[Any] = [
    {},
    [],
    [1],
    {"a": 1},
    "x",
    -1,
    1.5,
    float("nan"),
    float("inf"),
    None,
    True,
    b"x",
]
VALUES = st.sampled_from(WRONG) | st.integers() | st.floats() | st.text(max_size=5)


@pytest.mark.parametrize("event", EVENTS, ids=IDS)
def test_events_come_back_as_they_were(event: Event) -> None:
    assert decode(encode(event)) == event


def _names(values: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in nested values."""
    found = [path] if path else []
    if isinstance(values, dict):
        for name, inner in values.items():
            found += _names(inner, (*path, name))
    return found


@pytest.mark.parametrize("event", EVENTS, ids=IDS)
@given(data=st.data())
@settings(deadline=None, max_examples=150)
def test_a_wrong_value_anywhere_is_one_line_or_a_right_event(
    event: Event, data: st.DataObject
) -> None:
    values = encode(event)
    *path, last = data.draw(st.sampled_from(_names(values)))
    inner = values = json.loads(json.dumps(values)) if _is_json(event) else values
    for name in path:
        inner = inner[name]
    if data.draw(st.booleans()):
        inner[last] = data.draw(VALUES)
    else:
        del inner[last]
    try:
        found = decode(values)
    except InputError as error:
        check_line(error)
    else:
        encode(found)
        json.dumps(encode(found), allow_nan=False) if _is_json(event) else None


def _is_json(event: Event) -> bool:
    return not isinstance(event, BscanPredicted | EvidenceFound | SamplesDrawn)


def test_values_of_later_versions_are_left_out() -> None:
    later = {**encode(EVENTS[6]), "gradient": 0.5}
    assert decode(later) == EVENTS[6]


@pytest.mark.parametrize(
    ("shape", "labels"), [([1 << 19, 1 << 19], b"x"), ([3, 5], b"x"), ([2, 2], b""), ([0, 4], b"")]
)
def test_labels_are_as_large_as_their_shape(shape: list[int], labels: bytes) -> None:
    values = {**encode(BscanPredicted(0, PLANE)), "shape": shape}
    with pytest.raises(InputError):
        decode(values)
    with pytest.raises(InputError):
        decode({**values, "labels": labels})

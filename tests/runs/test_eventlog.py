"""The log of a training: each line for itself, whatever the others are."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from napari_retseg.errors import InputError, NotThereError
from napari_retseg.events import Message, StepDone, encode
from napari_retseg.runs.eventlog import LONGEST_LINE, list_events, read_log

STEP = json.dumps(encode(StepDone(1, 0.5, 0.1, 2.0, 0.3)))
BAD = {
    "no object": "[]",
    "no name": "{}",
    "a name that is none": '{"event": []}',
    "cut": STEP[:30],
    "deep": "[" * 50_000,
    "a NUL": '{"event": "Message", "text": "\\u0000"}',
    "not finite": STEP.replace("0.5", "1e999"),
    "a text for a number": STEP.replace("0.5", '"0.5"'),
    "too long": '{"event": "Message", "text": "' + "x" * (2 * LONGEST_LINE + 7) + '"}',
    "scores of other types": '{"event": "Scored", "iteration": 1, "scores": [], "is_best": true}',
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_bad_line_is_named_and_the_others_are_read(tmp_path: Path, bad: str) -> None:
    (tmp_path / "events.jsonl").write_text(f"{STEP}\n{bad}\n{STEP}\n")
    first, warning, last = list_events(read_log(tmp_path))
    assert first == last == StepDone(1, 0.5, 0.1, 2.0, 0.3)
    assert isinstance(warning, Message)
    assert warning.text.startswith(f"{tmp_path / 'events.jsonl'}, line 2: ")
    assert len(warning.text) < 500


def test_many_bad_lines_are_counted(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text("{}\n" * 1000)
    messages = list_events(read_log(tmp_path))
    assert len(messages) == 6
    assert isinstance(messages[-1], Message)
    assert messages[-1].text.startswith("995 more lines")


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_file_is_one_line(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "events.jsonl"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    with pytest.raises(InputError, match=r"events\.jsonl: (not a regular|this is a folder)"):
        read_log(tmp_path)


def test_no_log_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(NotThereError):
        read_log(tmp_path)


FAULTS = Path(__file__).resolve().parents[3] / "shared" / "faults" / "mutated"


def test_logs_that_were_mutated_are_read_as_far_as_they_can() -> None:
    found = sorted(FAULTS.glob("events-*"))
    if not found:
        pytest.skip("the mutated files are not on this machine")
    for folder in found:
        events = list_events(read_log(folder))
        assert any(isinstance(event, StepDone) for event in events)
        assert any(isinstance(e, Message) and e.level == "warning" for e in events)

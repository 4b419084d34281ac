"""The events of a training on disk: one JSON object a line, read one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_retseg.errors import InputError, NotThereError, explaining
from napari_retseg.events import Event, Message, decode, is_known
from napari_retseg.records import parse_json
from napari_retseg.regular import open_regular
from napari_retseg.runs.paths import RunPaths

#: Bytes of a log (three million steps), and of one line (scores of 254 classes, four times).
LARGEST_LOG = 1 << 29
LONGEST_LINE = 1 << 20
#: So many lines that cannot be read are named.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a log.

    Attributes
    ----------
    values
        As written; None where the line cannot be read.
    event
        None where it cannot be read, or is of a later version.
    problem
        Why it cannot be read; empty where it can.
    """

    values: dict[str, Any] | None = None
    event: Event | None = None
    problem: str = ""


def read_log(run: Path) -> list[LogLine]:
    """Read the log of a run's folder; a last line that was cut by a crash is left out.

    Raises
    ------
    NotThereError
        Where there is none.
    InputError
        Where it is not a regular file, is too large, or may not be read.
    """
    path = RunPaths(run).events
    with open_regular(path, limit=LARGEST_LOG) as stream, explaining(path, "cannot be read"):
        return list(parse_log(iter(lambda: stream.readline(LONGEST_LINE + 1), b""), path))


def read_events(run: Path) -> list[Event]:
    """Read the events of a run.

    A last line that a crash cut is left out. In the place of any other line that cannot be read
    is a warning that says why; events of later versions are passed over.

    Raises
    ------
    NotThereError
        Where there is no run.
    InputError
        Where the file cannot be read.
    """
    try:
        return list_events(read_log(run))
    except NotThereError as error:
        raise NotThereError(f"{run}: found no run in this folder; choose another one") from error


def parse_log(lines: Iterable[bytes], source: Path | str) -> Iterator[LogLine]:
    """Parse the lines of a log, each with its end; `source` is for the messages."""
    is_continued = False
    for number, line in enumerate(lines, start=1):
        is_cut = not line.endswith(b"\n")
        if is_cut and len(line) > LONGEST_LINE:
            if not is_continued:
                yield LogLine(problem=f"{source}, line {number}: too long for an event")
            is_continued = True
        elif is_continued:
            is_continued = False
        else:
            found = _parse_line(line, f"{source}, line {number}")
            if not (is_cut and found.problem):
                yield found


def list_events(lines: Iterable[LogLine]) -> list[Event]:
    """Return the events of a log; in place of lines that cannot be read, warnings say why."""
    events: list[Event] = []
    bad = 0
    for line in lines:
        if line.event is not None:
            events.append(line.event)
        elif line.problem:
            bad += 1
            if bad <= _NAMED:
                events.append(Message(f"{line.problem}; line ignored", "warning"))
    if bad > _NAMED:
        text = f"{bad - _NAMED} more lines of the events cannot be read and were ignored"
        events.append(Message(text, "warning"))
    return events


def _parse_line(line: bytes, source: str) -> LogLine:
    try:
        values = parse_json(line, source)
        if not isinstance(values, dict):
            return LogLine(problem=f"{source}: not an event (a JSON object is needed)")
        if not isinstance(values.get("event"), str):
            return LogLine(problem=f"{source}: not an event (no name)")
        if not is_known(values):
            return LogLine(values=values)
        return LogLine(values=values, event=decode(values))
    except InputError as error:
        text = str(error)
        return LogLine(problem=text if text.startswith(source) else f"{source}: {text}")

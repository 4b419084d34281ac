"""A run over a scoreboard's sets: each set's scores are kept, and made once."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from napari_retseg import __version__
from napari_retseg.benchmark.board import AnySet, Board, DeviceSet, LabelledSet, make_stem
from napari_retseg.benchmark.cases import identify_cases
from napari_retseg.benchmark.scoring import Row, list_exports, score_device, score_labelled
from napari_retseg.errors import InputError, RetsegError
from napari_retseg.events import Cancel, Event, Finished, Message, Progress
from napari_retseg.infer.predictor import Predictor
from napari_retseg.io.atomic import write_json
from napari_retseg.io.sources import hash_source
from napari_retseg.models import ModelInfo
from napari_retseg.records import read_json

#: Folder of the sets' scores, below that of the scoreboard.
PARTS = "sets"


@dataclass(frozen=True)
class Part:
    """One set, and its scores where they are there already.

    Attributes
    ----------
    key
        What they were made of: model, data and program.
    path
        Of the file that keeps them.
    """

    one: AnySet
    key: dict[str, Any]
    path: Path
    row: Row | None

    def keep(self, row: Row) -> None:
        """Write scores that were made."""
        write_json(self.path, {"key": self.key, "scores": row})


def run_board(
    board: Board, root: Path, predictor: Predictor, output: Path, cancel: Cancel
) -> Iterator[Event]:
    """Score a model on all sets.

    Parameters
    ----------
    root
        The folder of all data; a set whose data are not there is left out, with a message.
    output
        Gets ``sets/MODEL/SET.json`` and ``MODEL.json``, where a model is its name, and its weights
        in short. Scores of the same model, data and program that are there already are taken.

    Yields
    ------
    Event
        The last is :class:`Finished` with all scores.
    """
    rows: dict[str, Row] = {}
    for part in list_parts(board, root, predictor.info, output):
        if isinstance(part, Message):
            yield part
            continue
        row = part.row
        if row is None:
            yield Message(f"{part.one.name} …")
            row = yield from score_set(part.one, root, predictor, cancel)
            if row is None:
                yield Finished(cancelled=True)
                return
            part.keep(row)
        rows[part.one.name] = row
    yield finish_board(rows, root, predictor.info, output, megabytes=measure_memory())


def list_parts(board: Board, root: Path, info: ModelInfo, output: Path) -> Iterator[Part | Message]:
    """List the sets of :func:`run_board`; a message where the data of one are not there."""
    for one in board.sets:
        try:
            key = {**_describe(info), "set": _identify(one, root)}
        except RetsegError as error:
            yield Message(f"{one.name} is left out: {error}", "warning")
            continue
        path = output / PARTS / _stem(info) / f"{make_stem(one.name)}.json"
        yield Part(one, key, path, _read_part(path, key))


def finish_board(
    rows: dict[str, Row], root: Path, info: ModelInfo, output: Path, *, megabytes: int
) -> Finished:
    """Write the scores of all sets.

    Raises
    ------
    InputError
        Where there are none.
    """
    if not rows:
        raise InputError(f"{root}: holds none of the data of the scoreboard")
    result = {**_describe(info), "megabytes": megabytes, "sets": rows}
    write_json(output / f"{_stem(info)}.json", result)
    return Finished(result=result)


def _describe(info: ModelInfo) -> dict[str, str]:
    return {"model": info.name, "weights": info.weights_id, "program": __version__}


def _stem(info: ModelInfo) -> str:
    return f"{make_stem(info.name)}-{info.weights_id[:8]}"


def _identify(one: AnySet, root: Path) -> str:
    """Hash what a set is made of."""
    if isinstance(one, LabelledSet):
        return identify_cases(one, root)
    made = hashlib.sha256(one.model_dump_json().encode())
    if isinstance(one, DeviceSet):
        for folder in list_exports(one, root):
            made.update(f"{folder.name} {hash_source(folder)}".encode())
    else:
        made.update(one.make_config().model_dump_json().encode())
    return made.hexdigest()


def _read_part(path: Path, key: dict[str, Any]) -> Row | None:
    """Scores that are there already, of the same model, data and program."""
    try:
        found = read_json(path)
    except RetsegError:
        return None
    if isinstance(found, dict) and found.get("key") == key and isinstance(found["scores"], dict):
        return found["scores"]
    return None


def score_set(
    one: AnySet, root: Path, predictor: Predictor, cancel: Cancel
) -> Generator[Progress, None, Row | None]:
    """Score a set; None where it was cancelled."""
    scoring = (
        score_device(one, root, predictor, cancel)
        if isinstance(one, DeviceSet)
        else score_labelled(one, root, predictor, cancel)
    )
    row: Row | None = None
    for step in scoring:
        if isinstance(step, Progress):
            yield step
        else:
            row = step
    predictor.forget()
    return row


def measure_memory() -> int:
    """Measure what memory this process has now, in megabytes."""
    return round(psutil.Process().memory_info().rss / 1e6)

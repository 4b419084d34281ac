"""Finished runs in one file, to publish or to bring together: no scans, weights, paths or names.

Since a run goes by the hash of all that its result depends on, a study on another machine, or
years later, takes over what was done and does only what is missing.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from napari_retseg.errors import InputError, NotThereError
from napari_retseg.events import StepDone, encode
from napari_retseg.io.atomic import write_bytes, write_text
from napari_retseg.records import parse_json
from napari_retseg.runs.eventlog import LogLine, parse_log, read_log
from napari_retseg.study.aliases import Aliases
from napari_retseg.study.run_plan import STUDY_SCHEMA, RunSpec, StudyPlan
from napari_retseg.study.schema import check_result, slim_scores, slim_start
from napari_retseg.study.study_run import StudyFolder, StudyRun
from napari_retseg.study.versions import list_versions
from napari_retseg.ziparchive import open_zip, read_member

_Rename = Callable[[Mapping[str, Any]], dict[str, Any]]
_HEAD = "pack.json"
_RESULT, _EVENTS = "result.json", "events.jsonl"
#: Curves need these; others name files of the machine.
_KEPT_EVENTS = ("TrainingPlanned", "StepDone", "Scored")
#: Points of a curve in a pack; a figure shows no more.
_MOST_STEPS = 400
#: Nothing in a pack is larger, so that a damaged one cannot fill the memory.
_LARGEST = 64_000_000
_LARGEST_PACK = 512_000_000
_MOST_ENTRIES = 100_000
_EPOCH = (1980, 1, 1, 0, 0, 0)


def pack_runs(plan: StudyPlan, folder: StudyFolder, target: Path) -> int:
    """Write the finished runs of a study into a zip file; the same runs give the same bytes.

    Returns
    -------
    int
        Number of runs; nothing is written where there is none.

    Raises
    ------
    InputError
        Where a file cannot be read or written.
    """
    done = {run.key: run for run in _list_runs(plan) if folder.run(run.key).state == "done"}
    if not done:
        return 0
    stream, aliases = io.BytesIO(), Aliases()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        head = {"schema": STUDY_SCHEMA, "recipe": plan.recipe.name}
        _add(archive, _HEAD, json.dumps(head))
        for key, spec in sorted(done.items()):
            place = folder.run(key)
            result = {"versions": list_versions(), **place.read_result()}
            result.pop("taken_from", None)
            result["scores"] = aliases.hide(spec, slim_scores(result["scores"]))
            result["start_scores"] = slim_start(result["start_scores"])
            _add(archive, f"{key}/{_RESULT}", json.dumps(result))
            events = _list_events(place, partial(aliases.hide, spec))
            _add(archive, f"{key}/{_EVENTS}", "".join(events))
    write_bytes(target, stream.getvalue())
    return len(done)


def find_known(plan: StudyPlan, packs: Sequence[Path]) -> set[str]:
    """Keys of the runs of a study that packs hold.

    Raises
    ------
    InputError
        Where a file is no such pack.
    """
    ours = {spec.key for spec in _list_runs(plan)}
    found: set[str] = set()
    for path in packs:
        with _opened(path) as archive:
            found |= ours & _list_keys(archive)
    return found


def take_runs(plan: StudyPlan, folder: StudyFolder, packs: Sequence[Path]) -> int:
    """Take over the runs of packs that belong to a study and are not done yet.

    Returns
    -------
    int
        How many runs were taken.

    Raises
    ------
    InputError
        Where a file is no such pack.
    """
    return sum(_take_pack(plan, folder, path) for path in packs)


def _list_runs(plan: StudyPlan) -> list[RunSpec]:
    """All but pre-trainings: others start from their models, which no pack holds."""
    return [spec for spec in plan.unique if spec.kind == "run"]


def _add(archive: zipfile.ZipFile, name: str, text: str) -> None:
    archive.writestr(zipfile.ZipInfo(name, _EPOCH), text, zipfile.ZIP_DEFLATED)


def _list_events(place: StudyRun, rename: _Rename) -> Iterator[str]:
    try:
        log = read_log(place.training.path)
    except NotThereError:
        return
    yield from _keep_events(log, rename)


def _keep_events(log: Iterable[LogLine], rename: _Rename) -> Iterator[str]:
    kept = [line for line in log if type(line.event).__name__ in _KEPT_EVENTS]
    steps = [line.event for line in kept if isinstance(line.event, StepDone)]
    joined = {step.iteration: step for step in join_steps(steps, _MOST_STEPS)}
    for line in kept:
        event = line.event
        if isinstance(event, StepDone):
            event = joined.pop(event.iteration, None)
        if event is not None:
            yield json.dumps(rename(encode(event))) + "\n"


def join_steps(steps: Sequence[StepDone], most: int) -> list[StepDone]:
    """Join neighbouring steps: the mean loss and all seconds, as of the last of them."""
    width = -(-len(steps) // most)
    groups = [steps[first : first + width] for first in range(0, len(steps), max(width, 1))]
    return [
        replace(
            group[-1],
            loss=float(f"{fmean(step.loss for step in group):.5g}"),
            learning_rate=float(f"{group[-1].learning_rate:.5g}"),
            seconds=round(sum(step.seconds for step in group), 3),
            position=round(group[-1].position, 5),
        )
        for group in groups
    ]


def _take_pack(plan: StudyPlan, folder: StudyFolder, path: Path) -> int:
    taken, aliases = 0, Aliases()
    with _opened(path) as archive:
        there = _list_keys(archive)
        for spec in _list_runs(plan):
            if spec.key in there and folder.run(spec.key).state != "done":
                _take_run(archive, folder.run(spec.key), path, partial(aliases.show, spec))
                taken += 1
    return taken


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a pack; whatever is wrong with it is told in one way."""
    try:
        with open_zip(path, limit=_LARGEST_PACK, entries=_MOST_ENTRIES) as archive:
            parse_json(read_member(archive, _HEAD, _LARGEST), _HEAD)
            yield archive
    except NotThereError:
        raise
    except InputError as error:
        text = str(error).removeprefix(f"{path}: ")
        raise InputError(
            f"{path}: not a pack of a study ({text}); make one with 'study pack'"
        ) from error


def _list_keys(archive: zipfile.ZipFile) -> set[str]:
    return {name.partition("/")[0] for name in archive.namelist() if "/" in name}


def _take_run(archive: zipfile.ZipFile, place: StudyRun, pack: Path, rename: _Rename) -> None:
    """Write one run's record; its result comes last, so that it is whole or not there."""
    name = f"{place.path.name}/{_RESULT}"
    result = check_result(parse_json(read_member(archive, name, _LARGEST), name), name)
    result["scores"] = rename(result["scores"])
    name = f"{place.path.name}/{_EVENTS}"
    log = parse_log(read_member(archive, name, _LARGEST).splitlines(keepends=True), name)
    write_text(place.training.events, "".join(_keep_events(log, rename)))
    place.finish({**result, "taken_from": pack.name})

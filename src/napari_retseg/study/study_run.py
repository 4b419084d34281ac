"""A study's folder: what it is, its runs, and how far each of them is.

``study.json`` says what is studied. Each run has a folder under its key: ``spec.json``, the
training's own folder, and ``done.json`` once it is finished, written last. Whenever the program
dies, a run is finished or can go on.
"""

from __future__ import annotations

import hashlib
import shutil
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, StrictStr

from napari_retseg.dataset import Case
from napari_retseg.dataset.case import Stamp, stamp
from napari_retseg.errors import InputError, NotThereError, UsageError
from napari_retseg.io import label_path
from napari_retseg.io.atomic import write_json
from napari_retseg.io.lock import hold_folder
from napari_retseg.plural import count_noun
from napari_retseg.records import read_record
from napari_retseg.runs.paths import RunPaths
from napari_retseg.scan import OctScan
from napari_retseg.study.run_plan import PLACE, RunSpec, StudyPlan
from napari_retseg.study.schema import StudyRecord, read_result

State = Literal["done", "failed", "begun", "waiting", "unreadable"]

_STUDY = "study.json"
_ELSEWHERE = "choose another --output"
_SPEC = "spec.json"
_DONE = "done.json"
_FAILED = "failed.json"
#: Seconds to wait for another program that makes data ready.
_PATIENCE_SECONDS = 60.0


class _Failure(BaseModel):
    reason: StrictStr


@dataclass(frozen=True)
class StudyRun:
    """The folder of one run of a study."""

    path: Path

    @property
    def training(self) -> RunPaths:
        """The folder of its training."""
        return RunPaths(self.path / "training")

    @property
    def predictions(self) -> Path:
        """Label files of the cases that were scored."""
        return self.path / "predictions"

    @property
    def model(self) -> Path:
        """The bundle that was scored, where it is kept."""
        return self.path / "model"

    @property
    def state(self) -> State:
        """How far the run is; unreadable: it is done, but its result is damaged."""
        if (self.path / _DONE).exists():
            return "unreadable" if self._problem else "done"
        if (self.path / _FAILED).is_file():
            return "failed"
        return "begun" if self.training.has_checkpoint else "waiting"

    def read_spec(self) -> RunSpec:
        """Read what the run is.

        Raises
        ------
        InputError
            Where it cannot be read.
        """
        path = self.path / _SPEC
        try:
            spec = read_record(path, RunSpec)
        except InputError as error:
            raise InputError(f"{error}; run the study again") from error
        if spec.key != self.path.name:
            raise InputError(f"{path}: belongs to another run ({spec.key}); run the study again")
        return spec

    def holds(self, spec: RunSpec) -> bool:
        """Whether the folder is of just this run."""
        try:
            return self.read_spec() == spec
        except InputError:
            return False

    def write_spec(self, spec: RunSpec) -> None:
        """Write what the run is."""
        write_json(self.path / _SPEC, spec.model_dump(mode="json"))

    def read_result(self) -> dict[str, Any]:
        """Read the result of a finished run.

        Raises
        ------
        InputError
            Where it cannot be read.
        """
        return read_result(self.path / _DONE)

    def finish(self, result: dict[str, Any]) -> None:
        """Write the result: from now on the run is done."""
        write_json(self.path / _DONE, result)
        (self.path / _FAILED).unlink(missing_ok=True)

    def fail(self, reason: str) -> None:
        """Note why the run failed."""
        write_json(self.path / _FAILED, {"reason": reason})

    @property
    def failure(self) -> str:
        """Why the run failed, or cannot be read; empty where neither is so."""
        if (self.path / _DONE).exists():
            return self._problem
        path = self.path / _FAILED
        try:
            return read_record(path, _Failure).reason if path.exists() else ""
        except InputError as error:
            return str(error)

    @property
    def _problem(self) -> str:
        path = self.path / _DONE
        return _find_problem(path, stamp(path))

    def forget_failure(self) -> None:
        """The run is tried again."""
        (self.path / _FAILED).unlink(missing_ok=True)

    def prune(self, spec: RunSpec) -> None:
        """Remove what a finished run does not need; its curves and scores stay."""
        self.training.remove_weights()
        if not spec.keep_model:
            shutil.rmtree(self.model, ignore_errors=True)

    def count_steps(self) -> int:
        """How many steps the training has logged."""
        path = self.training.metrics
        if not path.is_file():
            return 0
        with path.open("rb") as stream:
            return max(0, sum(1 for _ in stream) - 1)


class StudyFolder:
    """The folder of a study."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()

    @property
    def data(self) -> Path:
        """Datasets that were made ready."""
        return self.path / "data"

    def run(self, key: str) -> StudyRun:
        """Return the folder of a run."""
        return StudyRun(self.path / "runs" / key)

    def locked(self) -> AbstractContextManager[None]:
        """One program at a time runs a study.

        Raises
        ------
        UsageError
            Where another one does.
        InputError
            Where the folder cannot be written.
        """
        busy = UsageError(f"{self.path}: another program is running this study")
        return hold_folder(self.path, patience=0, busy=busy, advice=_ELSEWHERE)

    def preparing(self) -> AbstractContextManager[None]:
        """One program at a time makes data ready, whether it runs the study or lists its runs.

        Raises
        ------
        UsageError
            Where another one does for too long.
        InputError
            Where the folder cannot be written.
        """
        busy = UsageError(f"{self.path}: another program is preparing its data; try again later")
        return hold_folder(self.data, patience=_PATIENCE_SECONDS, busy=busy, advice=_ELSEWHERE)

    def write_plan(self, plan: StudyPlan, about: dict[str, Any]) -> None:
        """Keep what the study is, and which runs belong to it now.

        Raises
        ------
        UsageError
            Where the folder holds another study.
        """
        before = self._read_about()
        if before is not None and before.recipe.name != plan.recipe.name:
            raise UsageError(
                f"{self.path}: contains the study {before.recipe.name}; choose another --output"
            )
        for spec in plan.unique:
            folder = self.run(spec.key)
            if folder.state != "done" or not folder.holds(spec):
                folder.write_spec(spec)
        content = {
            "recipe": plan.recipe.model_dump(mode="json"),
            "runs": [spec.model_dump(mode="json", include={"key", *PLACE}) for spec in plan.runs],
            "notes": list(plan.notes),
            **about,
        }
        write_json(self.path / _STUDY, content)

    def read_about(self) -> StudyRecord:
        """Read what the study is.

        Raises
        ------
        InputError
            Where there is none, or it was written by another version.
        """
        about = self._read_about()
        if about is None:
            raise InputError(f"{self.path}: contains no study; run one with --output {self.path}")
        return about

    def read_plan(self) -> StudyPlan:
        """Read the runs of the study as it was last run; a note names those that cannot be read.

        Raises
        ------
        InputError
            Where there is no study, or it was written by another version, or no run can be read.
        """
        about = self.read_about()
        runs: list[RunSpec] = []
        problems: dict[str, None] = {}
        for place in about.runs:
            try:
                spec = self.run(place.key).read_spec()
            except InputError as error:
                problems[f"skipped one run: {error}"] = None
            else:
                runs.append(spec.model_copy(update=place.model_dump()))
        if not runs:
            raise InputError(
                f"{self.path}: none of its {count_noun(len(about.runs), 'run')} can be "
                f"read{': ' if problems else ''}{next(iter(problems), '')}; run the study again"
            )
        return StudyPlan(about.recipe, tuple(runs), (*about.notes, *problems))

    def _read_about(self) -> StudyRecord | None:
        path = self.path / _STUDY
        try:
            return read_record(path, StudyRecord)
        except NotThereError:
            return None
        except InputError as error:
            raise InputError(
                f"{error}; it is damaged or from another version of napari-retseg: choose "
                "another --output"
            ) from error


def prediction_path(case: Case, scan: OctScan, folder: Path) -> Path:
    """Where the predicted labels of a case lie: a folder each, since names may be the same."""
    place = f"{case.group}/{case.image.parent.name}/{case.image.name}"
    return label_path(scan, folder / hashlib.sha256(place.encode()).hexdigest()[:8])


@lru_cache(maxsize=4096)
def _find_problem(path: Path, _stamp: Stamp) -> str:
    """Say why a result cannot be read; empty where it can. Each is read once."""
    try:
        read_result(path)
    except InputError as error:
        return str(error)
    return ""

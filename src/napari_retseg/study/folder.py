"""A study's folder: what it is, its runs, and how far each of them is.

``study.json`` says what is studied. Each run has a folder under its key: ``spec.json``, the
training's own folder, and ``done.json`` once it is finished, written last. Whenever the program
dies, a run is finished or can go on.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout
from pydantic import ValidationError

from napari_retseg.dataset import Case
from napari_retseg.errors import InputError, UsageError
from napari_retseg.io import label_path
from napari_retseg.io.atomic import write_json
from napari_retseg.scan import OctScan
from napari_retseg.study.plan import PLACE, RunSpec, StudyPlan
from napari_retseg.study.recipe import Recipe

State = Literal["done", "failed", "begun", "waiting"]

_STUDY = "study.json"
_LOCK = ".lock"
_SPEC = "spec.json"
_DONE = "done.json"
_FAILED = "failed.json"
#: Seconds to wait for another program that makes data ready.
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run of a study."""

    path: Path

    @property
    def training(self) -> Path:
        """The folder of its training."""
        return self.path / "training"

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
        """How far the run is."""
        if (self.path / _DONE).is_file():
            return "done"
        if (self.path / _FAILED).is_file():
            return "failed"
        return "begun" if (self.training / "checkpoints" / "last.pt").is_file() else "waiting"

    def read_spec(self) -> RunSpec:
        """Read what the run is.

        Raises
        ------
        InputError
            Where it cannot be read.
        """
        path = self.path / _SPEC
        try:
            return RunSpec.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, ValidationError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{path}: cannot be read ({reason}); start the study again") from error

    def write_spec(self, spec: RunSpec) -> None:
        """Write what the run is."""
        write_json(self.path / _SPEC, spec.model_dump(mode="json"))

    def read_result(self) -> dict[str, Any]:
        """Read the result of a finished run."""
        return _read_json(self.path / _DONE)

    def finish(self, result: dict[str, Any]) -> None:
        """Write the result: from now on the run is done."""
        write_json(self.path / _DONE, result)
        (self.path / _FAILED).unlink(missing_ok=True)

    def fail(self, reason: str) -> None:
        """Note why the run failed."""
        write_json(self.path / _FAILED, {"reason": reason})

    @property
    def failure(self) -> str:
        """Why the run failed; empty where it did not."""
        path = self.path / _FAILED
        return str(_read_json(path)["reason"]) if path.is_file() else ""

    def forget_failure(self) -> None:
        """The run is tried again."""
        (self.path / _FAILED).unlink(missing_ok=True)

    def prune(self, spec: RunSpec) -> None:
        """Remove what a finished run does not need; its curves and scores stay."""
        for name in ("checkpoints", "model", "model-last", "model-start"):
            shutil.rmtree(self.training / name, ignore_errors=True)
        if not spec.keep_model:
            shutil.rmtree(self.model, ignore_errors=True)

    def count_steps(self) -> int:
        """How many steps the training has logged."""
        path = self.training / "metrics.csv"
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
        """Data sets that were made ready."""
        return self.path / "data"

    def run(self, key: str) -> RunFolder:
        """Return the folder of a run."""
        return RunFolder(self.path / "runs" / key)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One program at a time runs a study.

        Raises
        ------
        UsageError
            Where another one does.
        InputError
            Where the folder cannot be written.
        """
        with self._hold(self.path, 0, "another program runs this study"):
            yield

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """One program at a time makes data ready, whether it runs the study or lists its runs.

        Raises
        ------
        UsageError
            Where another one does for too long.
        InputError
            Where the folder cannot be written.
        """
        reason = "another program makes its data ready; try again when it has"
        with self._hold(self.data, _PATIENCE_SECONDS, reason):
            yield

    @contextmanager
    def _hold(self, path: Path, patience: float, refusal: str) -> Iterator[None]:
        try:
            path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path / _LOCK, timeout=patience)
            lock.acquire()
        except Timeout as error:
            raise UsageError(f"{self.path}: {refusal}") from error
        except OSError as error:
            reason = error.strerror or error
            raise InputError(
                f"{self.path}: cannot be written ({reason}); choose another --output"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def write_plan(self, plan: StudyPlan, about: dict[str, Any]) -> None:
        """Keep what the study is, and which runs belong to it now.

        Raises
        ------
        UsageError
            Where the folder holds another study.
        """
        before = self._read_about()
        if before and before["recipe"]["name"] != plan.recipe.name:
            raise UsageError(
                f"{self.path}: holds the study {before['recipe']['name']}; choose another --output"
            )
        for spec in plan.unique:
            folder = self.run(spec.key)
            if folder.state != "done" or folder.read_spec() != spec:
                folder.write_spec(spec)
        content = {
            "recipe": plan.recipe.model_dump(mode="json"),
            "runs": [spec.model_dump(mode="json", include={"key", *PLACE}) for spec in plan.runs],
            "notes": list(plan.notes),
            **about,
        }
        write_json(self.path / _STUDY, content)

    def read_about(self) -> dict[str, Any]:
        """Read what the study is.

        Raises
        ------
        InputError
            Where there is none.
        """
        about = self._read_about()
        if not about:
            raise InputError(f"{self.path}: holds no study; run one with --output {self.path}")
        return about

    def read_plan(self) -> StudyPlan:
        """Read the runs of the study as it was last run.

        Raises
        ------
        InputError
            Where there is no study, or it was written by another version.
        """
        about = self.read_about()
        try:
            recipe = Recipe.model_validate(about["recipe"])
        except ValidationError as error:
            raise InputError(
                f"{self.path / _STUDY}: is of another version of napari-retseg; run the study again"
            ) from error
        specs = {place["key"]: self.run(place["key"]).read_spec() for place in about["runs"]}
        runs = tuple(specs[place["key"]].model_copy(update=place) for place in about["runs"])
        return StudyPlan(recipe, runs, tuple(about["notes"]))

    def _read_about(self) -> dict[str, Any]:
        path = self.path / _STUDY
        return _read_json(path) if path.is_file() else {}


def prediction_path(case: Case, scan: OctScan, folder: Path) -> Path:
    """Where the predicted labels of a case lie: a folder each, since names may be the same."""
    place = f"{case.group}/{case.image.parent.name}/{case.image.name}"
    return label_path(scan, folder / hashlib.sha256(place.encode()).hexdigest()[:8])


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    return found

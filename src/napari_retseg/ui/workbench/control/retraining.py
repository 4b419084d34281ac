"""Retraining: what a round would do, running it beside the viewer, and the verdict."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from napari_retseg.config import TrainConfig
from napari_retseg.engine import JobHandle, JobOutcome, PrepareJob, SamplesJob, TrainJob
from napari_retseg.errors import InputError, ModelError, RetsegError
from napari_retseg.events import Event, Message, SamplesDrawn, TrainingPlanned
from napari_retseg.models import ModelInfo, Version, find_model, list_versions, read_info, roll_back
from napari_retseg.models.lookup import STARTER
from napari_retseg.rounds import (
    Curves,
    Verdict,
    find_resumable,
    keep_new,
    read_verdict,
    train_command,
)
from napari_retseg.runs.record import read_config
from napari_retseg.ui.workbench.control.foreseeing import Description, foresee
from napari_retseg.ui.workbench.control.predicting import Predicting
from napari_retseg.ui.workbench.control.session import Session
from napari_retseg.workspace.layout import SNAPSHOT


class Retraining:
    """One training at a time, in a process of its own; it outlives nothing but is resumed.

    Attributes
    ----------
    curves
        What the plots show of the last training; filled on the engine's thread.
    """

    def __init__(self, session: Session, predicting: Predicting) -> None:
        self._session = session
        self._predicting = predicting
        self._config = TrainConfig()
        self._handle: JobHandle | None = None
        self._is_prepared = False
        self._draws = 0
        #: What was described last; used on the thread of the files.
        self._described: object = None
        self.curves = Curves()
        session.state.events.model.connect(self.describe)
        session.state.events.device.connect(self.describe)
        session.written.connect(self._describe_changes)

    def configure(self, values: dict[str, Any]) -> None:
        """Take the form's values."""
        self._config = TrainConfig.model_validate(values)
        self.describe()

    @property
    def is_running(self) -> bool:
        """Whether a training runs."""
        return self._handle is not None

    def describe(self) -> None:
        """Say in words what Retrain would do; the files are read on their own thread."""
        self._describe(lambda _: True)

    def _describe_changes(self) -> None:
        """Say it again where the files have changed: each stroke is written, few change it."""
        self._describe(lambda now: now != self._described)

    def _describe(self, is_wanted: Callable[[object], bool]) -> None:
        workspace, choice = self._session.workspace, self._session.state.chosen_model
        if workspace is None:
            self._show_description(Description())
            return
        config, device = self._config, self._device()

        def work() -> Description | None:
            dataset = workspace.dataset()
            now = (workspace.folder, dataset)
            if not is_wanted(now):
                return None
            self._described = now
            return foresee(workspace, dataset, config, choice, device=device)

        self._session.submit(work, self._show_description)

    def _device(self) -> str:
        """Where a training would run, in words as far as they are known."""
        state = self._session.state
        if state.address:
            return f"the workers of {state.address}"
        if self._config.device == "auto" and state.device:
            return state.device
        return self._config.device

    def _show_description(self, found: Description | None) -> None:
        if found is None:
            return
        state = self._session.state
        state.round_text, state.round_problem = found.text, found.problem
        state.round_warning, state.sides = found.warning, found.sides
        if found.text:
            self._prepare()

    def _prepare(self) -> None:
        """Have the process of training ready once there is something to train on."""
        if self._is_prepared or self.is_running or self._session.state.address:
            return
        self._is_prepared = True
        self._session.engine.submit(PrepareJob(), on_event=lambda _: None, on_done=lambda _: None)

    def write_command(self, show: Callable[[str], None]) -> None:
        """Write the command line that does what Retrain would do, and hand it to `show`.

        The split is pinned as Retrain does: while the workspace is open here, only this program
        may write it, and the command must not hold out other patients.
        """
        workspace, state = self._session.workspace, self._session.state
        config, start, address = self._config, self._find_start(), state.address
        if workspace is None:
            return

        def work() -> str:
            if not workspace.is_read_only:
                workspace.pin()
            return train_command(
                workspace.folder,
                config,
                output=workspace.next_round,
                start=start,
                scheduler=address or None,
            )

        self._session.flush_then(work, show)

    def _find_start(self) -> Path | None:
        """Return the folder of the model that a training starts from."""
        choice = self._session.state.chosen_model
        return None if choice is None else choice.folder

    def retrain(self) -> None:
        """Train on what is confirmed, from the chosen model."""
        points, problem = self._session.points, self._session.state.round_problem
        if self.is_running or points is None:
            return
        if problem:
            self._session.notify(problem, "warning")
            return
        workspace = self._session.find_writable()
        if workspace is None:
            return
        self._session.state.is_training = True
        self._session.notify("Preparing the training…")

        def work() -> Path:
            replaced = workspace.check_scans()
            if replaced:
                raise InputError(". ".join((*replaced, "Then press Retrain again")))
            return workspace.begin_round(points)

        config, start = self._config, self._find_start()
        self._session.flush_then(
            work,
            lambda run: self._submit(
                run, TrainJob(run / SNAPSHOT, config, run, start=start), Curves()
            ),
            failed=lambda _: self._end(),
        )

    def resume(self) -> None:
        """Go on with the training that stopped before its end."""
        run, workspace = self._session.state.resumable, self._session.workspace
        if run is None or workspace is None or self._session.state.is_training:
            return
        self._session.state.is_training = True
        self._session.notify("Resuming the training…")

        def work() -> tuple[TrainJob, Curves]:
            # one that the copied command began has learnt from the workspace itself
            data = run / SNAPSHOT if (run / SNAPSHOT).is_dir() else workspace.folder
            return TrainJob(data, read_config(run), run, resume=True), Curves.read(run)

        self._session.submit(
            work, lambda found: self._submit(run, *found), failed=lambda _: self._end()
        )

    def stop(self) -> None:
        """Ask the training to stop; its state is kept, and it can be resumed."""
        if self._handle is not None:
            self._session.state.is_stopping = True
            self._handle.cancel()
            self._session.notify("Stopping after this step. You can resume the training later.")

    def forget(self) -> None:
        """Show nothing of the last training: another workspace is opened."""
        self.curves = Curves()
        self._session.state.verdict, self._session.state.judged = None, None
        self._session.state.resumable = None
        self._session.state.progress += 1
        self.describe()

    def find_resumable(self) -> None:
        """Look for a training of this workspace that stopped before its end."""
        workspace = self._session.workspace
        if workspace is None:
            self._session.state.resumable = None
            return
        self._session.submit(lambda: find_resumable(workspace.rounds), self._show_resumable)

    def keep_new(self) -> None:
        """Make the new model the one of this workspace's name; the old one stays in its history."""
        run, workspace = self._session.state.judged, self._session.workspace
        if run is None or workspace is None:
            return
        name = model_name(workspace.name)
        self._session.submit(partial(keep_new, run, name), lambda _: self._on_kept(name))

    def keep_old(self) -> None:
        """Go on with the model as it was; the new one stays in its run's folder."""
        self._session.state.verdict, self._session.state.judged = None, None
        self._session.notify("The old model is kept. The new one stays in the run folder.")

    def draw_samples(
        self, show: Callable[[SamplesDrawn], None], failed: Callable[[str], None]
    ) -> None:
        """Draw eight samples as Retrain would see them, others each time."""
        workspace = self._session.workspace
        if workspace is None:
            failed("Open a workspace first.")
            return
        self._draws += 1
        config = self._config.model_copy(update={"seed": self._draws})
        start = self._find_start()

        def on_event(event: Event) -> None:
            if isinstance(event, SamplesDrawn):
                self._session.post(partial(show, event))

        def end(outcome: JobOutcome) -> None:
            if outcome.status == "failed":
                self._session.post(partial(failed, str(outcome.error)))

        def submit(_: None) -> None:
            job = SamplesJob(workspace.folder, config, start)
            self._session.engine.submit(job, on_event=on_event, on_done=end)

        # the job reads the files in another process: the last strokes must be there
        self._session.flush_then(lambda: None, submit)

    def list_versions(self, show: Callable[[list[Version], ModelInfo | None], None]) -> None:
        """List the models that this workspace's name meant, and hand them to `show`.

        With them comes the starter, where it is installed: one can always begin again.
        """
        workspace = self._session.workspace
        if workspace is None:
            self._session.notify("Open a workspace first.")
            return
        name = model_name(workspace.name)

        def work() -> tuple[list[Version], ModelInfo | None]:
            try:
                versions = list_versions(name)
            except ModelError:
                versions = []
            try:
                starter = read_info(find_model(STARTER))
            except RetsegError:
                starter = None
            return versions, starter

        self._session.submit(work, lambda found: show(*found))

    def roll_back(self, version: str) -> None:
        """Let this workspace's name mean an earlier model again, or use the starter.

        The present model is kept.
        """
        workspace = self._session.workspace
        if version == STARTER:
            self._predicting.refresh_models()
            names = [choice.name for choice in self._session.state.models]
            if STARTER in names:
                self._predicting.choose_model(names.index(STARTER))
                self._session.notify("Now using the starter model. Your own models are kept.")
        elif workspace is not None:
            name = model_name(workspace.name)
            self._session.submit(
                partial(roll_back, name, to=version), lambda _: self._on_kept(name)
            )

    # How it is done.

    def _submit(self, run: Path, job: TrainJob, curves: Curves) -> None:
        self.curves = curves
        self._session.state.verdict, self._session.state.judged = None, None
        self._session.state.resumable = None
        try:
            self._handle = self._session.engine.submit(
                job,
                on_event=self._on_event,
                on_done=lambda outcome: self._session.post(partial(self._finish, run, outcome)),
            )
        except RetsegError as error:
            self._session.notify(str(error), "error")
            self._end()

    def _on_event(self, event: Event) -> None:
        """Take an event on the engine's thread."""
        self.curves.take(event)
        self._session.post(partial(self._take, event))

    def _take(self, event: Event) -> None:
        if not self.is_running:
            return
        self._session.state.progress += 1
        if isinstance(event, Message):
            self._session.notify(event.text, event.level)
        elif isinstance(event, TrainingPlanned):
            self._session.notify(f"Training on {event.device}.")

    def _finish(self, run: Path, outcome: JobOutcome) -> None:
        self._end()
        if outcome.status == "failed":
            self._session.notify(str(outcome.error), "error")
            self.find_resumable()
        elif outcome.status == "cancelled":
            self._session.notify("Training stopped. Press Resume to continue.")
            self.find_resumable()
        else:
            self._session.submit(partial(self._judge, run), partial(self._show_verdict, run))
            self._session.notify("Training finished.")

    def _end(self) -> None:
        self._handle = None
        self._is_prepared = False  # the process has ended with its training
        self._session.state.is_training = False
        self._session.state.is_stopping = False
        self._session.state.progress += 1

    def _on_kept(self, name: str) -> None:
        self._session.state.verdict, self._session.state.judged = None, None
        self._predicting.refresh_models()
        self._predicting.choose_by_name(name)
        self._predicting.load_chosen()
        self._session.notify(f"Now using {name}. Segment again to see its predictions.")

    def _judge(self, run: Path) -> Verdict:
        """Read a run's verdict, and add what the labels have cost."""
        verdict, workspace = read_verdict(run), self._session.workspace
        cost = "" if workspace is None else workspace.describe_cost()
        if not cost:
            return verdict
        return replace(verdict, remarks=(*verdict.remarks, f"Cost of the labels: {cost}."))

    def _show_verdict(self, run: Path, verdict: Verdict) -> None:
        self._session.state.judged, self._session.state.verdict = run, verdict

    def _show_resumable(self, run: Path | None) -> None:
        self._session.state.resumable = run


def model_name(workspace: str) -> str:
    """Return the name under which a workspace's model is kept."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", workspace).strip("-._")
    return plain or "workspace"

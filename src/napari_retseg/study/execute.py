"""Do the runs of a study that are not done: here, in worker processes, or on a scheduler."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Literal

from napari_retseg.engine import JobOutcome
from napari_retseg.engine.jobs import explain_failure
from napari_retseg.engine.machine import share_cores
from napari_retseg.engine.spread import Crew
from napari_retseg.events import Cancel, Event, Finished
from napari_retseg.study.job import StudyJob
from napari_retseg.study.run_plan import RunSpec, StudyPlan
from napari_retseg.study.study_run import StudyFolder


@dataclass(frozen=True)
class RunTold:
    """What a study tells while it goes on.

    Attributes
    ----------
    kind
        ``begun``, ``told`` (with `event`), ``done``, ``failed`` (with `reason`), ``stopped``.
    position
        How many runs are done, this one included; of `total`.
    """

    run: RunSpec
    kind: Literal["begun", "told", "done", "failed", "stopped"]
    event: Event | None = None
    reason: str = ""
    position: int = 0
    total: int = 0


@dataclass
class _Ledger:
    """Which runs wait, which are done, and what may begin."""

    folder: StudyFolder
    total: int
    waiting: list[RunSpec]
    done: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, plan: StudyPlan, folder: StudyFolder) -> _Ledger:
        done = {run.key for run in plan.unique if folder.run(run.key).state == "done"}
        waiting = [run for run in plan.unique if run.key not in done]
        for run in waiting:
            folder.run(run.key).forget_failure()
        for run in plan.unique:
            if run.key in done:  # one that was killed between its result and the clearing up
                folder.run(run.key).prune(run)
        return cls(folder, len(plan.unique), waiting, done)

    def take_ready(self) -> RunSpec | None:
        """Take the next run whose starting model is there."""
        for run in self.waiting:
            if not run.start_run or run.start_run in self.done:
                self.waiting.remove(run)
                return run
        return None

    def take_orphans(self) -> list[RunSpec]:
        """Take the runs whose starting model will not come."""
        orphans = [run for run in self.waiting if run.start_run in self.failed]
        self.waiting = [run for run in self.waiting if run not in orphans]
        return orphans

    def make_job(self, run: RunSpec, threads: int) -> StudyJob:
        start = self.folder.run(run.start_run).model if run.start_run else run.start
        return StudyJob(self.folder.run(run.key).path, start=start, threads=threads)

    def settle(self, run: RunSpec, outcome: JobOutcome) -> RunTold:
        """Note how a run ended."""
        if outcome.status == "cancelled":
            return self._tell(run, "stopped")
        if outcome.status == "failed":
            self.failed.add(run.key)
            reason = outcome.error or "it ended without a reason"
            self.folder.run(run.key).fail(reason)
            return self._tell(run, "failed", reason)
        self.done.add(run.key)
        return self._tell(run, "done")

    def _tell(
        self, run: RunSpec, kind: Literal["done", "failed", "stopped"], reason: str = ""
    ) -> RunTold:
        position = len(self.done) + len(self.failed)
        return RunTold(run, kind, reason=reason, position=position, total=self.total)


def run_study(
    plan: StudyPlan,
    folder: StudyFolder,
    cancel: Cancel,
    *,
    workers: int = 0,
    scheduler: str | None = None,
) -> Iterator[RunTold]:
    """Do all runs that are not done yet; one that fails is named, and the others go on.

    Parameters
    ----------
    workers
        Processes on this machine; 0: none, the runs are done in this one.
    scheduler
        A dask scheduler's address, whose workers do the runs.

    Yields
    ------
    RunTold
        In the order in which it happens.
    """
    ledger = _Ledger.of(plan, folder)
    if workers or scheduler:
        yield from _run_elsewhere(ledger, cancel, workers=workers, scheduler=scheduler)
        return
    while (run := ledger.take_ready()) is not None:
        yield RunTold(run, "begun")
        outcome = yield from _run_here(ledger, run, cancel)
        yield ledger.settle(run, outcome)
        yield from _skip_orphans(ledger)
        if cancel.is_cancelled():
            return


def _run_here(
    ledger: _Ledger, run: RunSpec, cancel: Cancel
) -> Generator[RunTold, None, JobOutcome]:
    finished: Finished | None = None
    try:
        for event in ledger.make_job(run, 0).run(cancel):
            if isinstance(event, Finished):
                finished = event
            else:
                yield RunTold(run, "told", event=event)
    except Exception as error:  # noqa: BLE001 - one run's failure is not the study's
        return explain_failure(error)
    if finished is None or finished.cancelled:
        return JobOutcome("cancelled")
    return JobOutcome("done")


def _skip_orphans(ledger: _Ledger) -> Iterator[RunTold]:
    for run in ledger.take_orphans():
        reason = "skipped: the pre-training that it starts from failed"
        yield ledger.settle(run, JobOutcome("failed", reason))


def _run_elsewhere(
    ledger: _Ledger, cancel: Cancel, *, workers: int, scheduler: str | None
) -> Iterator[RunTold]:
    threads = 0 if scheduler else share_cores(workers)
    runs: dict[str, RunSpec] = {}
    is_stopping = False
    with Crew[str](workers=workers, scheduler=scheduler) as crew:
        while True:
            while not is_stopping and crew.has_room and (run := ledger.take_ready()) is not None:
                runs[run.key] = run
                crew.begin(run.key, ledger.make_job(run, threads))
                yield RunTold(run, "begun")
            if not crew.is_busy:
                return
            if cancel.is_cancelled() and not is_stopping:
                is_stopping = True
                crew.cancel()
            heard = crew.hear()
            if heard is not None:
                yield from _pass_on(ledger, runs[heard[0]], heard[1])


def _pass_on(ledger: _Ledger, run: RunSpec, what: Event | JobOutcome) -> Iterator[RunTold]:
    if isinstance(what, JobOutcome):
        yield ledger.settle(run, what)
        yield from _skip_orphans(ledger)
    elif not isinstance(what, Finished):
        yield RunTold(run, "told", event=what)

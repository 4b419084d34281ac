"""Many scans labelled into one folder; one that fails leaves the others done."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from napari_retseg.cli.group import describe_failed_input, name_input
from napari_retseg.cli.labeller import Labeller
from napari_retseg.cli.listing import Place, check_targets
from napari_retseg.cli.outputs import make_folder, shared
from napari_retseg.cli.predict_files import OVERLAYS, LabelJob, Labelled, Wanted
from napari_retseg.cli.reporting import Reporter, format_seconds
from napari_retseg.cli.summary import (
    DOUBTFUL_LAYERS,
    IMPOSSIBLE_LAYERS,
    Summary,
    describe_check,
)
from napari_retseg.cli.uncertainty_maps import FOLDER as MAPS
from napari_retseg.cli.uncertainty_maps import Ranking
from napari_retseg.cli.workload import Workload
from napari_retseg.engine import JobOutcome
from napari_retseg.engine.parcel import Courier, make_absolute
from napari_retseg.engine.sight import marking
from napari_retseg.engine.spread import Listen, spread
from napari_retseg.errors import JobError
from napari_retseg.events import Cancel, CancelToken, Progress
from napari_retseg.models.label_records import FOLDER
from napari_retseg.plural import count_noun


@dataclass(kw_only=True)
class Batch:
    """Labels scans into one folder.

    Attributes
    ----------
    wanted
        The folder, and what is to be written.
    labeller
        The model.
    reporter
        Tells the user.
    workers
        How many processes of this machine label; with 1 it is this one.
    threads
        With how many threads this process reads, predicts and writes; only one of them predicts.
    scheduler
        A dask scheduler's address, whose workers label.
    courier
        Sends them the scans and the model; None where they see the folders of this machine, and
        read and write there.
    """

    wanted: Wanted
    labeller: Labeller
    reporter: Reporter
    cancel: Cancel = field(default_factory=CancelToken)
    workers: int = 1
    threads: int = 1
    scheduler: str | None = None
    courier: Courier | None = None

    def __post_init__(self) -> None:
        output = self.wanted.output
        self._ranking = Ranking(output) if self.wanted.uncertainty else None
        self._summary = Summary(model=self.labeller.info.name, output=output)

    def run(self, places: Sequence[Place], *, fail_fast: bool = False) -> Summary:
        """Label the scans.

        Raises
        ------
        UsageError
            Where two scans would get the same label file, or one would be overwritten.
        InputError
            Where the folder cannot be made.
        JobError
            Where there are no workers.
        """
        output = self.wanted.output
        check_targets(places, output)
        if self._ranking is not None:
            self._ranking.check_sources([one.path for one in places])
        make_folder(output)
        n_ended = 0
        load = Workload(one.path for one in places)
        with shared(output / FOLDER / "lock", self._list_folders(places)), ExitStack() as stack:
            # a scan may be done before it is known that an earlier one failed
            threads = 1 if fail_fast else min(self.threads, len(places))
            outcomes = stack.enter_context(closing(self._spread(places, stack, threads)))
            for place, outcome in zip(places, outcomes, strict=False):
                n_ended += 1
                self._settle(place, outcome)
                if self._summary.interrupted or (fail_fast and self._summary.failed):
                    break
                load.end(is_new=outcome.result.get("state") == "predicted")
                if self._is_spread:
                    progress = Progress(n_ended, len(places), "scan")
                    self.reporter.show(progress, to_go=load.to_go)
            self.reporter.end_progress()
            self._rank()
        self._summary.interrupted |= n_ended < len(places) and self.cancel.is_cancelled()
        self._summary.not_tried = [str(rest.path) for rest in places[n_ended:]]
        return self._summary

    @property
    def _is_spread(self) -> bool:
        return self.workers > 1 or self.scheduler is not None

    def _spread(
        self, places: Sequence[Place], stack: ExitStack, threads: int
    ) -> Generator[JobOutcome, None, None]:
        if self.scheduler is None:
            jobs = (LabelJob(one, self.wanted, self.labeller) for one in places)
            listen = self.reporter.hear if self.workers > 1 else self._follow(places)
            return spread(jobs, self.cancel, workers=self.workers, threads=threads, listen=listen)
        return spread(
            self._list_elsewhere(places, stack),
            self.cancel,
            scheduler=self.scheduler,
            courier=self.courier,
            listen=self.reporter.hear,
        )

    def _list_elsewhere(
        self, places: Sequence[Place], stack: ExitStack
    ) -> Iterator[LabelJob | JobOutcome]:
        """List the jobs for a scheduler's workers."""
        # elsewhere, relative paths begin in another folder
        wanted = replace(self.wanted, output=make_absolute(self.wanted.output))
        labeller = self.labeller.move(make_absolute)
        todo = (
            LabelJob(replace(one, path=make_absolute(one.path)), wanted, labeller) for one in places
        )
        if self.courier is not None:
            return (job.look() for job in todo)
        mark = stack.enter_context(marking(wanted.output))
        return (replace(job, needs=(mark, job.place.path.parent, labeller.folder)) for job in todo)

    def _follow(self, places: Sequence[Place]) -> Listen:
        """Show how far each scan is."""
        return lambda number, event: self.reporter.show(event, subject=places[number].path.name)

    def _list_folders(self, places: Sequence[Place]) -> set[Path]:
        """Where files are written."""
        roots = [self.wanted.output / name for name in ("", MAPS, OVERLAYS, FOLDER)]
        return {root / inside for root in roots for inside in {one.inside for one in places}}

    def _settle(self, place: Place, outcome: JobOutcome) -> None:
        """Show and keep how the work on a scan ended."""
        if not self._is_spread:
            self.reporter.end_progress()
        if outcome.status == "cancelled":
            self._summary.interrupted = True
            return
        error = outcome.error or outcome.result.get("error")
        if error is None:
            try:
                self._keep(place, Labelled(**outcome.result))
            except Exception as fault:  # noqa: BLE001 - a fault of ours is told as such
                error = describe_failed_input(fault)
        if error is not None:
            self._fail(place.path, error)

    def _keep(self, place: Place, found: Labelled) -> None:
        path, target = place.path, self.wanted.output / found.target
        entry: dict[str, Any] = {"input": str(path), "labels": str(target)}
        if self._ranking is not None:
            entry["uncertainty"] = str(self._ranking.map_path(target))
            if found.state != "kept" and not self._ranking.recall(
                path, target, n_bscans=found.n_bscans
            ):
                raise JobError(f"{target}: its map of the uncertainty is gone; predict it again")
        if found.state == "predicted":
            self._describe(path, target, found)
            impossible = [{"bscan": k, "misplaced": share} for k, share in found.impossible]
            doubtful = [{"bscan": k, "share": share} for k, share in found.doubtful]
            entry |= {"impossible": impossible, "doubtful": doubtful}
            entry |= {"bscans": found.n_bscans, "seconds": found.seconds}
            self._summary.predicted.append(entry)
        elif found.state == "skipped":
            self._summary.skipped.append(entry)
        else:
            self.reporter.say(f"{target}: changed since it was predicted; not replaced")
            self._summary.kept.append(entry)

    def _describe(self, path: Path, target: Path, found: Labelled) -> None:
        for note in found.notes:
            self.reporter.say(f"{path}: {note}")
        size = count_noun(found.n_bscans, "B-scan")
        self.reporter.say(f"{path} -> {target} ({size}, {format_seconds(found.seconds)})")
        for shares, what in (
            (found.impossible, IMPOSSIBLE_LAYERS),
            (found.doubtful, DOUBTFUL_LAYERS),
        ):
            if shares:
                bscans = [k for k, _ in shares]
                self.reporter.say(f"{path}: {describe_check(what, bscans, found.n_bscans)}")

    def _rank(self) -> None:
        if self._ranking is None:
            return
        try:
            self._summary.ranking = self._ranking.write()
        except Exception as error:  # noqa: BLE001 - the labels are there all the same
            self._fail(self._ranking.table, describe_failed_input(error))

    def _fail(self, path: Path, reason: str) -> None:
        # elsewhere the scan has its absolute path
        line = name_input(path, reason.replace(str(make_absolute(path)), str(path)))
        self.reporter.end_progress()
        self.reporter.fail(line)
        self._summary.failed.append({"input": str(path), "error": line})

"""Labels of many scans measured into one table; one that fails leaves the others done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from napari_retseg import __version__
from napari_retseg.cli.courier import SENT, find_courier
from napari_retseg.cli.group import name_input
from napari_retseg.cli.label_sources import Pair, Source, WorkspaceScan
from napari_retseg.cli.measure_files import REPORT, Measured, MeasureJob
from napari_retseg.cli.measure_records import About
from napari_retseg.cli.outputs import make_folder
from napari_retseg.cli.reporting import Reporter
from napari_retseg.cli.workload import Workload
from napari_retseg.engine import JobOutcome
from napari_retseg.engine.jobs import do_here
from napari_retseg.engine.parcel import make_absolute
from napari_retseg.engine.sight import marking
from napari_retseg.engine.spread import spread
from napari_retseg.events import Cancel, Progress
from napari_retseg.io.atomic import write_text
from napari_retseg.measures import COLUMNS, Centre, Measurement
from napari_retseg.measures.cohort import Member, make_cohort
from napari_retseg.measures.table import format_table
from napari_retseg.plural import count_noun

TABLE = "measures.csv"
#: The page of all scans.
COHORT = "cohort.html"
_ABOUT = ("scan", "eye")
_MADE = ("model", "labels")
#: What a line on the screen says of each scan.
_SHOWN = (
    ("CST", "retina", "C0"),
    ("volume", "retina", "grid"),
    ("volume", "fluid", "scan"),
    ("volume", "RPE elevation", "scan"),
)


@dataclass(kw_only=True)
class MeasureBatch:
    """Measures labels into one folder.

    Attributes
    ----------
    output
        The folder; made if missing.
    centre
        Of the ETDRS grid.
    reporter
        Tells the user.
    resume
        Leave scans alone that were measured from the same scan, labels and options.
    workers
        How many processes of this machine measure; with 1 it is this one.
    scheduler
        A dask scheduler's address, whose workers measure.
    failed
        What could not be measured, with the reason.
    is_stopped
        Whether scans were left because the user asked to stop.
    """

    output: Path
    centre: Centre
    reporter: Reporter
    resume: bool = False
    workers: int = 1
    scheduler: str | None = None
    failed: list[dict[str, str]] = field(default_factory=list)
    is_stopped: bool = False
    _kept: list[tuple[str, About, Sequence[Measurement]]] = field(default_factory=list)
    _done: list[dict[str, Any]] = field(default_factory=list)
    _members: list[Member] = field(default_factory=list)

    def run(self, sources: Sequence[Source], cancel: Cancel) -> None:
        """Measure the scans, then write the table and the page of all.

        Raises
        ------
        InputError
            Where the folder cannot be made, or a file not be written.
        JobError
            Where there are no workers, or they do not see the files.
        """
        make_folder(self.output)
        load = Workload(one.labels for one in sources)
        for source, outcome in zip(sources, self._spread(sources, cancel), strict=False):
            self._settle(source, outcome)
            n_ended = len(self._done) + len(self.failed)
            load.end(is_new=not outcome.result.get("is_known"))
            self.reporter.show(Progress(n_ended, len(sources), "scan"), to_go=load.to_go)
        self.reporter.end_progress()
        n_ended = len(self._done) + len(self.failed)
        self.is_stopped = n_ended < len(sources)
        if self.is_stopped:
            text = f"stopped: {n_ended} of {count_noun(len(sources), 'scan')} measured"
            self.reporter.say(f"{text}; the same command with --resume goes on")
        else:
            self._write()

    def summarise(self) -> dict[str, Any]:
        """Return what was done, as plain values."""
        is_written = self._has_numbers and not self.is_stopped
        table = str(self.output / TABLE) if is_written else None
        cohort = str(self.output / COHORT) if is_written and len(self._members) > 1 else None
        return {"table": table, "cohort": cohort, "measured": self._done, "failed": self.failed}

    @property
    def _has_numbers(self) -> bool:
        return any(numbers for _, _, numbers in self._kept)

    def _write(self) -> None:
        if self._has_numbers:
            columns = (*_ABOUT, *COLUMNS, *_MADE)
            # made one by one: as rows, the numbers of all scans take several times the memory
            rows = chain.from_iterable(_make_rows(*one) for one in self._kept)
            write_text(self.output / TABLE, format_table(rows, columns))
            self.reporter.say(f"table: {self.output / TABLE}")
        if len(self._members) > 1:
            path = write_text(self.output / COHORT, make_cohort(self._members, __version__))
            self.reporter.say(f"all scans on a page: {path}")

    def _spread(self, sources: Sequence[Source], cancel: Cancel) -> Iterator[JobOutcome]:
        if self.scheduler is None:
            jobs = (MeasureJob(one, self.output, self.centre, self.resume) for one in sources)
            yield from spread(jobs, cancel, workers=self.workers)
            return
        # elsewhere, relative paths begin in another folder
        output = make_absolute(self.output)
        places = [source.absolute() for source in sources]
        folders = {folder for one in places for folder in one.folders}
        courier = find_courier(self.scheduler, folders, output=output)
        if courier is not None:
            self.reporter.say(SENT)
            yield from spread(
                self._list_elsewhere(places, output, cancel),
                cancel,
                scheduler=self.scheduler,
                courier=courier,
                listen=self.reporter.hear,
            )
            return
        with marking(output) as mark:
            jobs = (
                MeasureJob(one, output, self.centre, self.resume, needs=(mark, *one.folders))
                for one in places
            )
            yield from spread(jobs, cancel, scheduler=self.scheduler, listen=self.reporter.hear)

    def _list_elsewhere(
        self, places: Sequence[Source], output: Path, cancel: Cancel
    ) -> Iterator[MeasureJob | JobOutcome]:
        """List jobs for workers that do not see the files, and what they cannot do."""
        if any(isinstance(one, WorkspaceScan) for one in places):
            self.reporter.say("scans of a workspace are measured on this computer")
        for source in places:
            job = MeasureJob(source, output, self.centre, self.resume)
            if isinstance(source, Pair):
                yield replace(job, source=source.take_models()).look()
            else:
                yield do_here(job, cancel, lambda _: None)

    def _settle(self, source: Source, outcome: JobOutcome) -> None:
        """Show and keep how the work on a scan ended."""
        if outcome.status == "cancelled":
            return
        error = outcome.error or outcome.result.get("error")
        if error is not None:
            line = name_input(source.labels, error)
            self.reporter.fail(line)
            self.failed.append({"labels": str(source.labels), "error": line})
            return
        self._keep(source, Measured.from_result(outcome.result))

    def _keep(self, source: Source, found: Measured) -> None:
        folder = self.output / source.name
        about, numbers = found.about, found.numbers
        if found.is_known:
            self.reporter.say(f"{source.labels}: already measured in {folder}")
        else:
            what = _sum_up(numbers, len(about.files))
            self.reporter.say(f"{source.labels} -> {folder} ({what})")
            for note in about.notes:
                self.reporter.say(f"{source.labels}: {note}")
        self._kept.append((source.name, about, numbers))
        state, report = about.made_from.labels_state, f"{source.name}/{REPORT}"
        self._members.append(Member(source.name, about.eye, state, report, numbers))
        self._done.append(
            {
                "labels": str(source.labels),
                "scan": found.scan,
                "numbers": len(numbers),
                "files": [str(folder / name) for name in about.files],
                "notes": list(about.notes),
                "resumed": found.is_known,
            }
        )


def _make_rows(stem: str, about: About, numbers: Sequence[Measurement]) -> list[dict[str, Any]]:
    made = about.made_from
    first = dict(zip(_ABOUT, (stem, about.eye or ""), strict=True))
    last = dict(zip(_MADE, (made.model, made.labels_state), strict=True))
    return [{**first, **one.to_row(), **last} for one in numbers]


def _sum_up(numbers: Sequence[Measurement], n_files: int) -> str:
    """The numbers that are looked at first."""
    parts = []
    for key in _SHOWN:
        one = next((m for m in numbers if _key(m) == key), None)
        if one is not None and one.value is not None:
            name = "CST" if key[0] == "CST" else f"{key[1]} {key[0]}"
            ends = "" if None in (one.low, one.high) else f" ({one.low:.4g} to {one.high:.4g})"
            parts.append(f"{name} {one.value:.4g} {one.unit}{ends}")
    return ", ".join([*parts, count_noun(len(numbers), "number"), count_noun(n_files, "file")])


def _key(one: Measurement) -> tuple[str, str, str]:
    return one.measure, one.structure, one.sector

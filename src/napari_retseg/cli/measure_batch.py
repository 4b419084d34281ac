"""Labels of many scans measured into one table; one that fails leaves the others done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_retseg import __version__
from napari_retseg.cli.group import describe_failed_input, name_input
from napari_retseg.cli.label_sources import Labelled, Source
from napari_retseg.cli.measure_records import (
    NUMBERS,
    About,
    find_measured,
    forget_measured,
    keep_measured,
)
from napari_retseg.cli.outputs import make_folder
from napari_retseg.cli.reporting import Reporter
from napari_retseg.io.atomic import write_text
from napari_retseg.measures import COLUMNS, Centre, Measurement, measure_labels
from napari_retseg.measures.cohort import Member, make_cohort
from napari_retseg.measures.pictures import write_maps
from napari_retseg.measures.sheet import Origin, make_sheet
from napari_retseg.measures.table import format_table
from napari_retseg.plural import count_noun

TABLE = "measures.csv"
#: The page to read and print, in the folder of a scan.
REPORT = "report.html"
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
    failed
        What could not be measured, with the reason.
    """

    output: Path
    centre: Centre
    reporter: Reporter
    resume: bool = False
    failed: list[dict[str, str]] = field(default_factory=list)
    _rows: list[dict[str, Any]] = field(default_factory=list)
    _done: list[dict[str, Any]] = field(default_factory=list)
    _members: list[Member] = field(default_factory=list)

    def run(self, sources: Sequence[Source]) -> None:
        """Measure one scan after the other, then write the table and the page of all.

        Raises
        ------
        InputError
            Where the folder cannot be made, or a file not be written.
        """
        make_folder(self.output)
        for source in sources:
            try:
                self._measure(source)
            except Exception as error:  # noqa: BLE001 - one file's failure is not the others'
                line = name_input(source.labels, describe_failed_input(error))
                self.reporter.fail(line)
                self.failed.append({"labels": str(source.labels), "error": line})
        if self._rows:
            columns = (*_ABOUT, *COLUMNS, *_MADE)
            write_text(self.output / TABLE, format_table(self._rows, columns))
            self.reporter.say(f"table: {self.output / TABLE}")
        if len(self._members) > 1:
            path = write_text(self.output / COHORT, make_cohort(self._members, __version__))
            self.reporter.say(f"all scans on a page: {path}")

    def summarise(self) -> dict[str, Any]:
        """Return what was done, as plain values."""
        table = str(self.output / TABLE) if self._rows else None
        cohort = str(self.output / COHORT) if len(self._members) > 1 else None
        return {"table": table, "cohort": cohort, "measured": self._done, "failed": self.failed}

    def _measure(self, source: Source) -> None:
        labelled = source.open(self.centre)
        folder = self.output / source.name
        known = find_measured(folder, labelled.made) if self.resume else None
        if known is None:
            about, numbers = self._measure_anew(source.name, labelled)
            what = _sum_up(numbers, len(about.files))
            self.reporter.say(f"{source.labels} -> {folder} ({what})")
            for note in about.notes:
                self.reporter.say(f"{source.labels}: {note}")
        else:
            about, numbers = known
            self.reporter.say(f"{source.labels}: already measured in {folder}")
        self._rows += _make_rows(source.name, about, numbers)
        state, report = about.made_from.labels_state, f"{source.name}/{REPORT}"
        self._members.append(Member(source.name, about.eye, state, report, numbers))
        self._done.append(
            {
                "labels": str(source.labels),
                "scan": str(labelled.scan),
                "numbers": len(numbers),
                "files": [str(folder / name) for name in about.files],
                "notes": list(about.notes),
                "resumed": known is not None,
            }
        )

    def _measure_anew(self, name: str, labelled: Labelled) -> tuple[About, tuple[Measurement, ...]]:
        """Measure a scan and write all files of its folder."""
        scan, values, is_doubtful = labelled.read()
        made, classes = labelled.made, labelled.classes
        measures = measure_labels(
            values, classes, scan, centre=self.centre, is_doubtful=is_doubtful
        )
        measures = labelled.sureness.widen(measures, scan)
        folder = self.output / name
        make_folder(folder)
        forget_measured(folder)
        maps = write_maps(measures, folder)
        origin = Origin(name, made.labels_state, (made.model_weights or "")[:12], __version__)
        write_text(folder / REPORT, make_sheet(measures, values, classes, scan, origin))
        files = (REPORT, NUMBERS, *(file.name for file in maps))
        about = About(made_from=made, eye=measures.eye, notes=measures.notes, files=files)
        keep_measured(folder, about, measures.numbers)
        return about, measures.numbers


def _make_rows(stem: str, about: About, numbers: Sequence[Measurement]) -> list[dict[str, Any]]:
    made = about.made_from
    first = dict(zip(_ABOUT, (stem, about.eye or ""), strict=True))
    last = dict(zip(_MADE, ((made.model_weights or "")[:12], made.labels_state), strict=True))
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

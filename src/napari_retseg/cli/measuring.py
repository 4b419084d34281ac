"""Labels of many scans measured into one table; one that fails leaves the others done."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg import __version__
from napari_retseg.classes import LabelSet
from napari_retseg.cli.export import check_scan, name_label_classes
from napari_retseg.cli.group import describe_failed_input, name_input
from napari_retseg.cli.label_records import Found, Records
from napari_retseg.cli.listing import list_scans
from napari_retseg.cli.measured import (
    NUMBERS,
    About,
    Made,
    describe_made,
    find_measured,
    forget_measured,
    keep_measured,
)
from napari_retseg.cli.outputs import make_folder
from napari_retseg.cli.reporting import Reporter
from napari_retseg.errors import InputError, UsageError
from napari_retseg.io import read_labels, read_scan
from napari_retseg.io.atomic import write_text
from napari_retseg.io.suffixes import LABEL_SUFFIXES, stem_of, suffix_of
from napari_retseg.measures import COLUMNS, Centre, Measurement, measure_labels
from napari_retseg.measures.cohort import Member, make_cohort
from napari_retseg.measures.pictures import write_maps
from napari_retseg.measures.sheet import Origin, make_sheet
from napari_retseg.plaintext import make_cell
from napari_retseg.plural import count_noun
from napari_retseg.scan import OctScan

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


@dataclass(frozen=True)
class Pair:
    """A label file and its scan; without one, the reason."""

    labels: Path
    scan: Path | None
    reason: str = ""


def find_pairs(labels: Sequence[Path], scan: Path) -> list[Pair]:
    """Find the scan of each label file.

    Raises
    ------
    UsageError
        Where two label files would have the same folder of maps.
    InputError
        Where a folder has no label files.
    """
    files = [file for path in labels for file in _list_labels(path)]
    stems = [stem_of(file).casefold() for file in files]
    again = next((f for f, stem in zip(files, stems, strict=True) if stems.count(stem) > 1), None)
    if again is not None:
        raise UsageError(f"{again}: another label file has the same name; measure one at a time")
    places = [place.path for place in list_scans([scan]).places]
    if len(files) == 1 and len(places) == 1:
        return [Pair(files[0], places[0])]
    known = {stem_of(path): path for path in places}
    reason = f"no scan {{}} in {scan}; give the scan or its folder with --scan"
    return [
        Pair(file, known.get(stem_of(file)), reason.format(stem_of(file).replace("{", "")))
        for file in files
    ]


def _list_labels(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(
        file
        for file in path.iterdir()
        if suffix_of(file) in LABEL_SUFFIXES and not file.name.startswith(".") and file.is_file()
    )
    if not files:
        raise InputError(f"{path}: contains no label files")
    return files


@dataclass(kw_only=True)
class Measuring:
    """Measures labels into one folder.

    Attributes
    ----------
    output
        The folder; made if missing.
    model
        Whose classes the labels have; None: as named beside them.
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
    model: str | None
    centre: Centre
    reporter: Reporter
    resume: bool = False
    failed: list[dict[str, str]] = field(default_factory=list)
    _rows: list[dict[str, Any]] = field(default_factory=list)
    _done: list[dict[str, Any]] = field(default_factory=list)
    _members: list[Member] = field(default_factory=list)

    def run(self, pairs: Sequence[Pair]) -> None:
        """Measure one scan after the other, then write the table and the page of all.

        Raises
        ------
        InputError
            Where the folder cannot be made, or a file not be written.
        """
        make_folder(self.output)
        for pair in pairs:
            try:
                self._measure(pair)
            except Exception as error:  # noqa: BLE001 - one file's failure is not the others'
                line = name_input(pair.labels, describe_failed_input(error))
                self.reporter.fail(line)
                self.failed.append({"labels": str(pair.labels), "error": line})
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

    def _measure(self, pair: Pair) -> None:
        if pair.scan is None:
            raise InputError(f"{pair.labels}: {pair.reason}")
        check_scan(pair.labels, pair.scan)
        found = Records(pair.labels.parent).look(pair.labels)
        classes = name_label_classes(pair.labels, self.model)
        made = describe_made(pair.scan, found, classes, self.centre)
        stem = stem_of(pair.labels)
        folder = self.output / stem
        known = find_measured(folder, made) if self.resume else None
        if known is None:
            about, numbers = self._measure_anew(pair.labels, pair.scan, found, classes, made)
            what = _sum_up(numbers, len(about.files))
            self.reporter.say(f"{pair.labels} -> {folder} ({what})")
            for note in about.notes:
                self.reporter.say(f"{pair.labels}: {note}")
        else:
            about, numbers = known
            self.reporter.say(f"{pair.labels}: already measured in {folder}")
        self._rows += _make_rows(stem, about, numbers)
        self._members.append(
            Member(stem, about.eye, about.made_from.labels_state, f"{stem}/{REPORT}", numbers)
        )
        self._done.append(
            {
                "labels": str(pair.labels),
                "scan": str(pair.scan),
                "numbers": len(numbers),
                "files": [str(folder / name) for name in about.files],
                "notes": list(about.notes),
                "resumed": known is not None,
            }
        )

    def _measure_anew(
        self, labels: Path, path: Path, found: Found, classes: LabelSet, made: Made
    ) -> tuple[About, tuple[Measurement, ...]]:
        """Measure a scan and write all files of its folder."""
        scan = read_scan(path)
        values = read_labels(labels, scan=scan)
        measures = measure_labels(
            values,
            classes,
            scan,
            centre=self.centre,
            is_doubtful=find_doubtful(found, scan),
        )
        stem = stem_of(labels)
        folder = self.output / stem
        make_folder(folder)
        forget_measured(folder)
        maps = write_maps(measures, folder)
        origin = Origin(stem, made.labels_state, (made.model_weights or "")[:12], __version__)
        write_text(folder / REPORT, make_sheet(measures, values, classes, scan, origin))
        files = (REPORT, NUMBERS, *(file.name for file in maps))
        about = About(made_from=made, eye=measures.eye, notes=measures.notes, files=files)
        keep_measured(folder, about, measures.numbers)
        return about, measures.numbers


def find_doubtful(found: Found, scan: OctScan) -> NDArray[np.bool_] | None:
    """Return the doubtful A-scans of a prediction as it was written, ``(bscan, width)``.

    Returns
    -------
    ndarray or None
        None where the labels were changed since, or nothing is known of them.
    """
    if found.state != "ours" or found.record is None:
        return None
    is_doubtful = np.zeros((scan.n_bscans, scan.spatial_shape[-1]), bool)
    for bscan, runs in found.record.doubtful.items():
        if bscan < scan.n_bscans:
            for start, stop in runs:
                is_doubtful[bscan, start:stop] = True
    return is_doubtful


def _make_rows(stem: str, about: About, numbers: Sequence[Measurement]) -> list[dict[str, Any]]:
    made = about.made_from
    first = dict(zip(_ABOUT, (stem, about.eye or ""), strict=True))
    last = dict(zip(_MADE, ((made.model_weights or "")[:12], made.labels_state), strict=True))
    return [{**first, **one.to_row(), **last} for one in numbers]


def format_table(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> str:
    """Format rows as CSV: numbers with six digits, empty where there is none."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _format(value) for name, value in row.items()})
    return stream.getvalue()


def _format(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(make_cell(value))


def _sum_up(numbers: Sequence[Measurement], n_files: int) -> str:
    """The numbers that are looked at first."""
    parts = []
    for key in _SHOWN:
        one = next((m for m in numbers if _key(m) == key), None)
        if one is not None and one.value is not None:
            name = "CST" if key[0] == "CST" else f"{key[1]} {key[0]}"
            parts.append(f"{name} {one.value:.4g} {one.unit}")
    return ", ".join([*parts, count_noun(len(numbers), "number"), count_noun(n_files, "file")])


def _key(one: Measurement) -> tuple[str, str, str]:
    return one.measure, one.structure, one.sector

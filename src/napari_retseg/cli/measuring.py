"""Labels of many scans measured into one table; one that fails leaves the others done."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg import __version__
from napari_retseg.cli.export import check_scan, name_label_classes
from napari_retseg.cli.group import describe_failed_input, name_input
from napari_retseg.cli.label_records import Found, Records, hash_scan
from napari_retseg.cli.listing import list_scans
from napari_retseg.cli.outputs import make_folder
from napari_retseg.cli.reporting import Reporter
from napari_retseg.errors import InputError, UsageError
from napari_retseg.io import read_labels, read_scan
from napari_retseg.io.atomic import write_json, write_text
from napari_retseg.io.suffixes import LABEL_SUFFIXES, stem_of, suffix_of
from napari_retseg.measures import COLUMNS, Centre, Measurement, Measures, measure_labels
from napari_retseg.measures.pictures import write_maps
from napari_retseg.measures.sheet import Origin, make_sheet
from napari_retseg.plaintext import make_cell
from napari_retseg.plural import count_noun
from napari_retseg.scan import OctScan

TABLE = "measures.csv"
#: What the numbers of a scan were made from, in its folder.
ABOUT = "about.json"
#: The page to read and print, in the same folder.
REPORT = "report.html"
_ABOUT = ("scan", "eye")
_MADE = ("model", "labels")
#: The state of labels as the table says it.
_STATES = {"ours": "predicted", "changed": "changed since predicted"}
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
    failed
        What could not be measured, with the reason.
    """

    output: Path
    model: str | None
    centre: Centre
    reporter: Reporter
    failed: list[dict[str, str]] = field(default_factory=list)
    _rows: list[dict[str, Any]] = field(default_factory=list)
    _done: list[dict[str, Any]] = field(default_factory=list)

    def run(self, pairs: Sequence[Pair]) -> None:
        """Measure one scan after the other, then write the table.

        Raises
        ------
        InputError
            Where the folder cannot be made, or the table not be written.
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
            write_text(self.output / TABLE, format_table(self._rows))
            self.reporter.say(f"table: {self.output / TABLE}")

    def summarise(self) -> dict[str, Any]:
        """Return what was done, as plain values."""
        table = str(self.output / TABLE) if self._rows else None
        return {"table": table, "measured": self._done, "failed": self.failed}

    def _measure(self, pair: Pair) -> None:
        if pair.scan is None:
            raise InputError(f"{pair.labels}: {pair.reason}")
        check_scan(pair.labels, pair.scan)
        scan = read_scan(pair.scan)
        values = read_labels(pair.labels, scan=scan)
        found = Records(pair.labels.parent).look(pair.labels)
        classes = name_label_classes(pair.labels, self.model)
        measures = measure_labels(
            values,
            classes,
            scan,
            centre=self.centre,
            is_doubtful=find_doubtful(found, scan),
        )
        stem = stem_of(pair.labels)
        folder = self.output / stem
        make_folder(folder)
        maps = write_maps(measures, folder)
        origin = Origin(stem, _say_state(found), _say_model(found), __version__)
        report = write_text(folder / REPORT, make_sheet(measures, values, classes, scan, origin))
        write_json(folder / ABOUT, self._describe(pair.scan, measures, found))
        self._rows += _make_rows(stem, measures, found)
        self._done.append(
            {
                "labels": str(pair.labels),
                "scan": str(pair.scan),
                "numbers": len(measures.numbers),
                "maps": [str(path) for path in maps],
                "report": str(report),
                "notes": list(measures.notes),
            }
        )
        self.reporter.say(f"{pair.labels} -> {folder} ({_sum_up(measures, len(maps))})")
        for note in measures.notes:
            self.reporter.say(f"{pair.labels}: {note}")

    def _describe(self, scan: Path, measures: Measures, found: Found) -> dict[str, Any]:
        """What the numbers were made from, by content."""
        record = found.record
        return {
            "scan": hash_scan(scan),
            "labels": found.digest,
            "labels_state": _say_state(found),
            "model_weights": None if record is None else record.made_from.weights,
            "centre": self.centre,
            "notes": list(measures.notes),
            "program": __version__,
        }


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


def _say_state(found: Found) -> str:
    return _STATES.get(found.state, "unknown")


def _say_model(found: Found) -> str:
    return "" if found.record is None else found.record.made_from.weights[:12]


def _make_rows(stem: str, measures: Measures, found: Found) -> list[dict[str, Any]]:
    about = dict(zip(_ABOUT, (stem, measures.eye or ""), strict=True))
    made = dict(zip(_MADE, (_say_model(found), _say_state(found)), strict=True))
    return [{**about, **one.to_row(), **made} for one in measures.numbers]


def format_table(rows: Sequence[dict[str, Any]]) -> str:
    """Format rows as CSV: numbers with six digits, empty where there is none."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, (*_ABOUT, *COLUMNS, *_MADE), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _format(value) for name, value in row.items()})
    return stream.getvalue()


def _format(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(make_cell(value))


def _sum_up(measures: Measures, n_maps: int) -> str:
    """The numbers that are looked at first."""
    parts = []
    for key in _SHOWN:
        one = next((m for m in measures.numbers if _key(m) == key), None)
        if one is not None and one.value is not None:
            name = "CST" if key[0] == "CST" else f"{key[1]} {key[0]}"
            parts.append(f"{name} {one.value:.4g} {one.unit}")
    return ", ".join([*parts, count_noun(len(measures.numbers), "number"), f"{n_maps} files"])


def _key(one: Measurement) -> tuple[str, str, str]:
    return one.measure, one.structure, one.sector

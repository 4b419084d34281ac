"""Pairs of labels compared into one folder of tables; one that fails leaves the others done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_retseg.agreement import Agreement, Cohort, compare_labels
from napari_retseg.agreement.cohort import ALL, choose_shown, list_boundaries, list_overlap
from napari_retseg.agreement.figures import format_short, write_figures
from napari_retseg.agreement.pairing import Pair, Pairs, find_pairs, find_scan, read_pair
from napari_retseg.agreement.tables import write_tables
from napari_retseg.classes import LabelSet
from napari_retseg.cli.export import check_scan
from napari_retseg.cli.group import describe_failed_input, name_input
from napari_retseg.cli.outputs import make_folder
from napari_retseg.cli.reporting import Reporter
from napari_retseg.io import read_scan
from napari_retseg.measures import Centre
from napari_retseg.models import find_model, read_info
from napari_retseg.models.label_records import recall_classes
from napari_retseg.plaintext import make_visible
from napari_retseg.plural import count_noun, list_first
from napari_retseg.scan import OctScan
from napari_retseg.scoretable import align

_FIGURES = "figures"
#: Scans that are named before a note.
_NAMED = 3


@dataclass(kw_only=True)
class CompareBatch:
    """Compares labels into one folder.

    Attributes
    ----------
    output
        The folder; made if missing.
    scan
        The scan, or the folder of scans; None: the scale is that of the label files.
    model
        Whose classes the labels have; None: as named beside them.
    centre
        Of the ETDRS grid.
    reporter
        Tells the user.
    failed
        What could not be compared, with the reason.
    """

    output: Path
    scan: Path | None
    model: str | None
    centre: Centre
    reporter: Reporter
    failed: list[dict[str, str]] = field(default_factory=list)
    _done: list[dict[str, Any]] = field(default_factory=list)
    _files: list[str] = field(default_factory=list)
    _notes: dict[str, list[str]] = field(default_factory=dict)

    def run(self, first: Path, second: Path) -> None:
        """Compare one pair after the other, then write tables and figures.

        Raises
        ------
        InputError
            Where nothing can be paired, the classes differ, or nothing can be written.
        """
        pairs = find_pairs(first, second, classes=self._find_classes(), recall=recall_classes)
        make_folder(self.output)
        for line in pairs.alone:
            self._fail(line)
        cohort = Cohort(pairs.first)
        for pair in pairs.found:
            try:
                self._compare(pair, pairs, cohort)
            except Exception as error:  # noqa: BLE001 - one file's failure is not the others'
                line = describe_failed_input(error)
                self._fail(line if str(pair.second) in line else name_input(pair.first, line))
        if len(cohort):
            self._write(cohort)

    def summarise(self) -> dict[str, Any]:
        """Return what was done, as plain values."""
        return {"files": self._files, "compared": self._done, "failed": self.failed}

    def _find_classes(self) -> LabelSet | None:
        return None if self.model is None else read_info(find_model(self.model)).classes

    def _fail(self, line: str) -> None:
        self.reporter.fail(line)
        self.failed.append({"error": line})

    def _compare(self, pair: Pair, pairs: Pairs, cohort: Cohort) -> None:
        scan = self._read_scan(pair, is_one=len(pairs.found) == 1)
        first, second, scan = read_pair(pair, pairs, scan)
        eye = compare_labels(first, second, pairs.first, scan, name=pair.name, centre=self.centre)
        cohort.add(eye)
        for note in eye.notes:
            self._notes.setdefault(note, []).append(pair.name)
        files = {"a": str(pair.first), "b": str(pair.second)}
        self._done.append({"scan": pair.name, **files, "notes": list(eye.notes)})

    def _read_scan(self, pair: Pair, *, is_one: bool) -> OctScan | None:
        if self.scan is None:
            return None
        path = find_scan(pair, self.scan, is_one=is_one)
        for labels in (pair.first, pair.second):
            check_scan(labels, path)
        return read_scan(path)

    def _write(self, cohort: Cohort) -> None:
        agreements = cohort.list_agreements()
        self._files += [str(path) for path in write_tables(cohort, self.output)]
        shown = list(choose_shown(agreements))
        folder = self.output / _FIGURES
        make_folder(folder)
        self._files += [str(path) for path in write_figures(shown, folder)]
        self.reporter.say(f"{count_noun(len(cohort), 'pair')} of labels compared")
        for note, names in self._notes.items():
            self.reporter.say(f"{list_first(names, _NAMED)}: {note}")
        self._show(cohort, shown)
        self.reporter.say(f"tables and figures: {self.output}")

    def _show(self, cohort: Cohort, shown: Sequence[Agreement]) -> None:
        scores = cohort.scores
        overlap = list_overlap(scores, ALL, "")
        rows = [[row["class"], _three(row["dice"]), _three(row["iou"]), ""] for row in overlap]
        self._say_table([["class", "Dice", "IoU", ""], *rows])
        boundaries = list_boundaries(scores, ALL, "", cohort.unit)
        if boundaries:
            titles = [f"{what} {cohort.unit}" for what in ("error", "95 %", "bias")]
            rows = [
                [row["boundary"], *(_two(row[m]) for m in ("mean", "p95", "bias")), ""]
                for row in boundaries
            ]
            self._say_table([["boundary", *titles, ""], *rows])
        if shown:
            titles = ["n", "mean A", "bias", "lower", "upper", "ICC"]
            self._say_table([["measure", *titles, ""], *map(_sum_up, shown)])

    def _say_table(self, rows: Sequence[Sequence[object]]) -> None:
        self.reporter.say("")
        self.reporter.say_lines(align([[make_visible(cell) for cell in row] for row in rows]))


def _sum_up(one: Agreement) -> list[str]:
    measure, structure, sector, unit = one.key
    row = one.to_row()
    numbers = [_short(row[key]) for key in ("mean_a", "bias", "lower", "upper")]
    name = f"{structure} {measure}" + ("" if sector == "scan" else f" {sector}")
    return [name, str(one.limits.n), *numbers, _three(row["icc"]), unit]


def _two(value: object) -> str:
    return "-" if value is None else f"{value:.2f}"


def _three(value: object) -> str:
    return "-" if value is None else f"{value:.3f}"


def _short(value: object) -> str:
    return format_short(value) if isinstance(value, float) else "-"

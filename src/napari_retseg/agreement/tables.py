"""The agreement as CSV files, and as text for a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from napari_retseg.agreement.cohort import (
    AGREEMENT,
    ALL,
    BOUNDARIES,
    MEASURES,
    OVERLAP,
    Cohort,
    Row,
)
from napari_retseg.io.atomic import write_text
from napari_retseg.measures.table import format_table
from napari_retseg.plaintext import make_cell


def write_tables(cohort: Cohort, folder: Path) -> list[Path]:
    """Write what is known of a cohort as CSV, a file for each table.

    Raises
    ------
    InputError
        Where the system refuses.
    """
    return [
        write_text(folder / f"{name}.csv", format_table(rows, columns))
        for name, rows, columns in _list_tables(cohort)
    ]


def format_tables(cohort: Cohort) -> str:
    """Return overlap, boundaries and measures of each scan as lines with tabs."""
    lines: list[str] = []
    for name, rows, columns in _list_tables(cohort):
        if name == "agreement":
            continue
        shown = [row for row in rows if row["scan"] != ALL]
        names = columns[2:]
        lines += ["\t".join(names), *("\t".join(_say(row[n]) for n in names) for row in shown), ""]
    return "\n".join(lines)


def _list_tables(cohort: Cohort) -> Iterator[tuple[str, Sequence[Row], Sequence[str]]]:
    yield "overlap", cohort.list_overlap(), OVERLAP
    yield "boundaries", cohort.list_boundaries(), BOUNDARIES
    yield "measures", cohort.measures, MEASURES
    yield "agreement", [one.to_row() for one in cohort.list_agreements()], AGREEMENT


def _say(value: str | int | float | None) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(make_cell(value))

"""What changed between two visits, as files."""

from __future__ import annotations

from pathlib import Path

from napari_retseg.errors import explaining
from napari_retseg.io.atomic import write_text
from napari_retseg.measures.table import format_table
from napari_retseg.visits.change import Change
from napari_retseg.visits.pictures import write_changes
from napari_retseg.visits.rows import COLUMNS
from napari_retseg.visits.sheet import make_sheet

TABLE = "changes.csv"
REPORT = "report.html"


def write_visits(change: Change, names: tuple[str, str], folder: Path, program: str) -> list[Path]:
    """Write table, report and maps into a folder, which is made if missing.

    Parameters
    ----------
    names
        Of the first and of the second visit.
    program
        Version of napari-retseg.

    Raises
    ------
    InputError
        Where the system refuses.
    """
    with explaining(folder, "cannot create this folder", advice="choose another one"):
        folder.mkdir(parents=True, exist_ok=True)
    rows = [one.to_row() for one in change.rows]
    table = write_text(folder / TABLE, format_table(rows, COLUMNS))
    maps = write_changes(change, folder)
    page = make_sheet(change, names, program)
    return [table, *maps, write_text(folder / REPORT, page)]

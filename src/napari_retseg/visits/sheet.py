"""The report of two visits, on one page."""

from __future__ import annotations

from collections.abc import Iterator

from napari_retseg.measures.sectors import CENTRE, WHOLE
from napari_retseg.measures.spans import RETINA, TO_BRUCH
from napari_retseg.page import Cell, Page
from napari_retseg.visits.change import Change
from napari_retseg.visits.pictures import draw_visits
from napari_retseg.visits.rows import ChangeRow

_MOST_ROWS, _MOST_NOTES = 14, 6
_DASH = "-"


def make_sheet(change: Change, names: tuple[str, str], program: str) -> str:
    """Make the report of two visits: one HTML file, printed on one page of A4.

    Parameters
    ----------
    names
        Of the first and of the second visit.
    """
    page = Page(f"{names[0]} → {names[1]}", kind="sheet")
    page.add_facts(list(list_facts(change)))
    page.add_picture(
        draw_visits(change),
        "image/png",
        "Numbers: mean change of each sector in µm. *: more than the smallest change. "
        "Red: thicker, blue: thinner, grey: not measured in both.",
    )
    _add_table(page, change)
    page.add_list(change.notes[:_MOST_NOTES])
    page.add_pairs(list(_list_origin(change, program)))
    return page.render()


def list_facts(change: Change) -> Iterator[tuple[str, str]]:
    """List names and values of the numbers that are looked at first."""
    for row in change.rows:
        is_cst = row.structure in (RETINA, TO_BRUCH) and row.sector == CENTRE
        if is_cst and row.measure == "mean thickness":
            yield f"CST, {row.structure}", _say(row)
        if row.unit == "nl" and row.sector == WHOLE:
            yield f"{row.structure}, volume in the grid", _say(row)


def _say(row: ChangeRow) -> str:
    if row.change is None:
        return _DASH
    unit = "µm" if row.unit == "um" else row.unit
    return f"{row.before:.0f} → {row.after:.0f} {unit} ({row.format_change(1)})"


def _add_table(page: Page, change: Change) -> None:
    shown = list(dict.fromkeys((row.measure, row.structure) for row in change.rows))[-_MOST_ROWS:]
    sectors = change.sectors.names[:9]
    found = {(row.measure, row.structure, row.sector): row for row in change.rows}
    rows = []
    for measure, structure in shown:
        first = found[measure, structure, CENTRE]
        least = _DASH if first.smallest_change is None else f"{first.smallest_change:.1f}"
        unit = "µm" if first.unit == "um" else first.unit
        cells = [_make_cell(found[measure, structure, sector]) for sector in sectors]
        rows.append([Cell(f"{structure} ({unit})"), *cells, Cell(least, first.smallest_change)])
    page.add_rows("Change", ["", *sectors, "smallest change"], rows, n_words=1)


def _make_cell(row: ChangeRow) -> Cell:
    return Cell(row.format_change(1), row.change)


def _list_origin(change: Change, program: str) -> Iterator[tuple[str, str]]:
    yield "registration", change.registration.describe()
    yield "smallest change", change.basis
    yield "measured with", f"napari-retseg {program}"

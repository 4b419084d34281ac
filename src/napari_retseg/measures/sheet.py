"""The report of a scan: its numbers, pictures and what they rest on, on one page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import LabelSet
from napari_retseg.measures.elevation import name_bruch
from napari_retseg.measures.maps import ELEVATION
from napari_retseg.measures.panels import draw_bscan, draw_fundus, find_central_bscan, list_spans
from napari_retseg.measures.quantities import SCAN, Measurement
from napari_retseg.measures.results import Measures
from napari_retseg.measures.sectors import CENTRE, FEW, INNER_RING, OUTER_RING, WHOLE
from napari_retseg.measures.spans import RETINA, TO_BRUCH
from napari_retseg.measures.tsnit import choose_profile, draw_profile
from napari_retseg.page import Cell, Page
from napari_retseg.scan import OctScan
from napari_retseg.trust import TrustSheet, make_trust_sheet

#: Lines of the trust sheet that a reader of the numbers needs.
_KEY_LINES = (
    "axial pixel size",
    "lateral pixel size",
    "distance of B-scans",
    "B-scans",
    "laterality",
    "device",
    "quality",
)
_MEAN = "mean thickness"
#: Units as they are shown.
UNITS = {"um": "µm", "mm2": "mm²", "mm3": "mm³"}
#: With more rows of thickness and lesions than these, the page is printed smaller.
_FULL_ROWS = 14
#: The numbers in front take so many more with their intervals.
_ROWS_OF_INTERVALS = 3
#: So many rows, notes, numbers in front, and characters fit on the page.
_MOST_ROWS, _MOST_LESIONS, _MOST_NOTES = 14, 6, 5
_MOST_FACTS, _LONGEST_NOTE, _LONGEST_LINE = 7, 170, 70
#: What is listed of a lesion.
_OF_LESIONS = (
    "area",
    "area in the B-scan",
    "pixels",
    "volume",
    "pockets",
    "largest pocket",
    "height",
    "distance to the fovea",
)
#: What a table of nine sectors need not repeat.
_SUMS = (INNER_RING, OUTER_RING, SCAN)
_DASH = "-"
#: Height of the B-scan; larger where the page has no maps.
_BSCAN_INCH, _ALONE_INCH = 1.5, 3.0
#: What a table of one B-scan has of each layer.
_OF_SCAN = {
    "mean": _MEAN,
    "minimum": "minimum thickness",
    "maximum": "maximum thickness",
    "SD": "SD of thickness",
}


@dataclass(frozen=True)
class Origin:
    """What a report says of the labels.

    Attributes
    ----------
    name
        Of the scan.
    state
        Of the labels: predicted by a model, confirmed by a person, changed since.
    model
        Which model made them; empty where that is unknown.
    program
        Version of the program that measured.
    """

    name: str
    state: str
    model: str
    program: str


def make_sheet(
    measures: Measures,
    labels: NDArray[np.uint8],
    classes: LabelSet,
    scan: OctScan,
    origin: Origin,
) -> str:
    """Make the report of a scan: one HTML file, printed on one page of A4.

    Parameters
    ----------
    labels
        Class values of the scan's shape.
    """
    n_rows = len(list_spans(measures)) + len(list_lesions(measures.numbers))
    if any(one.low is not None for one in list_main(measures.numbers)):
        n_rows += _ROWS_OF_INTERVALS
    curve = choose_profile(measures)
    # without maps there is room for all
    is_alone = measures.grid is None and curve is None
    kind = "sheet dense" if n_rows > _FULL_ROWS else "sheet"
    page = Page(origin.name, kind="sheet roomy" if is_alone else kind)
    page.add_facts(list(_list_facts(measures))[:_MOST_FACTS])
    bscan = find_central_bscan(measures, scan)
    of = f"B-scan {bscan + 1} of {scan.n_bscans}"
    place = f"{of}, through the centre of the grid" if measures.sectors is not None else of
    dashed = f" Dashed: {name_bruch(scan)}." if TO_BRUCH in list_spans(measures) else ""
    height = _ALONE_INCH if is_alone else _BSCAN_INCH
    picture = draw_bscan(measures, labels, classes, scan, bscan, height_inch=height)
    page.add_picture(picture, "image/png", f"{place}.{dashed}")
    page.add_keys((one.name, one.color) for one in classes.foreground)
    fundus = draw_fundus(measures, scan, bscan)
    if fundus is not None:
        page.add_picture(fundus, "image/png", _describe_maps(measures))
    if curve is not None:
        text = "Thickness around the optic disc; dashed: mean of each sector."
        page.add_picture(draw_profile(measures, curve), "image/png", text)
    _add_thickness(page, measures)
    _add_lesions(page, measures, name_bruch(scan))
    trust = make_trust_sheet(scan)
    _add_notes(page, [*measures.notes, *trust.warnings])
    page.add_pairs(list(_list_origin(measures, trust, origin)))
    return page.render()


def format_value(one: Measurement) -> str:
    """Write a number with its unit, and its interval where it has one."""
    if one.value is None:
        return _DASH
    unit = f" {UNITS.get(one.unit, one.unit)}" if one.unit else ""
    return f"{format_number(one.value, one.unit)}{unit}{_format_ends(one)}"


def _format_ends(one: Measurement) -> str:
    """Write the interval of a number behind it, where it has one."""
    if one.low is None or one.high is None:
        return ""
    low, high = (format_number(end, one.unit) for end in (one.low, one.high))
    return f" ({low} to {high})"


def format_number(value: float, unit: str) -> str:
    """Write a number as exactly as its unit deserves."""
    if unit in ("um", "px", ""):
        return f"{value:.0f}"
    return f"{value:.2f}" if unit in ("mm2", "mm3") else f"{value:.1f}"


def list_lesions(numbers: Sequence[Measurement]) -> list[str]:
    """Name the lesions that were looked for."""
    return list(dict.fromkeys(one.structure for one in numbers if one.measure == "pockets"))


def list_main(numbers: Sequence[Measurement]) -> list[Measurement]:
    """List the numbers that are looked at first.

    Those to an estimated Bruch's membrane are left out where the retina has the same.
    """
    keys = [("CST", span, CENTRE) for span in (RETINA, TO_BRUCH)]
    keys += [("volume", span, WHOLE) for span in (RETINA, TO_BRUCH)]
    for name in list_lesions(numbers):
        keys += [(measure, name, SCAN) for measure in ("volume", "area in the B-scan", "pixels")]
    known = {(one.measure, one.structure, one.sector): one for one in numbers}
    shown = []
    for measure, structure, sector in keys:
        one = known.get((measure, structure, sector))
        retina = known.get((measure, RETINA, sector)) if structure == TO_BRUCH else None
        if one is not None and (retina is None or retina.value != one.value):
            shown.append(one)
    return shown


def name_main(one: Measurement) -> str:
    """Name one of these numbers."""
    if one.measure == "CST":
        return "CST" if one.structure == RETINA else "CST to BM"
    return f"{one.structure} {one.measure}"


def _list_facts(measures: Measures) -> Iterator[tuple[str, str]]:
    yield "eye", measures.eye or "unknown"
    for one in list_main(measures.numbers):
        yield name_main(one), format_value(one)


def _describe_maps(measures: Measures) -> str:
    text = "Thickness as seen on the fundus (grey: not measured); yellow: the B-scan above."
    if measures.sectors is not None:
        text += " ETDRS grid of 1, 3 and 6 mm with means."
    return text


def _add_thickness(page: Page, measures: Measures) -> None:
    """Add the mean thickness of each layer by sector, and its volume."""
    means = {(m.structure, m.sector): m for m in measures.numbers if m.measure == _MEAN}
    volumes = {
        m.structure: m for m in measures.numbers if (m.measure, m.sector) == ("volume", WHOLE)
    }
    if not means:
        return
    left_out = () if measures.sectors is None else _SUMS
    sectors = list(dict.fromkeys(sector for _, sector in means if sector not in left_out))
    if sectors == [SCAN]:
        _add_layers(page, measures)
        return
    unit = UNITS.get(measures.unit, measures.unit)
    has_volumes = measures.sectors is not None and measures.unit == "um"
    head = [f"mean thickness ({unit})", *sectors, *(["volume (mm³)"] if has_volumes else [])]
    rows = []
    few = False
    spans = list_spans(measures)
    for name in spans[:_MOST_ROWS]:
        cells = [Cell(name)]
        for sector in sectors:
            cell, is_few = _fill(means.get((name, sector)))
            few |= is_few
            cells.append(cell)
        if has_volumes:
            cells.append(_fill(volumes.get(name))[0])
        rows.append(cells)
    page.add_rows("", head, rows, n_words=1)
    if len(spans) > _MOST_ROWS:
        page.add_text(f"and {len(spans) - _MOST_ROWS} more, in measures.csv", "notes")
    if few:
        page.add_text(f"* less than {FEW:.0%} of the sector is measured", "notes")


def _add_layers(page: Page, measures: Measures) -> None:
    """Add what is known of each layer in a scan without sectors."""
    known = {(m.structure, m.measure): m for m in measures.numbers if m.sector == SCAN}
    spans = list_spans(measures)
    rows = [
        [Cell(span), *(_write_cell(known.get((span, kind))) for kind in _OF_SCAN.values())]
        for span in spans[:_MOST_ROWS]
    ]
    unit = UNITS.get(measures.unit, measures.unit)
    page.add_rows("", [f"thickness ({unit})", *_OF_SCAN], rows, n_words=1)
    if len(spans) > _MOST_ROWS:
        page.add_text(f"and {len(spans) - _MOST_ROWS} more, in measures.csv", "notes")


def _fill(one: Measurement | None) -> tuple[Cell, bool]:
    if one is None or one.value is None:
        return Cell(_DASH), False
    is_few = one.valid is not None and one.valid < FEW
    return Cell(format_number(one.value, one.unit) + "*" * is_few, one.value), is_few


def _add_lesions(page: Page, measures: Measures, bruch: str) -> None:
    names = list_lesions(measures.numbers)
    if not names:
        return
    found: dict[tuple[str, str], Measurement] = {
        (m.measure, m.structure): m
        for m in measures.numbers
        if m.structure in names and m.sector == SCAN
    }
    units = {kind: one.unit for (kind, _), one in found.items()}
    kinds = [kind for kind in _OF_LESIONS if kind in units]
    heads = [
        f"{kind} ({UNITS.get(units[kind], units[kind])})" if units[kind] else kind for kind in kinds
    ]
    rows = []
    for name in names[:_MOST_LESIONS]:
        shown = [found.get((kind, name)) for kind in kinds]
        rows.append(
            [
                Cell(name),
                *(_write_cell(m) for m in shown),
            ]
        )
    page.add_rows("", ["lesion", *heads], rows, n_words=1)
    if len(names) > _MOST_LESIONS:
        page.add_text(f"and {len(names) - _MOST_LESIONS} more, in measures.csv", "notes")
    if ELEVATION in names:
        page.add_text(f"{ELEVATION}: above {bruch}", "notes")


def _write_cell(one: Measurement | None) -> Cell:
    if one is None or one.value is None:
        return Cell(_DASH)
    return Cell(f"{format_number(one.value, one.unit)}{_format_ends(one)}", one.value)


def _add_notes(page: Page, notes: Sequence[str]) -> None:
    if len(notes) > _MOST_NOTES:
        rest = f"and {len(notes) - _MOST_NOTES + 1} more: see about.json and napari-retseg info"
        notes = [*notes[: _MOST_NOTES - 1], rest]
    if notes:
        page.add_list((_shorten(note, _LONGEST_NOTE) for note in notes), "flags")


def _list_origin(
    measures: Measures, trust: TrustSheet, origin: Origin
) -> Iterator[tuple[str, str]]:
    """What the numbers rest on: labels, model, and the key lines of the trust sheet."""
    yield "labels", origin.state
    yield "model", origin.model or "unknown"
    for name, text in trust.list_rows():
        if name in _KEY_LINES and text != "unknown":
            yield name, _shorten(text, _LONGEST_LINE)
    left_out = [m for m in measures.numbers if m.measure == "A-scans left out" and m.value]
    if left_out:
        yield "A-scans left out", ", ".join(f"{m.value:.0f} {m.structure}" for m in left_out)
    yield "measured with", f"napari-retseg {origin.program}"


def _shorten(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"

"""Two visits as files: labels and scans that are read, and what changed written into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_retseg import __version__
from napari_retseg.cli.label_sources import find_sources
from napari_retseg.cli.reporting import Reporter
from napari_retseg.errors import UsageError
from napari_retseg.io.suffixes import stem_of
from napari_retseg.measures import Centre
from napari_retseg.plaintext import make_visible
from napari_retseg.scoretable import align
from napari_retseg.visits import Change, Visit
from napari_retseg.visits.files import write_visits


def find_visits(
    labels: tuple[Path, Path], scans: tuple[Path, ...], model: str | None, centre: Centre
) -> tuple[Visit, Visit]:
    """Read labels and scan of both visits.

    Raises
    ------
    UsageError
        Where a scan is not given, or labels are of several scans.
    InputError
        Where a file cannot be read, or labels are not of their scan.
    """
    first, second = (
        _read_visit(path, scans[k] if scans else None, model, centre)
        for k, path in enumerate(labels)
    )
    return first, second


def _read_visit(path: Path, scan: Path | None, model: str | None, centre: Centre) -> Visit:
    sources = find_sources([path], scan, model)
    if len(sources) != 1:
        raise UsageError(f"{path}: labels of several scans; give those of one")
    labelled = sources[0].open(centre)
    read, values, is_doubtful = labelled.read()
    return Visit(str(path), read, values, labelled.classes, is_doubtful, labelled.said_by)


def write_change(
    change: Change, labels: tuple[Path, Path], output: Path, reporter: Reporter
) -> dict[str, Any]:
    """Write table, report and maps.

    Returns
    -------
    dict
        What was done, as plain values.

    Raises
    ------
    InputError
        Where the system refuses.
    """
    first, second = (stem_of(path) for path in labels)
    files = write_visits(change, (first, second), output, __version__)
    _show(change, reporter)
    reporter.say(f"table, report and maps: {output}")
    found = change.registration
    return {
        "files": [str(path) for path in files],
        "registration": {
            "rotation_deg": found.turn_deg,
            "scale": found.scale,
            "correlation": found.similarity,
            "elsewhere": found.rival,
            "overlap": found.overlap,
            "picture": found.kind,
        },
        "repeatability": change.repeatability.source,
        "notes": list(change.notes),
    }


def _show(change: Change, reporter: Reporter) -> None:
    found = change.registration
    reporter.say(f"registered on the {found.describe()}")
    for note in change.notes:
        reporter.say(note)
    reporter.say(f"smallest change: {change.basis}")
    sectors = change.sectors.names[:9]
    kinds = dict.fromkeys((row.measure, row.structure, row.unit) for row in change.rows)
    by_key = {(row.measure, row.structure, row.sector): row for row in change.rows}
    lines = [["", *sectors, ""]]
    for measure, structure, unit in kinds:
        cells = (by_key[measure, structure, sector].format_change(1) for sector in sectors)
        lines.append([make_visible(structure), *cells, unit])
    reporter.say_lines(align(lines))

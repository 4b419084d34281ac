"""``napari-retseg info``: what a reader sees in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from napari_retseg.cli.group import FAILED, describe_failed_input, name_input
from napari_retseg.cli.options import JsonOption
from napari_retseg.plaintext import make_visible
from napari_retseg.volume_path import name_volume


def info(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Scan files, exports of devices, or folders of B-scans."),
    ],
    show_identifiers: Annotated[
        bool,
        typer.Option(
            "--show-identifiers",
            help="Also show who was examined: name, identifiers, dates. Off by default.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what is in a scan file, and what can be trusted.

    Pixel size and how it is known, number and order of B-scans, laterality,
    device, quality. A file with several volumes is listed; name one of them as
    FILE#0.
    """
    from napari_retseg.cli.reporting import Reporter

    found: list[dict[str, Any]] = []
    failed = 0
    with Reporter(as_json=as_json) as reporter:
        for path in paths:
            try:
                about, rows = _describe(path, identifiers=show_identifiers)
            except Exception as error:  # noqa: BLE001 - one file's failure is not the others'
                failed += 1
                line = name_input(path, describe_failed_input(error))
                reporter.fail(line)
                found.append({"path": str(path), "error": line})
                continue
            found.append({"path": str(path), **about})
            if not as_json:
                reporter.say_lines(_format(path, rows))
        reporter.finish(found)
    if failed:
        raise typer.Exit(FAILED)


_Rows = list[tuple[str, str]]
#: Facts that the trust sheet shows with how they are known.
_ON_THE_SHEET = (
    "path", "spacing_um", "spacing_source", "laterality", "device", "scan_pattern",
    "bscans_declared", "bscans_read", "trust",
)  # fmt: skip


def _describe(path: Path, *, identifiers: bool) -> tuple[dict[str, Any], _Rows]:
    """Describe a scan, or list the volumes of a file that holds several; also as lines."""
    from napari_retseg.io import describe_scan, read_scan
    from napari_retseg.io.devices import read_identifiers
    from napari_retseg.io.volumes import SeveralVolumesError
    from napari_retseg.trust import make_trust_sheet

    try:
        scan = read_scan(path)
    except SeveralVolumesError as several:
        rows = [(name_volume(path, k).name, text) for k, text in enumerate(several.volumes)]
        about: dict[str, Any] = {
            "volumes": [{"path": str(path.with_name(name)), "content": text} for name, text in rows]
        }
    else:
        about = describe_scan(scan)
        rows = [*_list_facts(about), *make_trust_sheet(scan).list_rows()]
        rows += [("note", note) for note in scan.notes]
    if identifiers:
        about["identifiers"] = dict(read_identifiers(path))
        rows += about["identifiers"].items()
    return about, rows


def _list_facts(about: dict[str, Any]) -> _Rows:
    """List the facts that are known and that the trust sheet does not have."""
    return [
        (name.replace("_", " "), _write(value))
        for name, value in about.items()
        if name not in (*_ON_THE_SHEET, "notes") and value not in (None, [], ())
    ]


def _format(path: Path, rows: _Rows) -> str:
    lines = [str(path), *(f"  {name:<20} {text}" for name, text in rows)]
    return "\n".join(make_visible(line) for line in lines)


def _write(value: Any) -> str:
    if isinstance(value, list | tuple):
        joint = ", " if all(isinstance(one, str) for one in value) else " x "
        return joint.join("?" if one is None else _write(one) for one in value)
    return f"{value:g}" if isinstance(value, float) else str(value)

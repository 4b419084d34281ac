"""``napari-retseg info``: what a reader sees in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from napari_retseg.cli.group import FAILED, describe_failed_input, name_input
from napari_retseg.cli.options import JsonOption
from napari_retseg.plaintext import make_visible


def info(
    paths: Annotated[list[Path], typer.Argument(help="Scan files, or folders of B-scans.")],
    as_json: JsonOption = False,
) -> None:
    """Show what is in a scan file.

    Axes, pixel size and its source, number of B-scans, laterality.
    """
    from napari_retseg.cli.reporting import Reporter
    from napari_retseg.io import describe_scan, read_scan

    found: list[dict[str, Any]] = []
    failed = 0
    with Reporter(as_json=as_json) as reporter:
        for path in paths:
            try:
                about = describe_scan(read_scan(path))
            except Exception as error:  # noqa: BLE001 - one file's failure is not the others'
                failed += 1
                line = name_input(path, describe_failed_input(error))
                reporter.fail(line)
                found.append({"path": str(path), "error": line})
                continue
            found.append({"path": str(path), **about})
            if not as_json:
                reporter.say_lines(_format(path, about))
        reporter.finish(found)
    if failed:
        raise typer.Exit(FAILED)


def _format(path: Path, about: dict[str, Any]) -> str:
    """Write one line for each fact that is known."""
    lines = [str(path)]
    for name, value in about.items():
        if value is None or value == [] or value == () or name == "path":
            continue
        values = value if name == "notes" else [value]
        lines += [f"  {name.replace('_', ' '):<18} {_write(one)}" for one in values]
    return "\n".join(make_visible(line) for line in lines)


def _write(value: Any) -> str:
    if isinstance(value, list | tuple):
        joint = ", " if all(isinstance(one, str) for one in value) else " x "
        return joint.join("?" if one is None else _write(one) for one in value)
    return f"{value:g}" if isinstance(value, float) else str(value)

"""``napari-retseg gui``: napari with the workbench open."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from napari_retseg.errors import InputError, UsageError

#: Tabs in this order; napari brings the first one to the front.
DOCKS = ("Retseg workbench", "Scores")


def gui(scans: Annotated[list[Path] | None, typer.Argument(help="Scans to open.")] = None) -> None:
    """Start napari with the workbench and the Scores dock."""
    paths = scans or []
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise InputError(f"{missing[0]}: file or folder not found")
    if find_spec("napari") is None:
        raise UsageError(
            "napari is not installed; install it with: pip install 'napari-retseg[all]'"
        )
    command = gui_command(paths)
    raise typer.Exit(subprocess.run(command, check=False).returncode)  # noqa: S603 - our own


def gui_command(paths: list[Path]) -> list[str]:
    """Return the command line that starts napari with the docks and the scans."""
    files = [str(path.resolve()) for path in paths]
    reader = ["--plugin", "napari-retseg"] if files else []
    return [sys.executable, "-m", "napari", *files, *reader, "--with", "napari-retseg", *DOCKS]

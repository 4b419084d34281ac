"""Starting napari."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from napari_retseg.cli.gui import gui_command
from tests.cli.conftest import Run, only_error

#: The module; the package's attribute of this name is the command.
gui = importlib.import_module("napari_retseg.cli.gui")


def test_napari_is_asked_for_the_scans_and_the_dock(tmp_path: Path) -> None:
    command = gui_command([tmp_path / "a.tif"])
    assert command[:3] == [sys.executable, "-m", "napari"]
    assert command[3] == str(tmp_path / "a.tif")
    assert command[-4:] == ["--with", "napari-retseg", "Retseg workbench", "Scores"]


def test_napari_knows_the_docks_under_these_names() -> None:
    from npe2 import PluginManifest

    widgets = PluginManifest.from_distribution("napari-retseg").contributions.widgets or []
    assert set(gui.DOCKS) <= {widget.display_name for widget in widgets}


def test_a_missing_scan_is_named_before_napari_starts(run: Run, tmp_path: Path) -> None:
    result = run("gui", tmp_path / "none.tif")
    assert result.exit_code == 1
    assert "none.tif" in only_error(result)


def test_without_napari_the_extra_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gui, "find_spec", lambda name: None)
    result = run("gui")
    assert result.exit_code == 2
    assert "napari-retseg[all]" in only_error(result)


def test_the_exit_code_is_that_of_napari(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 3)

    monkeypatch.setattr(gui.subprocess, "run", start)
    assert run("gui").exit_code == 3

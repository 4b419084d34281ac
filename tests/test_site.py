"""The documentation's site: built without a warning, and complete without a network."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import typer

from napari_retseg.cli import app
from tests.documents import ROOT, STUDIES

#: What a browser would fetch while it shows a page.
_FETCHED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^\"'> ]+"
    r"|<link\b[^>]*\brel=[\"']?(?:stylesheet|preload|preconnect|icon)[^>]*\bhref=[\"']?(?:https?:)?//[^>]+"
    r"|@import[^;]*//[^;]+|url\([\"']?(?:https?:)?//[^)]+"
)


@pytest.fixture(scope="module")
def pages() -> ModuleType:
    """The hook that makes pages from the code."""
    pytest.importorskip("mkdocs", reason="the extra 'docs' is not installed")
    spec = importlib.util.spec_from_file_location("pages", ROOT / "scripts/reference_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def list_commands(command: Any, path: str = "napari-retseg") -> Iterator[tuple[str, Any]]:
    """Every command with its whole name."""
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from list_commands(child, f"{path} {name}")


def test_the_commands_page_names_every_command_and_option(pages: ModuleType) -> None:
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", pages.write_commands(), re.M | re.S))
    commands = dict(list_commands(typer.main.get_command(app)))
    assert list(sections) == list(commands)
    assert len(commands) > 20
    for path, command in commands.items():
        options = {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
        options = {name for name in options if name.startswith("--")} - {"--help"}
        assert {name for name in options if name not in sections[path]} == set(), path


def test_links_to_files_that_the_site_leaves_out_lead_to_the_repository(pages: ModuleType) -> None:
    page = SimpleNamespace(file=SimpleNamespace(src_uri="studies/x/README.md"))
    found = pages.on_page_markdown("[a](runs.zip) [b](../y.csv) [c](table.md)", page=page)
    folder = f"{pages.REPOSITORY}/docs/studies"
    assert found == f"[a]({folder}/x/runs.zip) [b]({folder}/y.csv) [c](table.md)"


def test_a_notebook_is_a_page(pages: ModuleType, tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Evaluate\n", "a model"]},
        {"cell_type": "code", "source": "print(1)"},
    ]
    path = tmp_path / "evaluate.ipynb"
    path.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    text = pages.write_notebook(path)
    assert text.startswith("# Evaluate\na model\n\n```python\nprint(1)\n```\n")
    assert text.endswith("[evaluate.ipynb](evaluate.ipynb).\n")


def test_the_site_builds_without_a_warning_and_fetches_nothing(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="the extra 'docs' is not installed")
    if not STUDIES.is_dir():
        pytest.skip("the sdist goes without docs/studies, and the site shows them")
    site = tmp_path / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    texts = {
        path: path.read_text(encoding="utf-8")
        for pattern in ("*.html", "*.css")
        for path in site.rglob(pattern)
    }
    assert len(texts) > 30
    assert {
        path.name: found for path, text in texts.items() if (found := _FETCHED.findall(text))
    } == {}
    assert [path.name for path in site.rglob("*") if path.suffix in {".zip", ".csv", ".py"}] == []

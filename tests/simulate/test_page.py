from __future__ import annotations

import importlib.util
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_names_every_range_as_it_is() -> None:
    script = DOCS / "simulator.py"
    spec = importlib.util.spec_from_file_location("simulator_page", script)
    assert spec is not None
    assert spec.loader is not None
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    text = (DOCS / "simulator.md").read_text(encoding="utf-8")
    assert page.replace_tables(text) == text
    assert text.count("\n| `") == 149

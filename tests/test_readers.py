"""JSON and YAML are read in one place: no module has a reader of its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "napari_retseg"
PLACES = (
    "dataset",
    "learn",
    "rounds",
    "study",
    "config",
    "events.py",
    "cli/options.py",
    "cli/train.py",
    "cli/evaluate.py",
)
#: Read elsewhere, with limits of their own.
LEFT = ("registry.py", "parameters.py", "checkpoint.py")
READERS = {
    ("json", "load"),
    ("json", "loads"),
    ("yaml", "load"),
    ("yaml", "safe_load"),
    ("zipfile", "ZipFile"),
}


def _list_modules() -> Iterator[Path]:
    for place in PLACES:
        path = SOURCE / place
        found = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        yield from (one for one in found if one.name not in LEFT)


def _find_readers(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
        mode = node.args[1] if len(node.args) > 1 else None
        is_writer = isinstance(mode, ast.Constant) and mode.value == "w"
        if (owner, node.func.attr) in READERS and not is_writer:
            yield f"{path.name}:{node.lineno} {owner}.{node.func.attr}"
        if node.func.attr in ("model_validate_json", "validate_json"):
            yield f"{path.name}:{node.lineno} {node.func.attr}"


@pytest.mark.parametrize("path", list(_list_modules()), ids=lambda path: path.stem)
def test_no_module_has_a_reader_of_its_own(path: Path) -> None:
    assert not list(_find_readers(path))

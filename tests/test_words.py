"""No text that a user reads holds a word that the glossary rules out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import napari_retseg

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path(napari_retseg.__file__).parent
GLOSSARY = ROOT / "docs" / "glossary.md"
DOCUMENTS = sorted(
    path
    for paths in (
        ROOT.glob("*.md"),
        *map((ROOT / "docs").rglob, ("*.md", "*.html", "*.csv")),
        (ROOT / "sample_data").rglob("*.md"),
    )
    for path in paths
    if path != GLOSSARY and path.name[0] != "."
)
_NOT = re.compile(r"\*Not: (.+?)\.\*", re.DOTALL)
_Docstring = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def read_forbidden(text: str) -> tuple[str, ...]:
    """Words and phrases that stand after *Not* in the glossary."""
    return tuple(
        " ".join(phrase.split()) for found in _NOT.findall(text) for phrase in found.split(", ")
    )


def find_forbidden(text: str) -> list[str]:
    """Forbidden words and phrases in a text, whatever their case."""
    shown = " ".join(text.split())
    return [word for word in FORBIDDEN if re.search(rf"(?i)(?<!\w){re.escape(word)}(?!\w)", shown)]


def list_shown(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of every string that a user may read: all but docstrings and names.

    The docstring of a command is its help.
    """
    tree = ast.parse(source)
    hidden: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, _Docstring) and node.body and not _is_command(node):
            first = node.body[0]
            hidden |= {id(first.value)} if isinstance(first, ast.Expr) else set()
        elif isinstance(node, ast.JoinedStr):
            parts = [one for one in node.values if isinstance(one, ast.Constant)]
            hidden |= {id(part) for part in parts}
            # what is put in stands for a word
            yield (
                node.lineno,
                "".join(
                    str(getattr(one, "value", "…")) if one in parts else "…" for one in node.values
                ),
            )
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in hidden
        ):
            yield node.lineno, node.value


def _is_command(node: ast.AST) -> bool:
    if not isinstance(node, ast.FunctionDef):
        return False
    names = {argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)}
    return "as_json" in names or any("command" in ast.unparse(one) for one in node.decorator_list)


FORBIDDEN = read_forbidden(GLOSSARY.read_text(encoding="utf-8"))


def test_the_glossary_rules_words_out() -> None:
    assert {"new weights", "random changes", "data set", "is told"} <= set(FORBIDDEN)


def test_a_forbidden_word_would_be_found() -> None:
    source = 'def f():\n    """Of the data set."""\n    raise E(f"{x}: New\\nweights {y}")\n'
    (shown,) = list_shown(source)
    assert shown[0] == 3
    assert find_forbidden(shown[1]) == ["new weights"]
    assert find_forbidden("renew weights; datasets") == []


@pytest.mark.parametrize("folder", sorted({p.parent for p in PACKAGE.rglob("*.py")}), ids=str)
def test_texts_of_the_program_hold_no_forbidden_word(folder: Path) -> None:
    found = [
        (f"{path.name}:{line}", word)
        for path in sorted(folder.glob("*.py"))
        for line, text in list_shown(path.read_text(encoding="utf-8"))
        for word in find_forbidden(text)
    ]
    assert found == []


@pytest.mark.parametrize("recipe", sorted(PACKAGE.rglob("*.yaml")), ids=lambda path: path.name)
def test_recipes_and_menus_hold_no_forbidden_word(recipe: Path) -> None:
    assert find_forbidden(recipe.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_hold_no_forbidden_word(document: Path) -> None:
    assert find_forbidden(document.read_text(encoding="utf-8")) == []

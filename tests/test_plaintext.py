"""Text that is shown is plain, whatever it holds."""

from __future__ import annotations

import ast
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import napari_retseg
from napari_retseg.plaintext import escape_json, make_cell, make_markdown, make_visible


def test_control_characters_are_shown() -> None:
    assert make_visible("a\x1b[2Jb\rc\nd\x07\x9b") == "a\\x1b[2Jb\\x0dc\\x0ad\\x07\\x9b"
    assert make_visible("exe\u202egnp") == "exe\\u202egnp"
    assert make_visible("a\nb\x1b", keep="\n") == "a\nb\\x1b"
    assert make_visible("größe µm 眼 👁️") == "größe µm 眼 👁️"


def test_bytes_of_names_that_are_not_utf_8_are_shown() -> None:
    assert make_visible(os.fsdecode(b"caf\xe9.png")) == "caf\\xe9.png"


@given(st.text(st.characters(exclude_categories=())))
def test_what_is_shown_can_be_written_anywhere(text: str) -> None:
    shown = make_visible(text)
    shown.encode()
    assert len(shown.splitlines()) <= 1
    assert make_visible(shown) == shown


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_a_cell_is_no_formula(text: str) -> None:
    assert str(make_cell(text)).startswith("'")


def test_numbers_stay_numbers_in_cells() -> None:
    assert make_cell(-1.5) == -1.5
    assert make_cell(None) is None
    assert make_cell("S01 - left") == "S01 - left"


HOSTILE = "a\x1b[2J\nb\u202e<img src=x>`c`[d](http://e)|f*g*&lt;"


def test_markdown_stays_text() -> None:
    shown = make_markdown(HOSTILE)
    assert not set(shown) & {*map(chr, range(32)), "<", "\u202e"}
    for mark in "`[]|":
        assert f"\\{mark}" in shown
        assert shown.count(f"\\{mark}") == shown.count(mark)
    for plain in ("GCL+IPL", "fluid_sub", "P01 (left)", "mean Dice 0.9", "a*b"):
        assert make_markdown(plain) == plain


@given(st.text(st.characters(exclude_categories=())))
def test_json_with_escapes_is_the_same_document(text: str) -> None:
    document = {"name": text, text: [text]}
    for ascii_only in (True, False):
        shown = escape_json(json.dumps(document, indent=2, ensure_ascii=ascii_only))
        assert json.loads(shown) == document
        assert make_visible(shown, keep="\n") == shown


def test_every_table_that_is_written_goes_through_cells() -> None:
    """Whoever writes CSV in the package knows what a spreadsheet does with formulas."""
    folder = Path(napari_retseg.__file__).parent
    writers = [path for path in folder.rglob("*.py") if "csv." in path.read_text(encoding="utf-8")]
    writers = [path for path in writers if "writerow" in path.read_text(encoding="utf-8")]
    assert len(writers) >= 3
    for path in writers:
        assert "make_cell(" in path.read_text(encoding="utf-8"), path


def test_only_the_terminal_module_prints() -> None:
    """``print`` and ``typer.echo`` show a text as it is: the command line has one way to print."""
    folder = Path(napari_retseg.__file__).parent
    allowed = {"cli/__init__.py"}  # the version
    allowed |= {"starter/__main__.py", "starter/training.py"}  # the maker of the starter model
    allowed.add("learn/peer.py")  # to the process that began it
    for path in folder.rglob("*.py"):
        name = path.relative_to(folder).as_posix()
        calls = {
            ast.unparse(node.func)
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call)
        }
        assert name in allowed or not calls & {"print", "typer.echo", "click.echo", "rich.print"}

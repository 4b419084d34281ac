"""Text that is shown is plain, whatever it holds."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_retseg.plaintext import make_cell, make_visible


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

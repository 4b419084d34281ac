"""One rule makes the plurals of every message."""

from __future__ import annotations

import pytest

from napari_retseg.plural import agree, count_noun, plural


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B-scans"), (1, "1 B-scan"), (2, "2 B-scans"), (11, "11 B-scans")]
)
def test_only_one_is_singular(number: int, text: str) -> None:
    assert count_noun(number, "B-scan") == text


def test_a_noun_with_an_s_gets_es() -> None:
    assert count_noun(2, "class") == "2 classes"


def test_a_part_of_one_is_plural() -> None:
    assert plural("minute", 0.5) == "minutes"
    assert plural("minute", 1.0) == "minute"


def test_verbs_agree() -> None:
    assert [agree(number) for number in (0, 1, 2)] == ["are", "is", "are"]
    assert agree(1, "was", "were") == "was"

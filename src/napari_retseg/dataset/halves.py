"""Halves of a collection: one to learn from, the other to be measured on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal


def choose_half(groups: Iterable[str], half: Literal["first", "second"]) -> tuple[str, ...]:
    """Choose every other patient in the order of names, from the first or from the second."""
    return tuple(sorted(set(groups))[("first", "second").index(half) :: 2])

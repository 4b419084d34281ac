"""The one rule of singular and plural, and of lists, for every text that a user reads."""

from __future__ import annotations

from collections.abc import Sequence


def plural(noun: str, number: float) -> str:
    """Return `noun` as it is for one, else its plural: ``B-scans``, ``classes``."""
    ending = "es" if noun.endswith("s") else "s"
    return noun if number == 1 else noun + ending


def count_noun(number: int, noun: str) -> str:
    """Write a number with its noun: ``1 B-scan``, ``2 B-scans``, ``0 scans``."""
    return f"{number} {plural(noun, number)}"


def list_first(names: Sequence[object], most: int) -> str:
    """Write the first few of a list, with dots for the others: ``1, 2, 3, ...``."""
    return ", ".join(map(str, names[:most])) + (", ..." if len(names) > most else "")


def agree(number: int, one: str = "is", many: str = "are") -> str:
    """Return the verb or word that agrees with `number`."""
    return one if number == 1 else many

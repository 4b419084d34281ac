"""The one rule of singular and plural for every text that a user reads."""

from __future__ import annotations


def plural(noun: str, number: float) -> str:
    """Return `noun` as it is for one, else its plural: ``B-scans``, ``classes``."""
    ending = "es" if noun.endswith("s") else "s"
    return noun if number == 1 else noun + ending


def count_noun(number: int, noun: str) -> str:
    """Write a number with its noun: ``1 B-scan``, ``2 B-scans``, ``0 scans``."""
    return f"{number} {plural(noun, number)}"


def agree(number: int, one: str = "is", many: str = "are") -> str:
    """Return the verb or word that agrees with `number`."""
    return one if number == 1 else many

"""Descriptions with one thing wrong: every field in turn, every kind of wrong value."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

_NESTED = "[" * 60 + "]" * 60
#: As JSON: some are no JSON at all, or of no use as it.
WRONG = (
    "null", "true", "-1", "0", "1.5", "-0.25", "1e9", "4611686018427387904", "1" + "0" * 40,
    "1e999", "NaN", "-Infinity", '""', '"x"', '"../../etc"', "[]", "{}", "[1]", '[null, "x"]',
    '{"a": {"b": []}}', _NESTED, '{"a":' * 60 + "1" + "}" * 60, '"\\u0000"', '"\\ud800"',
)  # fmt: skip
_MARK = "@@wrong@@"

Path = tuple[str | int, ...]


def find_paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Name every place in a document; of a list, the first and the last."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from find_paths(inner, (*path, key))
    elif isinstance(value, list) and value:
        for k in sorted({0, len(value) - 1}):
            yield from find_paths(value[k], (*path, k))


def mutate(
    document: dict[str, Any], *, each: int, seed: int = 0, below: tuple[str, ...] = ()
) -> Iterator[tuple[str, str]]:
    """Put `each` wrong values at every place, and take it out.

    Parameters
    ----------
    below
        Only places below these top fields; empty: all.

    Yields
    ------
    str, str
        What was done, and the document as text.
    """
    rng = random.Random(seed)
    for path in find_paths(document):
        if below and path[0] not in below:
            continue
        name = ".".join(map(str, path))
        for wrong in rng.sample(WRONG, min(each, len(WRONG))):
            yield f"{name} = {wrong[:20]}", _put(document, path, wrong)
        yield f"without {name}", _take(document, path)


def _put(document: dict[str, Any], path: Path, wrong: str) -> str:
    changed = copy.deepcopy(document)
    _parent(changed, path)[path[-1]] = _MARK
    return json.dumps(changed).replace(json.dumps(_MARK), wrong, 1)


def _take(document: dict[str, Any], path: Path) -> str:
    changed = copy.deepcopy(document)
    del _parent(changed, path)[path[-1]]
    return json.dumps(changed)


def _parent(document: Any, path: Path) -> Any:
    for key in path[:-1]:
        document = document[key]
    return document

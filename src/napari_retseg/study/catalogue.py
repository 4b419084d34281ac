"""The recipes that ship, and reading of any recipe."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from napari_retseg.errors import UsageError
from napari_retseg.records import LARGEST_YAML, parse_yaml
from napari_retseg.regular import read_limited
from napari_retseg.study.recipe import Recipe


def recipe_names() -> list[str]:
    """Names of the recipes that ship."""
    folder = files("napari_retseg.study") / "recipes"
    return sorted(p.name[: -len(".yaml")] for p in folder.iterdir() if p.name.endswith(".yaml"))


def read_recipe(
    name_or_path: str, *, quick: bool = False, changes: Mapping[str, Any] | None = None
) -> Recipe:
    """Read a recipe that ships, by name, or a file.

    Parameters
    ----------
    quick
        The quick version.
    changes
        Merged into it last.

    Raises
    ------
    UsageError
        Where there is none, or it is not valid; each problem is named.
    InputError
        Where the file cannot be read.
    """
    values = parse_yaml(_read(name_or_path), name_or_path)
    if not isinstance(values, dict):
        raise UsageError(f"{name_or_path}: not a recipe; see docs/studies.md")
    if quick and not isinstance(values.get("quick"), dict):
        raise UsageError(f"{name_or_path}: has no quick version")
    wanted = merge(values, values["quick"]) if quick else values
    try:
        return Recipe.model_validate(merge(wanted, changes or {}))
    except ValidationError as error:
        found = (
            f"{'.'.join(map(str, p['loc'])) or 'recipe'}: {p['msg'].removeprefix('Value error, ')}"
            for p in error.errors(include_url=False)
        )
        raise UsageError(f"{name_or_path}: {'; '.join(found)}") from error


def merge(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Put changes into nested mappings; ``null`` takes a key out, lists are replaced whole."""
    merged = dict(values)
    for key, change in changes.items():
        before = merged.get(key)
        if change is None:
            merged.pop(key, None)
        elif isinstance(change, dict) and isinstance(before, dict):
            merged[key] = merge(before, change)
        else:
            merged[key] = change
    return merged


def _read(name_or_path: str) -> str | bytes:
    if name_or_path in recipe_names():
        shipped = files("napari_retseg.study") / "recipes" / f"{name_or_path}.yaml"
        return shipped.read_text(encoding="utf-8")
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        raise UsageError(
            f"{name_or_path}: unknown recipe; choose from {', '.join(recipe_names())}, or give a "
            ".yaml file"
        )
    return read_limited(path, LARGEST_YAML)

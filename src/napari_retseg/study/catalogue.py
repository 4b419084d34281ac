"""The recipes that ship, and reading of any recipe."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from napari_retseg.errors import InputError, UsageError
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
    text = _read(name_or_path)
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"{name_or_path}: is no YAML ({_flat(error)})") from error
    if not isinstance(values, dict):
        raise UsageError(f"{name_or_path}: is no recipe; see docs/studies.md")
    if quick and not values.get("quick"):
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


def _read(name_or_path: str) -> str:
    if name_or_path in recipe_names():
        shipped = files("napari_retseg.study") / "recipes" / f"{name_or_path}.yaml"
        return shipped.read_text(encoding="utf-8")
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        raise UsageError(
            f"{name_or_path}: no recipe of this name; there are {', '.join(recipe_names())}, or "
            "give a .yaml file"
        )
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({_flat(error)})") from error


def _flat(error: Exception) -> str:
    return " ".join(str(error).split())

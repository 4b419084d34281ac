"""What a study does otherwise than its recipe: a report must not claim what was not done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from napari_retseg.config import TrainConfig
from napari_retseg.study.recipe import Recipe

#: Parts of a recipe that say what it is, and those of all its parts.
_TITLES = {"name", "title", "source", "fidelity", "quick"}
_NOTES = {"description", "title", "note"}
#: Where a training is computed changes nothing that a reader should know of.
_PLACES = {"device", "devices"}


def list_changes(
    recipe: Recipe, wanted: Recipe, options: Mapping[str, Any] | None = None
) -> list[tuple[str, str, str]]:
    """Compare what is done with what the recipe says.

    Parameters
    ----------
    recipe
        As it was written.
    wanted
        As it is done.
    options
        Options that were given for every training, over those of the recipe.

    Returns
    -------
    list of tuple
        Of each difference its name (``splits.four-fold.validation``), the recipe's value, and
        the value here, in words.
    """
    after = wanted.model_dump(mode="json", exclude=_TITLES)
    found = list(_compare(recipe.model_dump(mode="json", exclude=_TITLES), after))
    plain = TrainConfig().model_dump(mode="json")
    for name, value in (options or {}).items():
        before = {name: after["train"].pop(name, plain[name]), **dict(_find_option(after, name))}
        for place, old in before.items():
            if name not in _PLACES and _say(value) != _say(old):
                found.append((place, _say(old), _say(value)))
    return found


def _find_option(
    values: Mapping[str, Any], name: str, place: str = ""
) -> Iterator[tuple[str, Any]]:
    """Where parts of a recipe have an own value of an option, by their names."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            if key in ("train", "set") and name in value:
                yield f"{place}{key}.{name}", value[name]
            yield from _find_option(value, name, f"{place}{key}.")


def _compare(
    before: Mapping[str, Any], after: Mapping[str, Any], place: tuple[str, ...] = ()
) -> Iterator[tuple[str, str, str]]:
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        if old == new or name in _NOTES or (place[-1:] == ("train",) and name in _PLACES):
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping) and old and new:
            yield from _compare(old, new, (*place, name))
        else:
            yield ".".join((*place, name)), _say(old), _say(new)


def _say(value: Any) -> str:
    if value is None or value in ("", (), [], {}):
        return "none"
    if isinstance(value, Mapping):
        return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000).strip()
    if isinstance(value, list | tuple):
        return ", ".join(map(_say, value))
    return str(value)

"""What a name means now, and what it meant before."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from safetensors import safe_open

from napari_retseg.models import DESCRIPTION, WEIGHTS, find_model, list_versions, read_info

#: Writes a bundle with the identity given, and returns its folder.
Write = Callable[..., Path]


def current(name: str = "mine") -> str:
    """Identity of the model that a name means; its description and weights must belong together."""
    folder = find_model(name)
    info = read_info(folder)
    with safe_open(folder / WEIGHTS, framework="numpy") as file:
        embedded = json.loads(file.metadata()[DESCRIPTION])
    assert embedded == info.model_dump(mode="json")
    return info.weights_id


def earlier(name: str = "mine") -> dict[int, str]:
    """Identities of the versions that are not current, by number."""
    versions = [version for version in list_versions(name) if not version.is_current]
    return {v.number: v.info.weights_id if v.info else "?" for v in versions}

"""The models that a dock offers: a bad one is listed with why, and hides no other."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from napari_retseg.errors import RetsegError
from napari_retseg.models import list_models, read_info
from napari_retseg.ui.dock_state import BadModel, ModelChoice


def find_models(
    browsed: Iterable[Path],
) -> tuple[tuple[ModelChoice, ...], tuple[BadModel, ...]]:
    """Read what is known of all models: those that a name reaches, then `browsed`.

    Returns
    -------
    models, bad
        Those that can be chosen, and those that cannot be read.
    """
    found: list[ModelChoice] = []
    bad: list[BadModel] = []
    folders: list[Path] = []
    try:
        folders = list_models()
    except RetsegError as error:  # the installation lacks its samples, or a folder is locked
        bad.append(BadModel("models", str(error)))
    for folder in (*folders, *browsed):
        try:
            found.append(ModelChoice(folder, read_info(folder)))
        except RetsegError as error:
            bad.append(BadModel(folder.name, str(error)))
    return tuple(found), tuple(bad)

"""What leaves with a model: nothing that tells who its patients are.

Descriptions of version 1 name the patients' groups, which were guessed from file names; they are
written again without. The names of a dataset and of a model come from folders, which may be
named after a patient: an exported model is called as its file, and its data by hash only.
"""

from __future__ import annotations

import json
from pathlib import Path

from napari_retseg import __version__
from napari_retseg.errors import InputError, ModelError
from napari_retseg.io.atomic import replace_atomically, write_json, write_text
from napari_retseg.models.archive import pack
from napari_retseg.models.calibrated import list_kept
from napari_retseg.models.card import write_card
from napari_retseg.models.description import (
    CARD,
    DESCRIPTION,
    LARGEST_DESCRIPTION,
    WEIGHTS,
    ModelInfo,
    read_embedded,
    read_info,
)
from napari_retseg.models.weightsfile import copy_weights, find_not_finite
from napari_retseg.records import read_json


def export_model(folder: Path, target: Path) -> Path:
    """Write a bundle as one ``.zip`` that :func:`napari_retseg.models.add_model` reads.

    The model takes the name of the file. The name of its dataset stays here, but for simulated
    data; so does whatever else could tell who its patients are.

    Raises
    ------
    InputError
        Where it cannot be written.
    ModelError
        Where the bundle cannot be read, or its weights are not finite.
    """
    check_whole(folder)
    info = make_shareable(read_info(folder), name=target.stem)
    check_finite(folder / WEIGHTS)
    description = json.dumps(info.model_dump(mode="json"), indent=2, ensure_ascii=False)
    card = write_card(info, version=__version__)
    pack(
        target,
        description=description,
        card=card,
        weights=folder / WEIGHTS,
        others={name: one.model_dump_json() for name, one in list_kept(folder)},
    )
    return target


def make_shareable(info: ModelInfo, *, name: str) -> ModelInfo:
    """Return a description under another name, without the name of the dataset."""
    trained = info.trained_on
    if trained is not None and not trained.simulated:
        trained = trained.model_copy(update={"dataset": ""})
    return info.model_copy(update={"name": name, "trained_on": trained})


def check_whole(folder: Path, named: Path | None = None) -> None:
    """Raise a ModelError where a bundle lacks a file; `named` is what the message calls it."""
    missing = [file for file in (DESCRIPTION, WEIGHTS) if not (folder / file).is_file()]
    if missing:
        raise ModelError(f"{named or folder}: not a model, {' and '.join(missing)} not found")


def check_finite(weights: Path) -> None:
    """Raise a ModelError where weights hold NaN or infinity: they would predict nothing."""
    wrong = find_not_finite(weights)
    if wrong:
        raise ModelError(
            f"{weights}: the weights contain values that are not finite ({wrong}), because the "
            "training failed; use an earlier model"
        )


def clean(folder: Path) -> ModelInfo:
    """Write a bundle's files again where they hold what a description of today does not.

    Returns
    -------
    ModelInfo
        The description.

    Raises
    ------
    ModelError
        Where it cannot be read.
    """
    info = read_info(folder)
    description = info.model_dump(mode="json")
    embedded = read_embedded(folder / WEIGHTS)
    if embedded == description and _read_plainly(folder / DESCRIPTION) == description:
        return info
    if embedded is not None:
        with (
            replace_atomically(folder / WEIGHTS) as temporary,
            temporary.open("wb") as out,
        ):
            copy_weights(folder / WEIGHTS, out, {DESCRIPTION: json.dumps(description)})
    write_json(folder / DESCRIPTION, description)
    write_text(folder / CARD, write_card(info, version=__version__))
    return info


def _read_plainly(path: Path) -> object:
    try:
        found: object = read_json(path, limit=LARGEST_DESCRIPTION)
    except InputError:
        return None
    return found

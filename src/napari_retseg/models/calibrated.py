"""Intervals that a model gives its numbers: ``intervals.json`` in its bundle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from napari_retseg.errors import InputError, ModelError, NotThereError
from napari_retseg.io.atomic import write_json
from napari_retseg.models.description import (
    INTERVALS,
    LARGEST_INTERVALS,
    WEIGHTS,
    check_links,
    read_info,
)
from napari_retseg.models.lookup import list_models
from napari_retseg.records import check_record, read_json
from napari_retseg.scan import hash_path

if TYPE_CHECKING:
    from napari_retseg.measures.intervals import Intervals


def read_intervals(folder: Path) -> Intervals | None:
    """Read the intervals of a bundle, checked; None where it was not calibrated.

    Those of other weights do not count: the program died between the two files, or somebody
    exchanged one.

    Raises
    ------
    ModelError
        Where the file cannot be read, or holds what intervals cannot be.
    """
    from napari_retseg.measures.intervals import Intervals  # a model predicts without them

    check_links(folder)
    path = folder / INTERVALS
    try:
        found = check_record(read_json(path, limit=LARGEST_INTERVALS), Intervals, path)
    except NotThereError:
        return None
    except InputError as error:
        raise ModelError(str(error)) from error
    return found if found.weights_id == read_info(folder).weights_id else None


def write_intervals(folder: Path, intervals: Intervals) -> Path:
    """Keep the intervals of a model in its bundle.

    Raises
    ------
    InputError
        Where the system refuses.
    """
    path = folder / INTERVALS
    write_json(path, intervals.model_dump(mode="json"))
    return path


def find_calibrated(weights: str, folders: Iterable[Path] = ()) -> tuple[Intervals | None, str]:
    """Find the intervals of the model that predicted some labels.

    Parameters
    ----------
    weights
        Its weights_id, or the SHA-256 of its weights file.
    folders
        Bundles to look at before the user's own and the starter.

    Returns
    -------
    intervals, note
        None where the model is not found or has none; then why, as the user should know it.
    """
    note = (
        "no intervals: the model that predicted the labels is not among your models; name its "
        "folder with --model"
    )
    for folder in _look_through(folders):
        try:
            is_meant = weights in (read_info(folder).weights_id, hash_path(folder / WEIGHTS))
        except (InputError, ModelError, OSError):
            continue  # it has not predicted these labels
        if is_meant:
            found, note = _read(folder)
            if found is not None:
                break  # a copy of the model may have none
    else:
        found = None
    return found, note


def _hash_weights(folder: Path) -> str:
    found = (folder / WEIGHTS).stat()
    return _hash_file(folder / WEIGHTS, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=64)
def _hash_file(path: Path, mtime_ns: int, size: int) -> str:  # noqa: ARG001 - of this state of it
    return hash_path(path)


def _read(folder: Path) -> tuple[Intervals | None, str]:
    try:
        found = read_intervals(folder)
    except ModelError as error:
        return None, f"no intervals: {error}"
    if found is None:
        return None, (
            "no intervals: the model was not calibrated on held-out patients; see napari-retseg "
            "models calibrate"
        )
    return found, ""


def _look_through(folders: Iterable[Path]) -> Iterator[Path]:
    yield from folders
    try:
        yield from list_models()
    except ModelError:
        return

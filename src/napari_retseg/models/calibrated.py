"""How sure a model's numbers are, in its bundle: ``intervals.json`` and ``repeatability.json``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from napari_retseg.errors import InputError, ModelError, NotThereError
from napari_retseg.io.atomic import write_json
from napari_retseg.models.description import (
    INTERVALS,
    LARGEST_INTERVALS,
    REPEATABILITY,
    WEIGHTS,
    check_links,
    read_info,
)
from napari_retseg.models.lookup import list_models
from napari_retseg.records import check_record, read_json
from napari_retseg.scan import hash_path

if TYPE_CHECKING:
    from napari_retseg.measures.intervals import Intervals
    from napari_retseg.visits.retest import Retest

_Kept = TypeVar("_Kept", "Intervals", "Retest")


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

    return _read_kept(folder, INTERVALS, Intervals)


def read_retest(folder: Path) -> Retest | None:
    """Read how well the numbers of a bundle's labels repeat, as :func:`read_intervals` does.

    Raises
    ------
    ModelError
        Where the file cannot be read, or holds something else.
    """
    from napari_retseg.visits.retest import Retest

    return _read_kept(folder, REPEATABILITY, Retest)


def list_kept(folder: Path) -> Iterator[tuple[str, Intervals | Retest]]:
    """List the files that say how sure the numbers of a bundle are, read and checked."""
    for name, found in ((INTERVALS, read_intervals(folder)), (REPEATABILITY, read_retest(folder))):
        if found is not None:
            yield name, found


def _read_kept(folder: Path, name: str, kind: type[_Kept]) -> _Kept | None:
    check_links(folder)
    path = folder / name
    try:
        found = check_record(read_json(path, limit=LARGEST_INTERVALS), kind, path)
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


def write_retest(folder: Path, retest: Retest) -> Path:
    """Keep in a model's bundle how well its numbers repeat.

    Raises
    ------
    InputError
        Where the system refuses.
    """
    path = folder / REPEATABILITY
    write_json(path, retest.model_dump(mode="json"))
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
    found = None
    for folder in find_bundles(weights, folders):
        found, note = _read(folder)
        if found is not None:
            break  # a copy of the model may have none
    return found, note


def find_retest(weights: str, folders: Iterable[Path] = ()) -> Retest | None:
    """Find how well the numbers of the model that predicted some labels repeat.

    Parameters
    ----------
    weights, folders
        As for :func:`find_calibrated`.
    """
    for folder in find_bundles(weights, folders):
        try:
            found = read_retest(folder)
        except ModelError:
            continue
        if found is not None:
            return found
    return None


def find_bundles(weights: str, folders: Iterable[Path] = ()) -> Iterator[Path]:
    """Find the bundles of the model that predicted some labels.

    Parameters
    ----------
    weights, folders
        As for :func:`find_calibrated`.
    """
    for folder in _look_through(folders):
        try:
            is_meant = weights in (read_info(folder).weights_id, _hash_weights(folder))
        except (InputError, ModelError, OSError):
            continue  # it has not predicted these labels
        if is_meant:
            yield folder


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

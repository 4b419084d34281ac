"""Datasets of other layouts become one of ours: whole, or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args

from napari_retseg.dataset.arrays import IMAGES, import_stacks
from napari_retseg.dataset.case import Case
from napari_retseg.dataset.chiu import import_chiu
from napari_retseg.dataset.collection import Dataset
from napari_retseg.dataset.description import DESCRIPTION, save_dataset
from napari_retseg.dataset.loading import load_dataset, load_pair
from napari_retseg.dataset.pair import find_pair
from napari_retseg.dataset.split import pin_split
from napari_retseg.errors import InputError, UsageError

Kind = Literal["auto", "chiu-mat", "npy", "folders", "decathlon"]


def import_dataset(source: Path, target: Path, *, kind: Kind = "auto") -> Dataset:
    """Make a dataset in a new folder, with its split by patient pinned.

    Parameters
    ----------
    source
        A folder, or a single ``.mat`` or ``dataset.json``.
    target
        The new folder; there must be nothing in it.
    kind
        ``chiu-mat``: ``Subject_01.mat``, ... of Chiu 2015. ``npy``: stacks ``images.npy`` and
        ``labels.npy``, or a folder pair of NPY files. ``folders``: a pair of folders.
        ``decathlon``: a ``dataset.json`` with its files. ``auto``: what it looks like.

    Returns
    -------
    Dataset
        As loaded from `target`.

    Raises
    ------
    InputError
        Where the source cannot be used, or the target is taken or cannot be written.
        Nothing is left in `target` then.
    UsageError
        For an unknown `kind`.
    """
    source, target = Path(source), Path(target)
    if kind not in get_args(Kind):
        raise UsageError(
            f"unknown kind of dataset {kind!r}; choose from {', '.join(get_args(Kind))}"
        )
    if not source.exists():
        raise InputError(f"{source}: file or folder not found")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target}: already exists; choose a new folder for the dataset")
    with _staging(target) as folder:
        read = _IMPORTERS[_detect(source) if kind == "auto" else kind]
        save_dataset(pin_split(read(source, folder)))
    return load_dataset(target)


def _detect(source: Path) -> Kind:
    """Tell what a source is by its names."""
    if source.is_file():
        kinds: dict[str, Kind] = {".mat": "chiu-mat", ".json": "decathlon"}
        if source.suffix.lower() in kinds:
            return kinds[source.suffix.lower()]
    elif (source / DESCRIPTION).is_file():
        return "decathlon"
    elif (source / IMAGES).is_file():
        return "npy"
    elif find_pair(source) is not None:
        return "folders"
    elif any(path.suffix.lower() == ".mat" for path in source.iterdir()):
        return "chiu-mat"
    raise InputError(
        f"{source}: found no Subject_*.mat, no {IMAGES}, no {DESCRIPTION} and no folders "
        "'images' and 'labels'"
    )


@contextmanager
def _staging(target: Path) -> Iterator[Path]:
    """Give a folder beside `target` that takes its place at the end, or goes after an error."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        parent = target.parent.resolve()
        outer = Path(tempfile.mkdtemp(prefix=f".{target.name}.import-", dir=parent))
    except OSError as error:
        raise InputError(f"{target}: cannot be created ({error.strerror})") from error
    try:
        folder = outer / target.name
        folder.mkdir()
        yield folder
        if target.exists():
            target.rmdir()
        folder.replace(target)
    except OSError as error:
        origin = f" from {error.filename}" if error.filename else ""
        why = error.strerror or str(error)
        raise InputError(
            f"{target}: cannot be created{origin} ({why}); nothing was left behind"
        ) from error
    finally:
        shutil.rmtree(outer, ignore_errors=True)


def _import_pair(source: Path, folder: Path) -> Dataset:
    if find_pair(source) is None:
        raise InputError(f"{source}: found no folders 'images' and 'labels'")
    return _copy(load_pair(source), folder)


def _import_arrays(source: Path, folder: Path) -> Dataset:
    if (source / IMAGES).is_file():
        return import_stacks(source, folder)
    if find_pair(source) is None:
        raise InputError(f"{source}: found neither {IMAGES} nor folders 'images' and 'labels'")
    dataset = load_pair(source)
    other = [c.image for c in dataset.cases if c.image.suffix.lower() not in (".npy", ".npz")]
    if other:
        raise InputError(f"{other[0]}: not an NPY file; use --kind folders")
    return _copy(dataset, folder)


def _import_decathlon(source: Path, folder: Path) -> Dataset:
    if source.is_dir() and not (source / DESCRIPTION).is_file():
        raise InputError(f"{source}: found no {DESCRIPTION}")
    return _copy(load_dataset(source), folder)


def _copy(dataset: Dataset, folder: Path) -> Dataset:
    """Copy the files of a dataset to the same places below `folder`, once they are checked."""
    cases: list[Case] = []
    for number, case in enumerate(dataset.cases, start=1):
        if case.label is not None:
            case.read_labels(dataset.labels)
        paths = {"image": _copy_path(case.image, dataset.root, folder, number)}
        if case.label is not None:
            paths["label"] = _copy_path(case.label, dataset.root, folder, number)
        cases.append(case.model_copy(update=paths))
    return dataset.model_copy(update={"root": folder, "cases": tuple(cases)})


def _copy_path(path: Path, root: Path, folder: Path, number: int) -> Path:
    if path.is_relative_to(root):
        target = folder / path.relative_to(root)
    else:  # of a workspace, whose scans may lie anywhere
        target = folder / "images" / f"{number:04d}" / path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        target.mkdir()
        for file in sorted(path.iterdir()):
            if file.is_file():
                shutil.copyfile(file, target / file.name)
    else:
        shutil.copyfile(path, target)
    return target


_IMPORTERS: dict[str, Callable[[Path, Path], Dataset]] = {
    "chiu-mat": import_chiu,
    "npy": _import_arrays,
    "folders": _import_pair,
    "decathlon": _import_decathlon,
}

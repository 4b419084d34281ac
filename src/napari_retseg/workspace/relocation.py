"""Scans that lie somewhere else now: found by their names and sizes, told by their hashes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from napari_retseg.dataset import Case
from napari_retseg.errors import InputError
from napari_retseg.io import read_scan
from napari_retseg.io.sources import hash_source
from napari_retseg.io.suffixes import holds_export, list_bscans, suffix_of
from napari_retseg.volume_path import file_of, name_volume, split_volume
from napari_retseg.workspace.entry import count_bscans, shape_of


def is_there(case: Case, folder: Path, former: Path | None) -> bool:
    """Whether a case's scan lies where ``dataset.json`` says.

    In a workspace that stayed in its place a file of that name is enough. After a move the
    way to a scan outside may lead to another file, so that its content is looked at.
    """
    if not _exists(case.image):
        return False
    has_moved = former != folder and not case.image.is_relative_to(folder)
    return not has_moved or holds_scan(case.image, case)


def holds_scan(path: Path, case: Case) -> bool:
    """Whether a file, or folder of B-scans, holds a case's scan: of the same size and hash."""
    size, expected = case.about.get("size"), case.about.get("sha256")
    try:
        file = file_of(path)
        if not file.exists():
            return False
        if size is not None and file.is_file() and file.stat().st_size != size:
            return False
        return expected is None or hash_source(path) == expected
    except (OSError, InputError):  # it may not be read, so it is not known to be the scan
        return False


def measure(path: Path) -> int | None:
    """Return a file's size in bytes; None for a folder."""
    file = file_of(path)
    return file.stat().st_size if file.is_file() else None


def check_content(case: Case, path: Path, *, check_hash: bool) -> None:
    """Refuse a file that does not hold the case's scan.

    Raises
    ------
    InputError
        Where nothing lies there, its content is another, or, where the hash is not to be
        checked, its shape is.
    """
    if not _exists(path):
        raise InputError(f"{path}: file or folder not found; choose where the scan is now")
    if check_hash:
        if not holds_scan(path, case):
            raise InputError(
                f"{path}: not the scan that was added as {case.about['name']} (the content "
                "differs); choose the original file, or add this one as a new scan"
            )
        return
    shape, wanted = read_scan(path).spatial_shape, shape_of(case)
    if wanted is not None and shape != wanted:
        raise InputError(
            f"{path}: has shape {shape}, but the labels of {case.about['name']} have {wanted}; "
            "choose another file"
        )


def find_moved(cases: Iterable[Case], folder: Path) -> dict[str, Path]:
    """Search a folder, and those below it, for scans, as `Workspace.find_moved` says.

    Files of the same name are looked at first, then others of the same kind and size. Where no
    hash is known, the name has to do.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: folder not found; choose the folder that contains the scans")
    places = list(_walk(folder))
    hashes: dict[Path, str | None] = {}
    found: dict[str, Path] = {}
    for case in cases:
        known = case.about.get("sha256") is not None
        for file in _candidates(case, places):
            path = _name_like(file, case)
            if path in found.values() or not _fits_size(file, case):
                continue
            if not known or _hash(path, hashes) == case.about["sha256"]:
                found[case.about["name"]] = path
                break
    return found


def _candidates(case: Case, places: list[Path]) -> Iterator[Path]:
    """Files (and folders) that may be the scan, the likely ones first."""
    image = file_of(case.image)
    name = image.name.casefold()
    yield from (path for path in places if path.name.casefold() == name)
    if case.about.get("sha256") is None:
        return
    suffix, is_file = suffix_of(image), case.about.get("size") is not None
    for path in places:
        alike = suffix_of(path) == suffix and path.is_file() == is_file
        if alike and path.name.casefold() != name:
            yield path


def _name_like(file: Path, case: Case) -> Path:
    """The path of a case's scan in a file: of one of several volumes with its number."""
    volume = split_volume(case.image)[1]
    return file if volume is None else name_volume(file, volume)


def _fits_size(path: Path, case: Case) -> bool:
    """Tell by what costs nothing to look at: bytes of a file, B-scans of a folder."""
    size, shape = case.about.get("size"), shape_of(case)
    try:
        if size is not None:
            return path.is_file() and path.stat().st_size == size
        if shape is None or path.is_file():
            return True
        return holds_export(path) or len(list_bscans(path)) == count_bscans(shape)
    except (OSError, InputError):
        return False


def _hash(path: Path, known: dict[Path, str | None]) -> str | None:
    if path not in known:
        try:
            known[path] = hash_source(path)
        except (OSError, InputError):
            known[path] = None
    return known[path]


def _walk(folder: Path) -> Iterator[Path]:
    """All files and folders below a folder, hidden ones left out; links are not followed."""
    yield folder
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in (*folders, *sorted(files)):
            if not name.startswith("."):
                yield Path(place) / name


def _exists(path: Path) -> bool:
    try:
        return file_of(path).exists()
    except OSError:  # a folder above it may not be entered
        return False
